"""The overview: facts into the page's context, and the addresses that serve it."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse, JSONResponse, StreamingResponse

from trivet import db
from trivet.console import (
    breaches,
    budgeted,
    changes,
    chart,
    gpus,
    own,
    queries,
    sentence,
    serving,
    spend,
    story,
)
from trivet.console import overview_rows as rows
from trivet.console.address import Times, settle
from trivet.console.door import Looking
from trivet.console.files import csv_answer
from trivet.console.overview_asked import BRIEFS_MAX, RANGES, OverviewQuery, chosen, filters, standing_open
from trivet.console.pages import show
from trivet.console.queries import CRITICAL_FIRST
from trivet.console.standing import standing
from trivet.console.views import Brief, OverviewPage, Reader
from trivet.kit.errors import NotFound
from trivet.report import engines
from trivet.report.files.table import Column
from trivet.settings import get_settings

router = APIRouter()
Asked = Annotated[OverviewQuery, Query()]
COLUMNS = (
    Column("scenario"), Column("criticality"), Column("level", "count"), Column("level_wanted", "count"),
    Column("guards_broken"), Column("requests_per_s", "number"), Column("currency"), Column("cost_today", "money"),
    Column("budget"), Column("budget_window"), Column("budget_spent", "money"), Column("budget_limit", "money"),
    Column("changed_at"), Column("changed"),
)  # fmt: skip


@router.get("/")
def overview(looking: Looking, asked: Asked) -> HTMLResponse:
    """The whole page."""
    if looking.tenant_id is not None:
        return show("overview/own.html", own.page(looking, asked))
    return show("overview/page.html", page(looking, asked))


@router.get("/live")
def live(looking: Looking, asked: Asked) -> HTMLResponse:
    """The part of the page that changes, for the morph."""
    if looking.tenant_id is not None:
        return show("overview/own_live.html", own.page(looking, asked))
    return show("overview/live.html", page(looking, asked))


@router.get("/overview.csv")
def file(looking: Looking, asked: Asked) -> StreamingResponse:
    """Every scenario that the page shows, open or in one line, each currency of its spend a row."""
    if looking.tenant_id is not None:
        return csv_answer("overview", own.COLUMNS, own.lines(own.page(looking, asked)))
    shown = page(looking, asked.model_copy(update={"all": "1"}))
    briefs = [*(row.brief for row in shown.scenarios), *shown.briefs]
    return csv_answer("overview", COLUMNS, (line for brief in briefs for line in _lines(brief)))


def _lines(brief: Brief) -> Iterator[list[Any]]:
    budget, changed = brief.budget, brief.changed
    today: list[tuple[str, Decimal | None]] = [(m.currency, m.amount) for m in brief.today]
    for currency, cost in today or [("", None)]:
        yield [
            brief.name, brief.criticality, brief.level.proven, brief.level.wanted, ", ".join(brief.burning),
            brief.requests_per_s, currency, cost, budget.name if budget else "", budget.window if budget else "",
            budget.spent if budget else None, budget.limit if budget else None, changed.at if changed else None,
            changed.words if changed else "",
        ]  # fmt: skip


@router.get("/scenarios/{name:path}/series.json")  # a name that telemetry brought may hold a slash
def series(looking: Looking, name: str, asked: Annotated[Times, Query()]) -> JSONResponse:
    """One scenario's charts."""
    address = settle(f"/scenarios/{quote(name, safe='')}/series.json", asked, looking.now, looking.zone, RANGES[0])
    with db.transaction() as session:
        found = queries.scenario_id(session, name)
        if found is None:
            raise NotFound(f"There is no scenario {name!r}.")
        return JSONResponse(chart.drawn(session, found, address, looking.now, str(looking.zone)))


def page(reader: Reader, asked: OverviewQuery) -> OverviewPage:
    """Everything the overview shows, read in one transaction."""
    address = settle("/", asked, reader.now, reader.zone, RANGES[0])
    seen_s = get_settings().backend_seen_s
    with db.transaction() as session:
        facts = queries.load(session, reader.now, seen_s)
        spent = spend.today(session, reader.now)
        by_scenario = spend.by_scenario(session, reader.now)
        unpriced, models = queries.unpriced_today(session, reader.now)
        standings = {s.id: standing(s, facts.people, None, reader.now) for s in facts.scenarios}
        # Only of the one that the sentence tells in full is the cost before and after compared.
        worst = sentence.worst(standings.values())
        for s in facts.scenarios if worst else ():
            if standings[s.id] is worst:
                standings[s.id] = replace(worst, cost_change=queries.cost_change(session, s, reader.now))
        broken = breaches.rows(session, facts)
        overflowing = serving.overflows(session, reader.now)
        cards = gpus.gpus(session, reader.now)
        running, cached = engines.engines(session, reader.now), engines.caches(session, reader.now)
        budgets = budgeted.budgets(session, reader.now)
        priced = changes.of_prices(session, reader.now)
    around = rows.Around(facts, standings, reader, address, by_scenario, budgeted.by_scenario(budgets))
    found = chosen(facts.scenarios, standings, asked)
    opened, alone = standing_open(found, standings, asked)
    ids = {s.id for s in opened}
    calm = [s for s in found if s.id not in ids]
    listed = calm if asked.all else calm[:BRIEFS_MAX]
    held, left_out = rows.backends(facts, reader, seen_s)
    return OverviewPage(
        reader=reader,
        address=address,
        sentence=sentence.overview(
            list(standings.values()),
            spent.total,
            spent.currency,
            reader.now,
            reader.zone,
            provisional=spent.provisional,
        ),
        asked=asked.q,
        criticality=asked.criticality if asked.criticality in CRITICAL_FIRST else "",
        trouble=bool(asked.trouble),
        filters=filters(address, asked),
        events=story.newest([*rows.events(facts), *priced]),
        scenarios=tuple(rows.full(s, around, asked=s.id not in alone) for s in opened),
        briefs=tuple(rows.brief(s, around) for s in listed),
        briefs_left_out=len(calm) - len(listed),
        all_url=address.url(all="1"),
        found=len(found),
        every=len(facts.scenarios),
        spends=spent.tables,
        budgets=budgets[: budgeted.SHOWN_MAX],
        unpriced_requests=unpriced,
        unpriced_models=models,
        backends=held,
        backends_left_out=left_out,
        engines=serving.engine_rows(running),
        gpus=cards,
        caches=serving.cache_rows(cached),
        overflows=overflowing,
        breaches=broken,
        commands=tuple(rows.command(c, facts) for c in facts.commands),
        demo=get_settings().demo,
        scenarios_left_out=facts.scenarios_left_out,
        live_url=address.url("/live"),
    )
