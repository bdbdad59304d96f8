"""The overview: facts into the page's context, and the addresses that serve it."""

from dataclasses import replace
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse, JSONResponse

from trivet import db
from trivet.command.models import DesiredState
from trivet.console import breaches, chart, gpus, measures, queries, sentence, serving, spend, story
from trivet.console import format as say
from trivet.console.door import Looking
from trivet.console.pages import show
from trivet.console.queries import Facts, ScenarioFacts
from trivet.console.standing import held, standing
from trivet.console.triangle import draw
from trivet.console.views import (
    BackendRow,
    CommandRow,
    Event,
    Holding,
    Level,
    OverviewPage,
    Policy,
    Range,
    Reader,
    ScenarioRow,
)
from trivet.guard import probe
from trivet.kit.errors import NotFound
from trivet.report import engines
from trivet.settings import get_settings

router = APIRouter()
LARGE: dict[str, Any] = {"centre": (102, 101), "radius": 72}
SMALL: dict[str, Any] = {"centre": (10, 12), "radius": 8.5}
SPAN_PATTERN = "^(" + "|".join(chart.SPANS) + ")$"


@router.get("/")
def overview(looking: Looking, span: str = Query(chart.DEFAULT_SPAN, alias="range")) -> HTMLResponse:
    """The whole page. A range that does not exist is the default one: addresses are typed by people."""
    return show("overview/page.html", page(looking, span))


@router.get("/live")
def live(looking: Looking, span: str = Query(chart.DEFAULT_SPAN, alias="range")) -> HTMLResponse:
    """The part of the page that changes, for the morph."""
    return show("overview/live.html", page(looking, span))


@router.get("/scenarios/{name}/series.json")
def series(
    looking: Looking, name: str, span: str = Query(chart.DEFAULT_SPAN, alias="range", pattern=SPAN_PATTERN)
) -> JSONResponse:
    """One scenario's charts."""
    with db.transaction() as session:
        found = queries.scenario_id(session, name)
        if found is None:
            raise NotFound(f"There is no scenario {name!r}.")
        return JSONResponse(chart.series(session, found, chart.SPANS[span], looking.now, str(looking.zone)))


def page(reader: Reader, span: str) -> OverviewPage:
    """Everything the overview shows, read in one transaction."""
    span = span if span in chart.SPANS else chart.DEFAULT_SPAN
    with db.transaction() as session:
        facts = queries.load(session, reader.now, get_settings().backend_seen_s)
        spent = spend.today(session, reader.now)
        unpriced, models = queries.unpriced_today(session, reader.now)
        standings = [
            standing(s, facts.people, queries.cost_change(session, s, reader.now), reader.now) for s in facts.scenarios
        ]
        broken = breaches.rows(session, facts)
        overflowing = serving.overflows(session, reader.now)
        cards = gpus.gpus(session, reader.now)
        running, cached = engines.engines(session, reader.now), engines.caches(session, reader.now)
    return OverviewPage(
        reader=reader,
        sentence=sentence.overview(
            standings, spent.total, spent.currency, reader.now, reader.zone, provisional=spent.provisional
        ),
        ranges=tuple(Range(key, s.words, key == span) for key, s in chart.SPANS.items()),
        events=story.newest(_events(facts)),
        scenarios=tuple(_row(s, facts, reader, span) for s in facts.scenarios),
        spends=spent.tables,
        unpriced_requests=unpriced,
        unpriced_models=models,
        backends=_backends(facts, reader),
        engines=serving.engine_rows(running),
        gpus=cards,
        caches=serving.cache_rows(cached),
        overflows=overflowing,
        breaches=broken,
        commands=tuple(_command(c, facts) for c in facts.commands),
        demo=get_settings().demo,
        scenarios_left_out=facts.scenarios_left_out,
        live_url=f"/live?range={span}",
    )


def probed(desired: DesiredState | None) -> str | None:
    """In words, the share of conversations that are at the level below by way of trial; None where nobody is."""
    if desired is None or not desired.arm_share:
        return None
    return f"{probe.said(desired.arm_share)} of conversations back at level {desired.arm_level}"


def _row(s: ScenarioFacts, facts: Facts, reader: Reader, span: str) -> ScenarioRow:
    card = s.active.card if s.active else None
    shares = measures.shares(card, s.now)
    return ScenarioRow(
        name=s.name,
        title=say.title(s.name),
        criticality=s.criticality,
        level=Level(
            s.proven_level, s.wanted_level, s.since, held(s, facts.people, reader.now, reader.zone), probed(s.desired)
        ),
        top_level=card.top if card else 0,
        policy=_policy(s),
        triangle=draw(shares, **LARGE),
        glyph=draw(shares, **SMALL),
        measures=measures.lines(card, s.now, s.states),
        from_before=s.now.from_before,
        requests_per_s=s.now.requests_per_s,
        series_url=f"/scenarios/{quote(s.name, safe='')}/series.json?range={span}",
        can_roll_back_to=s.active.previous_number if s.active else None,
    )


def _policy(s: ScenarioFacts) -> Policy:
    """What is wanted beside what is proven. Where no backend is in sight, nothing has to be proven."""
    wanted, proven = Policy(s.active.number if s.active else None, s.generation), s.proven_policy
    if not s.present or not s.generation:
        return wanted
    if proven is None:
        return replace(wanted, proven_revision=None, proven_generation=None, settled=False)
    return replace(
        wanted, proven_revision=proven.revision, proven_generation=proven.effective_generation,
        settled=proven.effective_generation >= s.generation,
    )  # fmt: skip


def _events(facts: Facts) -> list[Event]:
    events = [e for b in facts.breaches for e in story.of_breach(b, facts.scenario_names.get(b.scenario_id, ""))]
    for command in facts.commands:
        tenant = facts.tenant_names.get(command.tenant_id or 0)
        who = story.person(command.actor, facts.people)
        events.append(story.of_command(command, facts.scenario_names.get(command.scenario_id, ""), tenant, who))
    return events


def _command(command: Any, facts: Facts) -> CommandRow:
    return CommandRow(
        id=command.id,
        at=command.created_at,
        what=story.what(command),
        scenario=facts.scenario_names.get(command.scenario_id, ""),
        tenant=facts.tenant_names.get(command.tenant_id or 0),
        generation=command.generation,
        actor=story.person(command.actor, facts.people),
        automatic=story.is_automatic(command.actor),
        reason=command.reason,
        status=command.status,
        status_at=story.status_at(command),
        outcome=command.outcome or "",
    )


def _backends(facts: Facts, reader: Reader) -> tuple[BackendRow, ...]:
    seen_s = get_settings().backend_seen_s
    return tuple(
        BackendRow(
            name=backend.name,
            present=at is not None and (reader.now - at).total_seconds() <= seen_s,
            polled_at=at,
            holdings=tuple(
                _holding(s, facts, backend.id)
                for s in facts.scenarios
                if (s.id in backend.scenario_ids or not backend.scenario_ids) and s.active
            ),
        )
        for backend, at in facts.backends
    )


def _holding(s: ScenarioFacts, facts: Facts, backend_id: int) -> Holding:
    held = facts.holdings.get((backend_id, s.id))
    if held is None:
        return Holding(s.name, None, s.generation, "missing", None)
    newest = max(held.observed_generation, held.effective_generation)
    state = (
        "effective"
        if held.effective_generation >= s.generation
        else "observed"
        if newest >= s.generation
        else "missing"
    )
    return Holding(s.name, newest, s.generation, state, held.level if held.effective_at else None)
