"""Scenarios: what calls are for, the card each started from, and which backends serve it."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Form
from fastapi import Query as Ask
from fastapi.responses import HTMLResponse, Response
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from starlette.responses import StreamingResponse

from trivet import db
from trivet.card import service as cards
from trivet.card.api_revisions import NewScenario
from trivet.card.presets import presets
from trivet.console import format as say
from trivet.console.address import settle
from trivet.console.cards.cards_words import address as card_address
from trivet.console.door import Looking
from trivet.console.files import csv_answer
from trivet.console.pages import show
from trivet.console.settings import doing, parts
from trivet.console.settings.parts import Cell, Entry, Listing, Query, Row, SettingsPage, Signed, Words
from trivet.console.tongue import N_, _, _n
from trivet.console.views import Reader
from trivet.fleet import service as fleet
from trivet.fleet.models import Backend
from trivet.kit.body import NAME_MAX
from trivet.kit.clock import rfc3339
from trivet.kit.errors import Invalid
from trivet.report.files.table import Column
from trivet.tenant.models import CRITICALITIES, Scenario

router = APIRouter()
ROLES = ("admin", "product_owner", "sre")
SERVES = ("admin", "finance", "sre")
BACKENDS_MAX, BACKENDS_SHOWN, SERVED_MAX = 10_000, 4, 500
HEADS: Final = (
    N_("Scenario"), N_("Criticality"), N_("Card"), N_("Served by"), N_("First met"), N_("Registered"), "",
)  # fmt: skip
COLUMNS: Final = tuple(
    Column(name) for name in ("scenario", "criticality", "revision", "backends", "first_met_at", "registered_at")
)
CRITICALITY_WORDS: Final = (N_("core"), N_("auxiliary"), N_("experimental"))


class Named(Query):
    """`new` fills in the form with a scenario that is known by its spans only."""

    new: Words = ""


class GivenScenario(Signed):
    name: Words
    preset: Annotated[str, parts.Field(max_length=100)] = ""
    criticality: Annotated[str, parts.Field(max_length=20)] = "core"


class GivenBackend(Signed):
    """`scenarios`: names, one a line or apart by commas."""

    name: Words
    scenarios: Annotated[str, parts.Field(max_length=40_000, pattern=r"^[^\x00]*$")] = ""


@router.get("/scenarios-served")
def page(looking: Looking, query: Annotated[Named, Ask()]) -> HTMLResponse:
    """By name, a page at a time."""
    return _show(looking, query)


@router.get("/scenarios-served.csv")
def file(_: Looking, query: Annotated[Named, Ask()]) -> StreamingResponse:
    """All that match."""
    with db.transaction() as session:
        found = _read(session, query, parts.FILE_MAX)
        revisions, served = _facts(session, [row.id for row in found])
    return csv_answer("scenarios", COLUMNS, (_values(row, revisions, served) for row in found))


@router.post("/scenarios-served")
def register(looking: Looking, given: Annotated[GivenScenario, Form()]) -> Response:
    """Its preset becomes the active revision 1 of its card."""

    def work(session: Session) -> None:
        try:
            wanted = NewScenario(name=given.name.strip(), preset=given.preset or None, criticality=given.criticality)  # type: ignore[arg-type]  # checked by the model
        except ValidationError as bad:
            said = bad.errors()[0]
            raise Invalid(f"{said['loc'][0]}: {said['msg']}.", field=str(said["loc"][0])) from bad
        cards.register(
            session, name=wanted.name, preset_name=wanted.preset, criticality=wanted.criticality, actor=looking.email,
            now=looking.now,
        )  # fmt: skip

    return doing.change(
        looking, given, ROLES, work, to=card_address(given.name.strip()),
        again=lambda said, status: _show(looking, Named(new=given.name), said, status),
    )  # fmt: skip


@router.post("/scenarios-served/backend")
def serve(looking: Looking, given: Annotated[GivenBackend, Form()]) -> Response:
    """Register a backend with the scenarios it serves; named again, the list is replaced."""

    def work(session: Session) -> None:
        names = list(
            dict.fromkeys(filter(None, (each.strip() for each in given.scenarios.replace(",", "\n").splitlines())))
        )
        if len(names) > SERVED_MAX:
            raise Invalid(f"A backend serves at most {SERVED_MAX} scenarios.", field="scenarios")
        try:
            whole = TypeAdapter(list[parts.StoredName]).validate_python([given.name.strip(), *names])
        except ValidationError as bad:
            raise Invalid(f"A name has 1 to {NAME_MAX} characters.", field="name") from bad
        fleet.register_backend(session, name=whole[0], scenarios=whole[1:], actor=looking.email, now=looking.now)

    return doing.change(
        looking, given, SERVES, work, to="/scenarios-served",
        again=lambda said, status: _show(looking, Named(), said, status),
    )  # fmt: skip


def _show(looking: Reader, query: Named, problem: str = "", status: int = 200) -> HTMLResponse:
    with db.transaction() as session:
        found = _read(session, query, parts.SHOWN + 1)
        shown = found[: parts.SHOWN]
        revisions, served = _facts(session, [row.id for row in shown])
        every = session.scalar(select(func.count(Scenario.id))) or 0
        seen = session.scalar(select(func.count(Scenario.id)).where(Scenario.registered_at.is_(None))) or 0
    address = settle("/scenarios-served", query, looking.now, looking.zone)
    rows = tuple(_row(row, revisions, served, looking) for row in shown)
    older = address.url(cursor=shown[-1].name) if len(found) > len(shown) else ""
    forms = ((_form(query.new, open_=bool(problem or query.new)),) if doing.may(looking, ROLES) else ()) + (
        (_backend_form(),) if doing.may(looking, SERVES) else ()
    )
    made = SettingsPage(
        looking, sentence(every, seen), address, query.q, (), Listing(HEADS, (), rows, older), forms,
        _("A scenario is a product feature that calls belong to. Registered, it has a card: what may give way, and when."), "",
        problem, log_url=parts.log_of(looking),
    )  # fmt: skip
    return show("settings/scenarios.html", made, status=status)


def sentence(every: int, seen: int) -> str:
    """How many there are, and how many have no card."""
    if not every:
        return _("No scenario has been met yet.")
    many = _n("{n} scenario", "{n} scenarios", every)
    if not seen:
        return _("{scenarios}, each with a card.", scenarios=many)
    return _(
        "{scenarios}; {n} known by their spans only, without a card, guards or a ladder.",
        scenarios=many,
        n=say.count(seen),
    )


def _read(session: Session, query: Named, limit: int) -> Sequence[Scenario]:
    wanted = select(Scenario).order_by(Scenario.name).limit(limit)
    if query.q:
        wanted = wanted.where(Scenario.name.icontains(query.q, autoescape=True))
    return session.scalars(wanted.where(Scenario.name > query.cursor) if query.cursor else wanted).all()


def _facts(session: Session, ids: Sequence[int]) -> tuple[Mapping[int, int], Mapping[int, list[str]]]:
    """The active revision and the backends of each."""
    active = cards.active(session, list(ids))
    wanted, served = set(ids), dict[int, list[str]]()
    for name, of in session.execute(
        select(Backend.name, Backend.scenario_ids).order_by(Backend.name).limit(BACKENDS_MAX)
    ):
        for each in wanted.intersection(of):
            served.setdefault(each, []).append(name)
    return {id_: each.number for id_, each in active.items()}, served


def _row(row: Scenario, revisions: Mapping[int, int], served: Mapping[int, list[str]], looking: Reader) -> Row:
    known = row.registered_at is not None
    backends = served.get(row.id, [])
    more = len(backends) - BACKENDS_SHOWN
    some = ", ".join(backends[:BACKENDS_SHOWN])
    by = _("{some} and {n} more", some=some, n=more) if more > 0 else some
    card = (
        Cell(_("revision {n}", n=revisions[row.id]), url=card_address(row.name))
        if row.id in revisions
        else Cell("–", "soft")
    )
    act = Cell(N_("Register"), url=f"/scenarios-served?{urlencode({'new': row.name})}#register", said=True)
    return Row((
        Cell(row.name, url=f"/requests?{urlencode({'scenario': row.name})}"),
        Cell(row.criticality, said=True) if known else Cell(N_("known by its spans only"), "soft", said=True),
        card, Cell(by) if by else Cell(N_("whichever asks"), "soft", said=True), Cell("", "time", row.created_at),
        Cell("", "time", row.registered_at) if known else Cell("–", "soft"),
        Cell("") if known or not doing.may(looking, ROLES) else act,
    ))  # fmt: skip


def _form(name: str, *, open_: bool) -> parts.Form:
    return parts.Form(
        "register", "/scenarios-served", N_("Register a scenario"), N_("Register"),
        (
            Entry("name", N_("Name"), N_("as its calls name it"), name, required=True),
            Entry("preset", N_("Preset"), N_("its card's first revision"), "", tuple((each, each) for each in presets())),
            Entry("criticality", N_("Criticality"), "", "core", tuple(zip(CRITICALITIES, CRITICALITY_WORDS, strict=True))),
        ),
        open_,
    )  # fmt: skip


def _backend_form() -> parts.Form:
    return parts.Form(
        "backend", "/scenarios-served/backend", N_("Say which scenarios a backend serves"), N_("Register"),
        (
            Entry("name", N_("Backend"), "", "", required=True),
            Entry("scenarios", N_("Scenarios"), N_("one a line; the list is replaced; none: any"), "", kind="textarea"),
        ),
    )  # fmt: skip


def _values(row: Scenario, revisions: Mapping[int, int], served: Mapping[int, list[str]]) -> Sequence[Any]:
    return (
        row.name, row.criticality if row.registered_at else "", str(revisions.get(row.id, "")),
        ", ".join(served.get(row.id, [])), rfc3339(row.created_at), rfc3339(row.registered_at) if row.registered_at else "",
    )  # fmt: skip
