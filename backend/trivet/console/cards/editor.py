"""A card as a form: checked as it is typed, simulated before it is kept. The form is the state; the server keeps none."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy.orm import Session

from trivet import db
from trivet.card import diff, exchange, observed, priced, problems
from trivet.card import service as revisions
from trivet.card.content import Card
from trivet.card.presets import DEFAULT, presets
from trivet.card.sentences import paragraphs
from trivet.console.cards import form, simulation
from trivet.console.cards.cards_words import address
from trivet.console.cards.editor_parts import Parts
from trivet.console.cards.editor_views import EditorPage, Simulation
from trivet.console.door import Looking, check_token
from trivet.console.pages import show
from trivet.console.places import check_role
from trivet.console.tongue import _, _n
from trivet.console.views import Choice, Reader
from trivet.guard import simulated
from trivet.kit.body import is_storable
from trivet.kit.errors import Invalid, TrivetError
from trivet.tenant.models import Scenario

router = APIRouter()
FIELDS_MAX = 3_000
CHANGES_SHOWN = 12
PROPOSAL_DAYS = 7


async def posted(request: Request) -> form.Values:
    """The texts of a form, whatever their names."""
    said = await request.form(max_files=0, max_fields=FIELDS_MAX)
    found = {name: value for name, value in said.items() if isinstance(value, str)}
    if not all(map(is_storable, [*found, *found.values()])):
        raise Invalid("A text cannot hold a NUL character.", field="card")
    return found


Posted = Annotated[form.Values, Depends(posted)]


@router.get("/cards/{name}/edit")
def begin(looking: Looking, name: str, begin: str = "") -> HTMLResponse:
    """The form, filled in from what governs, a revision, a preset or what the data proposes."""
    _may(looking)
    with db.transaction() as session:
        scenario = revisions.scenario_named(session, name)
        body, chosen, problem = _source(session, looking, scenario, begin)
        page = _page(session, looking, scenario, form.values_of(body), chosen=chosen, problem=problem)
        return show("cards/editor.html", page)


@router.post("/cards/{name}/edit")
def send(looking: Looking, name: str, values: Posted) -> Response:
    """A button of the form: one that changes it, the simulation, or the draft. Refused, all that was typed is still there."""
    _may(looking, values)
    act = values.pop("op", "")
    with db.transaction() as session:
        scenario = revisions.scenario_named(session, name)
        problem = ""
        if act == "save":
            try:
                made = revisions.draft(
                    session, scenario=name, body=form.body_of(values), actor=looking.email, now=looking.now
                )
                return RedirectResponse(f"{address(name)}#revision-{made.number}", 303)
            except TrivetError as refused:
                problem = refused.detail
        page = _page(
            session, looking, scenario, form.changed(values, act), problem=problem, simulating=act == "simulate"
        )
        return show("cards/editor.html", page, status=422 if problem else 200)


@router.post("/cards/{name}/edit/part")
def part(looking: Looking, name: str, values: Posted) -> HTMLResponse:
    """The form alone after one of its buttons."""
    _may(looking, values)
    act = values.pop("op", "")
    with db.transaction() as session:
        scenario = revisions.scenario_named(session, name)
        return show("cards/editor_form.html", _page(session, looking, scenario, form.changed(values, act)))


@router.post("/cards/{name}/edit/live")
def live(looking: Looking, name: str, values: Posted) -> HTMLResponse:
    """What is said beside the fields while somebody types: problems and sentences, and no field."""
    _may(looking, values)
    with db.transaction() as session:
        scenario = revisions.scenario_named(session, name)
        return show("cards/editor_live.html", _page(session, looking, scenario, values))


@router.post("/cards/{name}/edit/simulation")
def simulate(looking: Looking, name: str, values: Posted) -> HTMLResponse:
    """The card over the last seven days."""
    _may(looking, values)
    with db.transaction() as session:
        scenario = revisions.scenario_named(session, name)
        return show("cards/editor_simulation.html", _page(session, looking, scenario, values, simulating=True))


def _may(looking: Reader, values: form.Values | None = None) -> None:
    check_role(looking.role, "Cards are for sre, product owner and admin", may=looking.may_command)
    if values is not None:
        check_token(looking, values.pop("csrf_token", ""))


def _source(session: Session, looking: Reader, scenario: Scenario, begin: str) -> tuple[Any, str, str]:
    """(card as JSON values, what it is from, why that could not be)."""
    governing = revisions.active(session, [scenario.id]).get(scenario.id)
    usual = exchange.values(session, scenario.name, governing.number) if governing else _preset(DEFAULT)
    chosen = "active" if governing else f"preset:{DEFAULT}"
    kind, _colon, rest = begin.partition(":")
    try:
        if kind == "preset" and rest in presets():
            return _preset(rest), begin, ""
        if kind == "proposal":
            return observed.proposal(session, scenario.name, PROPOSAL_DAYS, looking.now).card, begin, ""
        if kind == "revision" and rest.isdecimal() and len(rest) < 10:
            return exchange.values(session, scenario.name, int(rest)), begin, ""
    except TrivetError as refused:
        return usual, chosen, refused.detail
    return usual, chosen, ""


def _preset(name: str) -> dict[str, Any]:
    return presets()[name].model_dump(mode="json")


def _page(
    session: Session, looking: Reader, scenario: Scenario, values: form.Values, *, chosen: str = "", problem: str = "",
    simulating: bool = False,
) -> EditorPage:  # fmt: skip
    body = form.body_of(values)
    prices = priced.of_models(session, str(form.get(body, "cost.currency") or ""), looking.now)
    card, found = problems.found(body, prices)
    parts = Parts(values, body, card, found)
    sections, lines, guards, base, levels = (
        parts.sections(),
        parts.lines(),
        parts.guards(),
        parts.base(),
        parts.levels(),
    )
    governing = revisions.active(session, [scenario.id]).get(scenario.id)
    changes = _changes(session, scenario.name, governing.number, card) if governing and card else []
    return EditorPage(
        reader=looking,
        name=scenario.name,
        url=address(scenario.name),
        sentence=_("Write the next revision of the card of {name}; nothing changes until it is approved and activated.", name=scenario.name),
        begins=_begins(chosen, governing.number if governing else 0),
        standing=_standing(found, card),
        carried=values.get("carried", ""),
        unshown=tuple(path.replace("/", ".") for path in form.carried(values)),
        sections=sections,
        lines=lines,
        guards=guards,
        base=base,
        levels=levels,
        elsewhere=parts.elsewhere(),
        ok=not found,
        problem=problem,
        changes=tuple(changes),
        simulation=_simulated(session, looking, scenario, card) if simulating and card and not found else None,
    )  # fmt: skip


def _standing(found: list[problems.Problem], card: Card | None) -> str:
    if found or card is None:
        return _n("{n} thing is to be put right before it can be kept.", "{n} things are to be put right before it can be kept.", len(found))  # fmt: skip
    return " ".join(paragraphs(card, _)[0].sentences[:2])


def _begins(chosen: str, number: int) -> tuple[Choice, ...]:
    """Where the form can be filled in from."""
    offered = [("active", _("revision {number}, which governs", number=number))] if number else []
    offered.append(("proposal", _("thresholds from the last 7 days of its own data")))
    offered += [(f"preset:{name}", _("the preset {name}", name=name)) for name in presets()]
    if chosen.startswith("revision:"):
        offered.append((chosen, _("revision {number}", number=chosen.partition(":")[2])))
    return tuple(Choice(key, words, "", key == chosen) for key, words in offered)


def _changes(session: Session, name: str, number: int, card: Card) -> list[str]:
    before = exchange.values(session, name, number)
    told = [change.words for change in diff.changes(before, card.model_dump(mode="json"))]
    more = [_n("and {n} more", "and {n} more", len(told) - CHANGES_SHOWN)] if len(told) > CHANGES_SHOWN else []
    return [*told[:CHANGES_SHOWN], *more]


def _simulated(session: Session, looking: Reader, scenario: Scenario, card: Card) -> Simulation:
    return simulation.shown(simulated.over_past(session, scenario.id, card, looking.now), looking.now, looking.zone)
