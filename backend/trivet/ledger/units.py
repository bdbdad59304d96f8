"""What is no token and no GPU hour: bandwidth, cache storage, calls of tools, searches … by their unit prices.

Charged to the tenant's cost centre, credited to `supply.metered`, a posting for each unit and hour. A quantity without a
price is in no posting: it is a gap, with its amount (`report.gaps`).
"""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet.fleet.signal_models import SignalRollup
from trivet.kit.interval import Interval
from trivet.kit.money import EXACT, PICO
from trivet.ledger import book, unit_use
from trivet.ledger.book import Source
from trivet.ledger.hour import Known
from trivet.ledger.line import User
from trivet.ledger.posting import metered_entries
from trivet.ledger.reading import HOUR
from trivet.ledger.unit_use import HOUR_S, METRICS, Use
from trivet.pricing import unit
from trivet.pricing.models import Quantity
from trivet.pricing.unit import UnitBook
from trivet.rollup.models import Rollup1h

KIND, METHOD = "units", "unit-price-1"
Costs = dict[tuple[User, int, str], Decimal]  # by user, pool id and currency


def post(session: Session, known: Known) -> Iterable[int | None]:
    """Each unit's hour; also those whose quantities are no more what was posted."""
    prices = unit.book(session)
    if not prices.by_key:
        return
    interval = Interval(known.hour, known.hour + HOUR)
    uses = unit_use.read(session, interval, requests=prices.has(unit.REQUESTS))
    costs = costs_of(uses, prices, known.hour)
    for name in sorted({*costs, *book.sources_of(session, KIND, known.hour)}):
        target = metered_entries(costs.get(name, {}), known.centres)
        says = f"{unit.UNITS[name].says.capitalize()}: amounts by their unit prices."
        yield book.post(session, Source(KIND, name, METHOD), known.hour, target, says)


def costs_of(uses: Iterable[Use], prices: UnitBook, at: datetime) -> dict[str, Costs]:
    """Costs by unit, rounded once each to picos, half even. Pure; what has no price is not there."""
    exact: dict[str, Costs] = {}
    for use in uses:
        line = prices.price_at(use.of, at)
        if line is None:
            continue
        own, key = exact.setdefault(use.of.unit, {}), (use.user, use.pool_id, line.currency)
        own[key] = EXACT.fma(use.amount, line.price, own.get(key, Decimal(0)))
    rounded = {name: {key: EXACT.quantize(cost, PICO) for key, cost in own.items()} for name, own in exact.items()}
    return {name: {key: cost for key, cost in own.items() if cost} for name, own in rounded.items()}


def hours_told(session: Session, tenant_id: int, start: datetime) -> list[datetime]:
    """Hours since `start` of which quantities of a tenant were told."""
    query = select(Quantity.hour).where(Quantity.tenant_id == tenant_id, Quantity.hour >= start)
    return list(session.scalars(query.distinct()))


def hours_used(session: Session, start: datetime) -> set[datetime]:
    """Hours since `start` in which anything with a unit was used: those that a new price changes."""
    told = session.scalars(select(Quantity.hour).where(Quantity.hour >= start).distinct())
    counted = select(SignalRollup.bucket).where(
        SignalRollup.grain_s == HOUR_S, SignalRollup.metric.in_(METRICS), SignalRollup.bucket >= start
    )
    hours = {*told, *session.scalars(counted.distinct())}
    if unit.book(session).has(unit.REQUESTS):
        hours |= set(session.scalars(select(Rollup1h.bucket).where(Rollup1h.bucket >= start).distinct()))
    return hours
