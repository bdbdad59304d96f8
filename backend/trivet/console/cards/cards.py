"""The pages of trade-off cards: which scenarios have one and how they stand; one card, its history and its changes."""

from datetime import datetime
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Form, Query
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy.orm import Session

from trivet import db
from trivet.card import diff, exchange, solo
from trivet.card import service as revisions
from trivet.card.content import Card, parse
from trivet.card.models import CardRevision, CardSchedule, CardTrial
from trivet.card.sentences import CRITICALITIES, paragraphs
from trivet.console import format as say
from trivet.console.cards import cards_acts, cards_life, cards_read, cards_used
from trivet.console.cards import cards_words as words
from trivet.console.cards.cards_read import Standing
from trivet.console.cards.cards_strip import draw
from trivet.console.cards.cards_views import (
    CardPage,
    CardRow,
    CardsPage,
    MeasureRow,
    RevisionRow,
    ScheduleRow,
    Strip,
    TrialPart,
    Typed,
)
from trivet.console.door import Looking, check_token
from trivet.console.pages import show
from trivet.console.places import check_role
from trivet.console.tongue import N_, _
from trivet.console.views import Choice, Reader
from trivet.kit.errors import Invalid, TrivetError

router = APIRouter()
Number = Annotated[int, Query(ge=0, lt=2**31)]
STATUS_WORDS = {"draft": N_("draft"), "in_review": N_("in review"), "active": N_("active"), "retired": N_("retired")}
SCHEDULE_PILLS = {"waiting": "pending", "activated": "effective", "cancelled": "superseded", "failed": "expired"}
SCHEDULE_WORDS = {
    "waiting": N_("waits"),
    "activated": N_("activated"),
    "cancelled": N_("called off"),
    "failed": N_("failed"),
}
SENTENCES_SHOWN = 20
PILLS = {"draft": "missing", "in_review": "observed", "active": "effective", "retired": "superseded"}


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
    return RedirectResponse(f"{address(name)}#revision-{number}", 303)


def shown(
    looking: Reader, name: str, before: int = 0, to: int = 0, *, typed: Typed | None = None, status: int = 200
) -> HTMLResponse:
    """The page of one card, with what was typed where it was refused."""
    with db.transaction() as session:
        page = _page(session, looking, name, before, to, typed or Typed())
        return show("cards/one.html", page, status=status)


def address(name: str) -> str:
    """Of a card's page."""
    return f"/cards/{quote(name, safe='')}"


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
        url=address(one.scenario.name),
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


def _page(session: Session, looking: Reader, name: str, before: int, to: int, typed: Typed) -> CardPage:  # noqa: PLR0917  # what the address and the form said
    scenario = revisions.scenario_named(session, name)
    one = cards_read.standing(session, scenario)
    rows, older = cards_read.revisions(session, scenario.id)
    tried = cards_read.trials(session, scenario.id)
    numbers = [row.number for row in rows]
    if not before and one.active and numbers:
        to = to or max(numbers)
        before = one.active.number if to != one.active.number else one.active.previous_number or to
    changes = _changes(session, name, before, to)
    gone, come = _sentences(session, name, before, to)
    life_of, life = cards_life.of(one, rows, looking)
    governed = list(dict.fromkeys(row.number for row in cards_read.activations(session, scenario.id)))
    return CardPage(
        reader=looking,
        name=name,
        url=address(name),
        sentence=_sentence(session, one, looking),
        strip=_strip(session, scenario.id, tried, looking),
        parts=tuple(paragraphs(one.active.card, _)) if one.active else (),
        trial=_trial(session, tried[0], looking) if tried else None,
        acts=cards_acts.of_card(one, looking),
        revisions=tuple(_revision(row, one, tried, looking) for row in rows),
        older=older,
        before=_choices(numbers, before),
        after=_choices(numbers, to),
        changes=tuple(changes),
        differ=words.differ(before, to, len(changes)),
        gone=gone,
        come=come,
        targets=_targets(one, governed) if looking.may_command else (),
        back=_back(session, one),
        life=life,
        life_of=life_of,
        schedules=tuple(_schedule(row) for row in cards_read.schedules(session, scenario.id)),
        used=cards_used.of_day(session, scenario.id, one.active.card, looking.now) if one.active else None,
        live_url=f"{address(name)}?from={before}&to={to}",
        typed=typed,
    )


def _sentence(session: Session, one: Standing, looking: Reader) -> str:
    card = one.active
    if card is None:
        return words.without_card(one.scenario.name)
    said = words.One(
        name=one.scenario.name,
        number=card.number,
        since=card.active_from,
        gives_way=card.card.gives_way[0] if card.card.gives_way else "",
        reason=cards_read.reason(session, card),
        trial=(one.trial.number, one.trial.shares[one.trial.step]) if one.trial else None,
        scheduled=(one.schedule.number, one.schedule.at) if one.schedule else None,
        owed=bool(one.owed),
        shadow=sum(guard.shadow for guard in card.card.guards),
    )
    return words.of_one(said, looking.now, looking.zone)


def _strip(session: Session, scenario_id: int, tried: list[CardTrial], looking: Reader) -> Strip | None:
    governed = [(row.number, row.active_from) for row in cards_read.activations(session, scenario_id)]
    first = governed[0][1] if governed else looking.now
    return draw(
        governed, [(t.number, t.started_at, t.ended_at) for t in tried if (t.ended_at or looking.now) > first],
        looking.now, looking.zone,
    )  # fmt: skip


def _changes(session: Session, name: str, before: int, to: int) -> list[str]:
    if not before or not to or before == to:
        return []
    one, other = (exchange.values(session, name, number) for number in (before, to))
    return [change.words for change in diff.changes(one, other)]


def _sentences(session: Session, name: str, before: int, to: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The sentences that the first of two revisions says alone, and those of the second."""
    if not before or not to or before == to:
        return (), ()
    try:
        one, other = (_told(parse(exchange.values(session, name, number))) for number in (before, to))
    except Invalid:  # a kept card that cannot be read any more has no sentences
        return (), ()
    gone, come = [s for s in one if s not in other], [s for s in other if s not in one]
    return tuple(gone[:SENTENCES_SHOWN]), tuple(come[:SENTENCES_SHOWN])


def _told(card: Card) -> list[str]:
    return [sentence for part in paragraphs(card, _) for sentence in part.sentences]


def _back(session: Session, one: Standing) -> str:
    """What a rollback to the previous revision would do."""
    card = one.active
    if card is None or card.previous_number is None:
        return ""
    changes = _changes(session, one.scenario.name, card.number, card.previous_number)
    return words.back_to(card.number, card.previous_number, len(changes))


def _schedule(row: CardSchedule) -> ScheduleRow:
    return ScheduleRow(
        row.number,
        row.at,
        SCHEDULE_PILLS[row.state],
        _(SCHEDULE_WORDS[row.state]),
        row.actor,
        row.reason,
        row.outcome or "",
    )


def _choices(numbers: list[int], chosen: int) -> tuple[Choice, ...]:
    offered = numbers if chosen in numbers or not chosen else [*numbers, chosen]
    return tuple(Choice(str(number), _("revision {number}", number=number), "", number == chosen) for number in offered)


def _targets(one: Standing, governed: list[int]) -> tuple[Choice, ...]:
    """Revisions to roll back to, the previous one first."""
    if one.active is None:
        return ()
    previous = one.active.previous_number
    rest = [n for n in reversed(governed) if n not in (one.active.number, previous)]
    first = (
        [Choice(str(previous), _("revision {number}, the previous one", number=previous), "", True)] if previous else []
    )
    return (*first, *(Choice(str(n), _("revision {number}", number=n), "", False) for n in rest))


def _revision(row: CardRevision, one: Standing, tried: list[CardTrial], looking: Reader) -> RevisionRow:
    return RevisionRow(
        number=row.number,
        state=PILLS[row.status],
        said=_(STATUS_WORDS[row.status]),
        author=row.author,
        created_at=row.created_at,
        approvals=words.approvals(row.approved_product_by, row.approved_operations_by, solo=row.solo)
        if row.status != "draft" and not cards_life.from_preset(row) else "",
        note=_note(row, tried, looking),
        acts=cards_acts.offered(row, one, looking),
    )  # fmt: skip


def _note(row: CardRevision, tried: list[CardTrial], looking: Reader) -> str:
    parts = [row.retired_reason or ""]
    newest = next((trial for trial in tried if trial.number == row.number), None)
    if row.status == "in_review" and newest is not None and newest.state == "stopped":
        parts.append(_("tried: {said}", said=newest.said.rstrip(".")))
    if row.glass_broken_at is not None:
        at = say.day_clock(row.glass_broken_at, looking.now, looking.zone)
        parts.append(
            _("break-glass by {who} at {at}: {reason}", who=row.glass_broken_by, at=at, reason=row.glass_reason)
        )
        reviewed = _("reviewed by {who}: {words}", who=row.reviewed_by, words=row.review_words)
        parts.append(reviewed if row.reviewed_at else _("a review is owed"))
    return "; ".join(filter(None, parts))


def _trial(session: Session, row: CardTrial, looking: Reader) -> TrialPart:
    served = cards_read.tried_requests(session, row, looking.now) if row.state == "running" else None
    numbers: list[dict[str, Any]] = row.steps[-1]["numbers"] if row.steps else []
    return TrialPart(
        number=row.number,
        against=row.against,
        running=row.state == "running",
        shares=(*(f"{100 * share:g} %" for share in row.shares), _("all")),
        at=row.step if row.state == "running" else len(row.shares) if row.state == "activated" else -1,
        said=row.said,
        progress=words.progress(served, row.minimum_sample) if served is not None else "",
        steps=tuple((datetime.fromisoformat(step["at"]), step["words"]) for step in reversed(row.steps)),
        measures=tuple(map(_measure, numbers)),
    )


AMOUNTS = (N_("cost per request"), N_("quality"))
TRIED = (
    N_("errors"), N_("timeouts"), N_("refusals"), N_("slower than the P95 target"), N_("cost per request"),
    N_("quality"),
)  # fmt: skip


def _measure(said: dict[str, Any]) -> MeasureRow:
    name = str(said["measure"])
    amount = name in AMOUNTS

    def written(value: float | None) -> str:
        return "?" if value is None else f"{value:.4g}" if amount else f"{100 * value:.1f} %"

    state = "expired" if said["worse"] else "effective" if said["holds"] else "missing"
    word = _("worse") if said["worse"] else _("not worse") if said["holds"] else _("cannot be told")
    bounds = _("{low} to {high}", low=written(said["low"]), high=written(said["high"]))
    return MeasureRow(
        _(name) if name in TRIED else name,
        written(said["new"]),
        written(said["old"]),
        bounds,
        state,
        word,
    )
