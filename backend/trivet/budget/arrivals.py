"""What arrived since the last look, slice by slice of reception: only what no transaction still at work can add to."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trivet.budget.book import Standing
from trivet.budget.models import BudgetSeen
from trivet.budget.sums import Part
from trivet.ingest.request.fact import REJECTED
from trivet.kit.clock import floor
from trivet.kit.money import EXACT, from_picos, to_picos
from trivet.pricing.exchange import Exchange, NoRate
from trivet.pricing.models import Price

SLICE = timedelta(seconds=60)  # of reception, looked at in one run
FIRST_LOOK = timedelta(seconds=60)
LAG_MAX = timedelta(minutes=10)  # a transaction older than this is not waited for
ROWS_MAX = 1_000
DAY_S = 86_400
_NEARLY = Decimal("0.999")  # rates there and back are rounded: what is near a limit is converted and looked at again
INT8_MAX = 2**63 - 1
_SAFE = text("""
    SELECT now(), least(now(), min(xact_start) FILTER (WHERE xact_start > now() - CAST(:lag AS interval)))
    FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'trivet' AND pid <> pg_backend_pid()
""")
_TOKENS = "r.input_tokens::int8 + r.output_tokens + r.cache_read_tokens + r.cache_write_tokens + r.reasoning_tokens"
_WHERE = """
    r.received_at >= :start AND r.received_at < :end AND r.repeats IS NULL
      AND (:tenant = 0 OR r.tenant_id = :tenant) AND (:scenario = 0 OR r.scenario_id = :scenario)
"""
_REQUESTS = text(f"""
    SELECT r.tenant_id, r.scenario_id, r.ended_at, r.received_at, r.trace_id, r.span_id, coalesce(p.currency, ''),
        {_TOKENS}, coalesce(r.cost_picos, 0)
    FROM request r LEFT JOIN price p ON p.id = r.price_id
    WHERE {_WHERE} AND r.outcome <> :rejected AND (
        ({_TOKENS} > :tokens) OR EXISTS (
            SELECT FROM unnest(CAST(:currencies AS text[]), CAST(:picos AS int8[])) AS l (currency, picos)
            WHERE l.currency = p.currency AND r.cost_picos > l.picos))
    ORDER BY r.received_at LIMIT :most
""")  # noqa: S608  # our own words
_INTERACTIONS = text(f"""
    SELECT r.tenant_id, coalesce(r.conversation_id, replace(CAST(r.trace_id AS text), '-', '')), max(r.scenario_id),
        max(r.ended_at), min(r.received_at)
    FROM request r WHERE {_WHERE} GROUP BY 1, 2 ORDER BY 5 LIMIT :most
""")  # noqa: S608  # our own words


@dataclass(frozen=True, slots=True)
class Arrived:
    """[start, end) of reception."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class OneRequest:
    """A request that may be over; `what` is its trace and span in hex."""

    what: str
    tenant_id: int
    scenario_id: int
    ended_at: datetime
    received_at: datetime
    part: Part


@dataclass(frozen=True, slots=True)
class OneInteraction:
    """An interaction of which something arrived: its tenant and name, and one of the scenarios it used."""

    name: tuple[int, str]
    scenario_id: int
    ended_at: datetime
    received_at: datetime


def clock(session: Session) -> datetime:
    """The database's own, by which requests are received."""
    return session.execute(select(text("now()"))).scalar_one()  # type: ignore[no-any-return]  # a time


def next_slice(session: Session) -> Arrived | None:
    """What to look at now, which this transaction marks as looked at; None where nothing new is safe to look at.

    Two that look at once take turns.
    """
    now, safe = session.execute(_SAFE, {"lag": LAG_MAX}).one()
    first = insert(BudgetSeen).values(id=1, received_until=now - FIRST_LOOK).on_conflict_do_nothing()
    session.execute(first)
    seen = session.scalars(select(BudgetSeen).where(BudgetSeen.id == 1).with_for_update()).one()
    start, end = seen.received_until, min(seen.received_until + SLICE, safe)
    if end <= start:
        return None
    seen.received_until = end
    return Arrived(start, end)


def requests(session: Session, arrived: Arrived, standing: Standing, exchange: Exchange) -> Iterator[OneRequest]:
    """Requests that are over a budget, or near enough in another currency to be converted exactly."""
    money = standing.measure == "money"
    limits = _limits(session, standing, exchange, arrived.end) if money else {}
    given = _given(arrived, standing) | {
        "rejected": REJECTED, "currencies": list(limits), "picos": list(limits.values()),
        "tokens": INT8_MAX if money else int(standing.terms.limit),
    }  # fmt: skip
    for tenant, scenario, ended, received, trace, span, currency, tokens, picos in session.execute(_REQUESTS, given):
        part = Part(currency, floor(ended, DAY_S), 1, tokens, 0, from_picos(picos))
        name = f"{trace.hex}/{span & 2**64 - 1:016x}"
        yield OneRequest(name, tenant, scenario, ended, received, part)


def interactions(session: Session, arrived: Arrived, standing: Standing) -> Iterator[OneInteraction]:
    """Interactions of which something arrived."""
    for tenant, name, scenario, ended, received in session.execute(_INTERACTIONS, _given(arrived, standing)):
        yield OneInteraction((tenant, name), scenario, ended, received)


def _given(arrived: Arrived, standing: Standing) -> dict[str, Any]:
    return {
        "start": arrived.start, "end": arrived.end, "tenant": standing.tenant_id, "scenario": standing.scenario_id,
        "most": ROWS_MAX,
    }  # fmt: skip


def _limits(session: Session, standing: Standing, exchange: Exchange, at: datetime) -> dict[str, int]:
    """The limit in picos of each currency that has a price; those no rate converts are left out."""
    limits = {}
    for currency in session.scalars(select(Price.currency).distinct().order_by(Price.currency)):
        try:
            limit = exchange.convert(standing.terms.limit, standing.currency, currency, at)
        except NoRate:
            continue
        own = limit if currency == standing.currency else EXACT.multiply(limit, _NEARLY)
        limits[currency] = min(to_picos(own), INT8_MAX)
    return limits
