"""The costs page: what was spent, why it moved, where it leads, what stands out; every figure leads to what it is made of."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Form, Path
from fastapi import Query as Ask
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel, Field

from trivet import db
from trivet.console.door import Looking, check_token
from trivet.console.money import costs_parts as parts
from trivet.console.money.costs_asked import GROUPS, RANGES, Asked, Query, settle, word
from trivet.console.money.costs_picture import Bars, Day, bars
from trivet.console.money.costs_read import Facts, read
from trivet.console.money.costs_views import CostsPage, Link
from trivet.console.money.costs_words import Spent, nothing, sentence
from trivet.console.pages import show
from trivet.console.views import Reader
from trivet.kit.body import Currency
from trivet.kit.errors import Forbidden
from trivet.kit.interval import month_of
from trivet.kit.money import EXACT
from trivet.report import anomalies
from trivet.report.costs import Totals

router = APIRouter()
Tenant = Annotated[int, Path(ge=0, lt=2**31)]
ZERO = Decimal(0)
NO_CURRENCY = "USD"


@router.get("/costs")
def costs_page(looking: Looking, query: Annotated[Query, Ask()]) -> HTMLResponse:
    """All of it at one address."""
    asked = settle(query, looking.now)
    with db.transaction() as session:
        facts = read(session, asked, looking.now)
    return show("costs/page.html", page_of(looking, asked, facts))


class Seen(BaseModel):
    """Why an odd day is as it is."""

    reason: str = Field(min_length=1, max_length=500)
    csrf_token: str = Field(max_length=200)


@router.post("/costs/anomalies/{day}/{tenant_id}/{currency}")
def acknowledge(
    looking: Looking, day: date, tenant_id: Tenant, currency: Currency, seen: Annotated[Seen, Form()]
) -> RedirectResponse:
    """Say that an odd day was seen."""
    if not looking.may_book:
        raise Forbidden(f"Anomalies are acknowledged by finance and admin; you are {looking.role.replace('_', ' ')}.")
    check_token(looking, seen.csrf_token)
    with db.transaction() as session:
        anomalies.acknowledge(
            session, day, tenant_id, currency, actor=looking.email, reason=seen.reason, now=looking.now
        )
    return RedirectResponse("/costs#anomalies", 303)


def page_of(looking: Reader, asked: Asked, facts: Facts) -> CostsPage:
    """Facts as the page shows them. Pure."""
    ordered = sorted(facts.found.totals, key=lambda each: (-facts.found.totals[each].total, each))
    currency = asked.currency if asked.currency in ordered else (ordered or [NO_CURRENCY])[0]
    return CostsPage(
        reader=looking,
        sentence=_sentence(asked, facts, currency, [each for each in ordered if each != currency]),
        currency=currency,
        ranges=tuple(
            Link(words, _range(asked, key), asked.query.get("range", "month") == key) for key, words in RANGES.items()
        ),
        groups=tuple(Link(word(name), asked.url(group=name), name == asked.group) for name in GROUPS),
        bases=tuple(Link(name, asked.url(basis=name), name == asked.basis) for name in ("allocation", "usage")),
        compares=tuple(
            Link(words, asked.url(compare=key), key == asked.compare)
            for key, words in (("previous", "before"), ("budget", "budget"))
        ),
        closes=tuple(Link(month, _as_of(asked, month), month == asked.as_of) for month in facts.closes),
        currencies=tuple(Link(each, asked.url(currency=each), each == currency) for each in ordered),
        filters=tuple(
            Link(f"{names_of(name)} {value}", asked.url(**{name: ""})) for name, value in asked.filters.items()
        ),
        bars=_bars(facts, currency),
        table=parts.table(asked, facts, currency),
        moved=parts.moved(asked, facts, currency),
        anomalies=parts.anomalies(asked, facts),
        units=parts.units(facts, currency),
        quadrants=parts.quadrants(asked, facts, currency),
        formula=parts.formula(facts, currency),
        values=parts.values(facts),
        month=month_of(asked.interval.start),
    )


def names_of(dimension: str) -> str:
    """A dimension within a line."""
    return word(dimension).lower()


def _range(asked: Asked, key: str) -> str:
    return asked.url(range="" if key == "month" else key, since="", until="", as_of="")


def _as_of(asked: Asked, month: str) -> str:
    """A closed month as it stood at its close; chosen again, as it stands now."""
    if month == asked.as_of:
        return asked.url(as_of="", range="", since="", until="")
    first = date.fromisoformat(f"{month}-01")
    after = (first + timedelta(days=31)).replace(day=1)
    return asked.url(as_of=month, range="days", since=first.isoformat(), until=after.isoformat())


def _sentence(asked: Asked, facts: Facts, currency: str, others: list[str]) -> str:
    of = ", ".join(asked.filters.values())
    totals = facts.found.totals.get(currency)
    if totals is None:
        return nothing(asked.interval, running=asked.running, of=of)
    whole = next((row for row in facts.moved if row.key is None and row.currency == currency), None)
    ahead = next((each.month for each in facts.ahead if each.currency == currency), None)
    was = facts.previous.totals.get(currency, Totals()).total if facts.previous else None
    return sentence(
        Spent(
            asked.interval, asked.running, currency, totals.total, of, facts.before if was is not None else None, was,
            whole.parts if whole else {}, totals.unattributed, asked.as_of,
            ahead.total if ahead else None, ahead.low if ahead else None, ahead.high if ahead else None, tuple(others),
        )
    )  # fmt: skip


def _bars(facts: Facts, currency: str) -> Bars | None:
    """A bar a day; the days of the month that are left as the forecast says."""
    by_day: dict[date, dict[str, Decimal]] = {}
    for row in facts.daily.rows:
        if row.currency == currency:
            own = by_day.setdefault(_day(row.key[-1]), {})
            own["borne"] = EXACT.subtract(row.amount, row.provisional)
            own["provisional"] = row.provisional
    for apart in facts.daily.apart:
        if apart.currency == currency:
            own = by_day.setdefault(_day(apart.key[-1]), {})
            own["apart"] = EXACT.add(own.get("apart", ZERO), apart.amount)
    if not by_day:
        return None
    days = {day: Day(day, _ordered(by_day.get(day, {}))) for day in _every(min(by_day), max(by_day))}
    ahead = next((each.month for each in facts.ahead if each.currency == currency), None)
    if ahead is not None:
        for day, amount in ahead.days:
            had = days[day].parts if day in days else {}
            more = max(EXACT.subtract(amount, sum(had.values(), ZERO)), ZERO)
            low, high = _around(amount, ahead.total, ahead.spent, (ahead.low, ahead.high))
            days[day] = Day(day, {**had, "forecast": more}, low, high)
    return bars([days[day] for day in sorted(days)], facts.flags, currency)


def _around(
    amount: Decimal, total: Decimal, spent: Decimal, ends: tuple[Decimal | None, Decimal | None]
) -> tuple[Decimal | None, Decimal | None]:
    """A day's share of the interval of what is left."""
    left = EXACT.subtract(total, spent)
    if ends[0] is None or ends[1] is None or left <= 0:
        return None, None
    low, high = (
        EXACT.divide(EXACT.multiply(amount, EXACT.subtract(end, spent)), left) for end in ends if end is not None
    )
    return max(low, ZERO), high


def _ordered(own: Mapping[str, Decimal]) -> dict[str, Decimal]:
    return {kind: own[kind] for kind in ("borne", "apart", "provisional") if own.get(kind)}


def _day(bucket: str) -> date:
    return datetime.fromisoformat(bucket).date()


def _every(first: date, last: date) -> list[date]:
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]
