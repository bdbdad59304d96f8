"""The page of unit costs: what a million tokens cost over time, of whom, as planned or not, why it moved, what to do."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

from fastapi import APIRouter
from fastapi import Query as Ask
from fastapi.responses import HTMLResponse, StreamingResponse

from trivet import db
from trivet.console import format as say
from trivet.console.address import Link
from trivet.console.door import Looking
from trivet.console.files import csv_answer
from trivet.console.money import unit_costs_parts as parts
from trivet.console.money.costs_asked import Asked, Query, settle, word
from trivet.console.money.costs_menus import basis
from trivet.console.money.costs_read import Question
from trivet.console.money.costs_views import Menu
from trivet.console.money.costs_words import whose
from trivet.console.money.unit_costs_read import Facts, by_of, read, units, why
from trivet.console.money.unit_costs_views import UnitCostsPage, WhyPart
from trivet.console.money.unit_costs_words import Cost, sentence
from trivet.console.pages import show
from trivet.console.tongue import _
from trivet.console.views import Reader
from trivet.kit.interval import month_of
from trivet.report import unit
from trivet.report.files.table import Column
from trivet.report.unit import UnitCost

router = APIRouter()
PATH = "/unit-costs"


class WhyQuery(Query):
    """The page's own address, and the currency that it shows."""

    shown: Annotated[str, Ask(max_length=3)] = ""


@router.get("/unit-costs")
def unit_costs_page(looking: Looking, query: Annotated[Query, Ask()]) -> HTMLResponse:
    """All but why it moved, which comes after."""
    asked = settle(query, looking.now, PATH)
    with db.transaction() as session:
        facts = read(session, Question(asked, looking.tenant_id))
    return show("unit_costs/page.html", page_of(looking, asked, facts))


@router.get("/unit-costs/why")
def unit_costs_why(looking: Looking, query: Annotated[WhyQuery, Ask()]) -> HTMLResponse:
    """Why the cost moved, as a part of the page."""
    asked = settle(query, looking.now, PATH)
    with db.transaction() as session:
        found = why(session, Question(asked, looking.tenant_id))
    return show("unit_costs/why.html", WhyPart(query.shown, parts.moved(found, query.shown, by_of(asked)[0])))


@router.get("/unit-costs.csv")
def unit_costs_csv(looking: Looking, query: Annotated[Query, Ask()]) -> StreamingResponse:
    """Every row of the same question, in every currency unless one is asked for."""
    asked = settle(query, looking.now, PATH)
    with db.transaction() as session:
        found = units(session, Question(asked, looking.tenant_id))
    columns = (
        Column(by_of(asked)[0]), Column("amount", "money"), Column("requests", "count"), Column("tokens", "count"),
        Column("per_request", "money"), Column("per_million_tokens", "money"), Column("gpu_hours", "number"),
        Column("per_gpu_hour", "money"), Column("kwh_per_million_tokens", "number"), Column("currency"),
    )  # fmt: skip
    return csv_answer("unit-costs", columns, _rows(found, asked.currency))


def _rows(found: Sequence[UnitCost], currency: str) -> Iterator[Sequence[Any]]:
    known = {row.currency for row in found}
    for row in found:
        if currency not in known or row.currency == currency:
            yield (
                row.key[0], row.amount, row.counts.requests, row.counts.tokens, row.per_request, row.per_million_tokens,
                row.gpu_hours, row.per_gpu_hour, row.kwh_per_million_tokens, row.currency,
            )  # fmt: skip


def page_of(looking: Reader, asked: Asked, facts: Facts) -> UnitCostsPage:
    """Facts as the page shows them. Pure."""
    can_tell = asked.basis == "allocation" and not asked.as_of and bool(facts.units)
    return UnitCostsPage(
        looking,
        asked,
        _sentence(asked, facts),
        facts.currency,
        _menus(asked, facts),
        parts.line(asked, facts),
        parts.table(asked, facts),
        asked.url("/unit-costs/why", shown=facts.currency) if can_tell else "",
        parts.quadrants(asked, facts),
        parts.formula(facts),
        parts.values(facts),
        month_of(asked.interval.start),
    )


def _menus(asked: Asked, facts: Facts) -> tuple[Menu, ...]:
    by = by_of(asked)[0]
    found = [
        Menu(_("By"), tuple(Link(_(word(name)), asked.url(group=name), name == by) for name in unit.GROUP_BY)),
        basis(asked),
    ]
    if len(facts.currencies) > 1:
        links = (Link(each, asked.url(currency=each), each == facts.currency) for each in facts.currencies)
        found.append(Menu(_("Currency"), tuple(links)))
    return tuple(found)


def _sentence(asked: Asked, facts: Facts) -> str:
    told = [
        (say.day(row.key[0]), row.per_million_tokens)
        for row in facts.days
        if row.currency == facts.currency and row.per_million_tokens and row.key[0] != asked.interval.end.date()
    ]
    days = [(day, amount) for day, amount in told if amount is not None]
    whole = facts.whole
    return sentence(
        Cost(
            asked.interval, asked.running, facts.currency, whole.per_million_tokens if whole else None,
            whole.per_request if whole else None, whose(asked.filters), days[0] if days else None,
            days[-1] if days else None,
        )
    )  # fmt: skip
