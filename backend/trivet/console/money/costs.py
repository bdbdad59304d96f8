"""The costs page: what was spent, by any two dimensions, what stands out; every figure leads to what it is made of."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Form, Path
from fastapi import Query as Ask
from fastapi.responses import HTMLResponse, RedirectResponse, StreamingResponse
from pydantic import BaseModel, Field

from trivet import db
from trivet.console.door import Looking, check_token
from trivet.console.files import csv_answer
from trivet.console.money import costs_file
from trivet.console.money import costs_parts as parts
from trivet.console.money.costs_asked import Asked, Query, settle
from trivet.console.money.costs_menus import menus
from trivet.console.money.costs_read import Facts, Question, read
from trivet.console.money.costs_views import CostsPage
from trivet.console.money.costs_words import Spent, nothing, sentence, whose
from trivet.console.pages import show
from trivet.console.places import check_role
from trivet.console.views import Reader
from trivet.kit.body import Currency
from trivet.report import anomalies
from trivet.report.costs import Totals

router = APIRouter()
Tenant = Annotated[int, Path(ge=0, lt=2**31)]


@router.get("/costs")
def costs_page(looking: Looking, query: Annotated[Query, Ask()]) -> HTMLResponse:
    """All of it at one address."""
    asked = settle(query, looking.now)
    with db.transaction() as session:
        facts = read(session, Question(asked, looking.tenant_id), looking.now)
    return show("costs/page.html", page_of(looking, asked, facts))


@router.get("/costs.csv")
def costs_csv(looking: Looking, query: Annotated[Query, Ask()]) -> StreamingResponse:
    """Every row of the same question, none of them summed."""
    asked = settle(query, looking.now)
    with db.transaction() as session:
        columns, rows = costs_file.costs_file(session, Question(asked, looking.tenant_id))
    return csv_answer("costs", columns, rows)


class Seen(BaseModel):
    """Why an odd day is as it is."""

    reason: str = Field(min_length=1, max_length=500)
    csrf_token: str = Field(max_length=200)


@router.post("/costs/anomalies/{day}/{tenant_id}/{currency}")
def acknowledge(
    looking: Looking, day: date, tenant_id: Tenant, currency: Currency, seen: Annotated[Seen, Form()]
) -> RedirectResponse:
    """Say that an odd day was seen."""
    check_role(
        looking.role,
        "Anomalies are acknowledged by finance and admin",
        may=looking.may_book and looking.tenant_id is None,
    )
    check_token(looking, seen.csrf_token)
    with db.transaction() as session:
        anomalies.acknowledge(
            session, day, tenant_id, currency, actor=looking.email, reason=seen.reason, now=looking.now
        )
    return RedirectResponse("/costs#anomalies", 303)


def page_of(looking: Reader, asked: Asked, facts: Facts) -> CostsPage:
    """Facts as the page shows them. Pure."""
    return CostsPage(
        looking,
        asked,
        _sentence(asked, facts),
        facts.currency,
        menus(asked, sorted(facts.found.totals), facts.currency, facts.closes),
        parts.picture(asked, facts),
        parts.table(asked, facts),
        parts.pivoted(asked, facts),
        parts.anomalies(asked, facts),
    )


def _sentence(asked: Asked, facts: Facts) -> str:
    of, currency = whose(asked.filters), facts.currency
    totals = facts.found.totals.get(currency)
    if totals is None:
        return nothing(asked.interval, running=asked.running, of=of)
    ahead = next((each.month for each in facts.ahead if each.currency == currency), None)
    was = facts.previous.totals.get(currency, Totals()).total if facts.previous else None
    return sentence(
        Spent(
            asked.interval, asked.running, currency, totals.total, of, facts.before if was is not None else None, was,
            {}, totals.unattributed, asked.as_of, ahead.total if ahead else None, ahead.low if ahead else None,
            ahead.high if ahead else None, tuple(each for each in sorted(facts.found.totals) if each != currency),
        )
    )  # fmt: skip
