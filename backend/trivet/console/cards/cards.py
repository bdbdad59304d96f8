"""The pages of trade-off cards: which scenarios have one and how they stand; one card, its history and its changes."""

from typing import Annotated

from fastapi import APIRouter, Form, Query
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from trivet import db
from trivet.card import solo
from trivet.card.models import CardRevision
from trivet.card.sentences import CRITICALITIES
from trivet.console import format as say
from trivet.console.cards import cards_acts, cards_one, cards_read
from trivet.console.cards import cards_words as words
from trivet.console.cards.cards_read import Standing
from trivet.console.cards.cards_views import CardRow, CardsPage, Typed
from trivet.console.door import Looking, check_token
from trivet.console.pages import show
from trivet.console.places import check_role
from trivet.console.tongue import _
from trivet.console.views import Reader
from trivet.kit.errors import TrivetError

router = APIRouter()
Number = Annotated[int, Query(ge=0, lt=2**31)]


@router.get("/cards")
def list_of_cards(looking: Looking) -> HTMLResponse:
    """Every scenario with its card; what is owed and tried stands in the sentence."""
    return _list(looking)


@router.post("/cards")
def switch(looking: Looking, given: Annotated[cards_acts.Switch, Form()]) -> Response:
    """Solo mode on or off; a refusal comes back on the page, above what was typed."""
    check_role(looking.role, "Solo mode is switched by an admin", may=looking.may_administer)
    check_token(looking, given.csrf_token)
    try:
        with db.transaction() as session:
            cards_acts.switch_solo(session, looking, given)
    except TrivetError as refused:
        return _list(looking, Typed("solo", reason=given.reason, problem=refused.detail), refused.status)
    return RedirectResponse("/cards", 303)


def _list(looking: Reader, typed: Typed = Typed(), status: int = 200) -> HTMLResponse:
    with db.transaction() as session:
        found, more = cards_read.standings(session)
        alone = solo.newest(session)
    known = words.Known(
        cards=sum(one.active is not None for one in found),
        without=sum(one.active is None for one in found),
        owed=[(one.scenario.name, row.number, row.glass_broken_by or "") for one in found for row in one.owed],
        trials=[(one.scenario.name, one.trial.number, one.trial.shares[one.trial.step]) for one in found if one.trial],
        waiting=sum(_lacks_approval(row) for one in found for row in one.waiting),
    )
    said = _("Solo mode is on since {at}, by {who}: {reason}.", at=say.day_clock(alone.at, looking.now, looking.zone), who=alone.actor, reason=alone.reason) if alone and alone.on else ""  # fmt: skip
    page = CardsPage(
        looking, words.sentence(known), said, tuple(map(_row, found)), more, alone is not None and alone.on, typed
    )
    return show("cards/list.html", page, status=status)


@router.get("/cards/{name}")
def one_card(
    looking: Looking, name: str, before: Annotated[int, Query(alias="from", ge=0, lt=2**31)] = 0, to: Number = 0
) -> HTMLResponse:
    """The card in plain sentences, its history, and what may be done with each revision."""
    return shown(looking, name, before, to)


@router.post("/cards/{name}")
def act(looking: Looking, name: str, given: Annotated[cards_acts.Given, Form()]) -> Response:
    """One act; a refusal comes back on the page, above what was typed."""
    check_role(looking.role, "Cards are for sre, product owner and admin", may=looking.may_command)
    check_token(looking, given.csrf_token)
    try:
        with db.transaction() as session:
            number = cards_acts.do(session, looking, name, given)
    except TrivetError as refused:
        typed = Typed(given.act, given.revision, given.reason, refused.detail)
        return shown(looking, name, typed=typed, status=refused.status)
    return RedirectResponse(f"{words.address(name)}#revision-{number}", 303)


def shown(
    looking: Reader, name: str, before: int = 0, to: int = 0, *, typed: Typed | None = None, status: int = 200
) -> HTMLResponse:
    """The page of one card, with what was typed where it was refused."""
    with db.transaction() as session:
        page = cards_one.page(session, looking, name, before, to, typed or Typed())
        return show("cards/one.html", page, status=status)


def _lacks_approval(row: CardRevision) -> bool:
    return row.status == "in_review" and None in (row.approved_product_by, row.approved_operations_by)


def _waits(row: CardRevision) -> str:
    return words.waits(row.number, "draft" if row.status == "draft" else "" if _lacks_approval(row) else "approved")


def _row(one: Standing) -> CardRow:
    card = one.active
    shadow = sum(guard.shadow for guard in card.card.guards) if card else 0
    waiting = [_waits(row) for row in one.waiting if one.trial is None or one.trial.number != row.number]
    return CardRow(
        name=one.scenario.name,
        url=words.address(one.scenario.name),
        criticality=_(CRITICALITIES.get(one.scenario.criticality, one.scenario.criticality)),
        revision=card.number if card else 0,
        since=card.active_from if card else None,
        gives_way=card.card.gives_way[0] if card and card.card.gives_way else "",
        shadow=_("{n} of {all} in shadow", n=shadow, all=len(card.card.guards)) if card and shadow else "",
        waiting=", ".join(waiting[-3:]),
        trial=one.trial.number if one.trial else 0,
        share=one.trial.shares[one.trial.step] if one.trial else 0.0,
        trial_words=one.trial.said if one.trial else "",
        scheduled=one.schedule.at if one.schedule else None,
        owed="; ".join(
            _("revision {number}, by {who}", number=row.number, who=row.glass_broken_by) for row in one.owed
        ),
    )
