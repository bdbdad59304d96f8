"""Commands from the page: a preview that says what will change for whom, a reason, then one clear button."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, Form, Header, Query
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from trivet import db
from trivet.card import service as cards
from trivet.card.content import Card
from trivet.command import learning, preview, service
from trivet.command.models import DesiredState
from trivet.command.standing import give_once
from trivet.console import format as say
from trivet.console.door import Looking, check_token
from trivet.console.pages import show
from trivet.console.places import check_role
from trivet.console.steer_views import CommandPanel
from trivet.console.tongue import N_, _
from trivet.console.views import LEVEL_WORDS, Choice, Reader
from trivet.kit.errors import NotFound, TrivetError

router = APIRouter()
KINDS = {"degrade": N_("Degrade"), "restore": N_("Restore"), "rollback": N_("Roll back"), "break": N_("Break")}
LIMITED = frozenset({"degrade", "break"})  # kinds that may end by themselves
CHANGES_SHOWN, TENANTS_OFFERED = 12, 100
LIMITS = {"900": N_("in 15 min"), "3600": N_("in 1 h"), "14400": N_("in 4 h"), "": N_("when restored")}
Fragment = Annotated[str | None, Header(alias="hx-request")]


class Asked(BaseModel):
    """What the panel's address says. Empty is no choice yet."""

    kind: Literal["degrade", "restore", "rollback", "break"]
    tenant: str = Field("", max_length=200, pattern=r"^[^\x00]*$")
    level: Literal["", "0", "1", "2", "3"] = ""
    expires_in_s: Literal["", "900", "3600", "14400"] = "3600"


class Given(Asked):
    """What the form says. An empty limit is `when restored`."""

    expires_in_s: Literal["", "900", "3600", "14400"] = ""
    reason: str = Field("", max_length=500)
    csrf_token: str = Field(max_length=200)


@dataclass(frozen=True, slots=True)
class Wish:
    """What the form says, before anything is done about it."""

    kind: str
    scenario: str
    level: int | None
    expires_in_s: int | None
    tenant: str = ""
    reason: str = ""


@router.get("/scenarios/{name}/command")
def panel(looking: Looking, name: str, asked: Annotated[Asked, Query()], hx_request: Fragment = None) -> HTMLResponse:
    """The command before it is given."""
    _may(looking)
    with db.transaction() as session:
        wish = _wish(session, name, asked)
        return _show(_panel(session, looking, wish, {}), fragment=bool(hx_request))


@router.post("/scenarios/{name}/command")
def give(looking: Looking, name: str, given: Annotated[Given, Form()], hx_request: Fragment = None) -> Response:
    """Give it, through the same door as the API; a refusal comes back in the form, at its field."""
    _may(looking)
    check_token(looking, given.csrf_token)
    with db.transaction() as session:
        wish = _wish(session, name, given, given.reason)
    try:
        with db.transaction() as session:
            _issue(session, looking, wish)
    except TrivetError as refused:
        errors = {refused.field if refused.field in ("reason", "level", "tenant") else "form": refused.detail}
        with db.transaction() as session:
            return _show(_panel(session, looking, wish, errors), fragment=bool(hx_request), status=refused.status)
    if hx_request:
        return HTMLResponse("", headers={"HX-Trigger": "trivet:commanded"})
    return RedirectResponse("/commands#commands", 303)


def _may(looking: Reader) -> None:
    check_role(looking.role, "Commands are for sre, product owner and admin", may=looking.may_command)


def _wish(session: Session, name: str, asked: Asked, reason: str = "") -> Wish:
    """Without a choice, one level further down than what should hold now."""
    tenant = "" if asked.kind == "rollback" else asked.tenant.strip()
    limit_s = int(asked.expires_in_s) if asked.expires_in_s and asked.kind in LIMITED else None
    if asked.kind != "degrade":
        return Wish(asked.kind, name, None, limit_s, tenant, reason)
    level = int(asked.level) if asked.level else 0
    if not level:
        card, wanted = _standing(session, name)
        level = min(wanted + 1, card.top)
    return Wish(asked.kind, name, level, limit_s, tenant, reason)


def _standing(session: Session, name: str) -> tuple[Card, int]:
    """The scenario's card and the level that should hold now."""
    scenario = cards.scenario_named(session, name)
    active = cards.active(session, [scenario.id]).get(scenario.id)
    if active is None:
        raise NotFound(f"{name} has no active card, so there is no ladder to move on.")
    desired = session.get(DesiredState, (scenario.id, 0, 0))
    return active.card, desired.level if desired else 0


def _issue(session: Session, looking: Reader, wish: Wish) -> None:
    """Pressed twice, it is one command."""
    scenario = cards.scenario_named(session, wish.scenario)
    give_once(
        session, kind=wish.kind, scenario_id=scenario.id, level=wish.level, reason=wish.reason, actor=looking.email,
        tenant_id=service.tenant_id_of(session, wish.tenant) if wish.tenant else None, expires_in_s=wish.expires_in_s,
        now=looking.now,
    )  # fmt: skip


def _panel(session: Session, looking: Reader, wish: Wish, errors: dict[str, str]) -> CommandPanel:
    card, wanted = _standing(session, wish.scenario)
    scenario = cards.scenario_named(session, wish.scenario)
    degrade = wish.kind == "degrade"
    said, notes = _preview(session, scenario.id, looking, wish)
    return CommandPanel(
        reader=looking,
        kind=wish.kind,
        verb=_(KINDS[wish.kind]),
        title=_("{verb} {name}", verb=_(KINDS[wish.kind]), name=say.title(wish.scenario)),
        preview=said,
        notes=notes,
        tenant=wish.tenant,
        tenants=() if wish.kind == "rollback" else _tenants(session, scenario.id, looking),
        everyone={"rollback": "", "break": "required"}.get(wish.kind, "optional"),
        levels=_levels(card, wanted, wish.level) if degrade else (),
        limits=_limits(wish.expires_in_s) if wish.kind in LIMITED else (),
        reason=wish.reason,
        errors=errors,
        action=f"/scenarios/{quote(wish.scenario, safe='')}/command",
    )


def _preview(session: Session, scenario_id: int, looking: Reader, wish: Wish) -> tuple[str, tuple[str, ...]]:
    """The API's own sentence, in the reader's language, and what it rests on; where the command makes no sense now, why."""
    try:
        found = preview.preview(
            session, kind=wish.kind, scenario_id=scenario_id, level=wish.level, expires_in_s=wish.expires_in_s,
            tenant_id=service.tenant_id_of(session, wish.tenant) if wish.tenant else None, now=looking.now, _=_,
        )  # fmt: skip
    except TrivetError as refused:
        return refused.detail, ()
    return found.sentence, tuple(_notes(found))


def _notes(found: preview.Preview) -> Iterator[str]:
    changes = [f"{name}: {_said(change['from'])} → {_said(change['to'])}" for name, change in found.flags.items()]
    if changes:
        shown, more = _("; ").join(changes[:CHANGES_SHOWN]), len(changes) - CHANGES_SHOWN
        yield (
            _("Changes {shown}; and {n} more.", shown=shown, n=more) if more > 0 else _("Changes {shown}.", shown=shown)
        )
    yield preview.reach(found, _)
    if found.overrides:
        yield _(
            "Tenants with a state of their own keep it: {names}.", names=_(", ").join(found.overrides[:CHANGES_SHOWN])
        )
    if found.learn:
        yield _("Backends learn: {how}.", how=learning.sentence(found.learn, _))


def _said(value: object) -> str:
    if isinstance(value, bool):
        return _("on") if value else _("off")
    if value == preview.NOTHING:
        return _(preview.NOTHING)
    return _(", ").join(map(str, value)) if isinstance(value, list) else str(value)


def _tenants(session: Session, scenario_id: int, looking: Reader) -> tuple[str, ...]:
    """Whom the field offers: tenants seen in the last minute, and those with a state of their own."""
    found = preview.about(session, service.Scope(scenario_id), looking.now)
    return tuple(sorted(found)[:TENANTS_OFFERED])


def _levels(card: Card, wanted: int, chosen: int | None) -> tuple[Choice, ...]:
    return tuple(
        Choice(
            value=str(step.level),
            words=_level_words(step.level, wanted),
            detail=step.name.partition(": ")[2] or step.name,
            chosen=step.level == chosen,
        )
        for step in card.ladder
    )


def _level_words(level: int, wanted: int) -> str:
    word = _(LEVEL_WORDS[level])
    return _("{n} · {word}, as it is", n=level, word=word) if level == wanted else f"{level} · {word}"


def _limits(chosen: int | None) -> tuple[Choice, ...]:
    value = str(chosen or "")
    return tuple(Choice(seconds, _(words), "", seconds == value) for seconds, words in LIMITS.items())


def _show(page: CommandPanel, *, fragment: bool, status: int = 200) -> HTMLResponse:
    return show("overview/command.html" if fragment else "overview/command_page.html", page, status=status)
