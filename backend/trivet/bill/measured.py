"""What was measured of the days a bill covers: tokens and costs by day and model, capacity by day and pool."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from trivet.bill.match import KINDS, Measured
from trivet.kit.errors import Invalid
from trivet.kit.interval import Interval
from trivet.kit.money import EXACT
from trivet.ledger.models import Entry, Posting
from trivet.ledger.posting import User
from trivet.rollup import read

HOUR_S = 3600
MEASURES = ("cost", "unpriced_requests", *(f"{kind}_tokens" for kind in KINDS))
ZERO = Decimal(0)
Found = dict[tuple[date, int], Measured]
Users = dict[tuple[date, int], dict[tuple[int, User], Decimal]]  # by (day, model id): cost by (cost centre id, user)


@dataclass(frozen=True, slots=True)
class Cover:
    """The days of a bill, in its zone. `whole`: it is compared as one stretch, which stands under its first day."""

    starts_on: date
    ends_on: date
    zone: ZoneInfo
    whole: bool = False

    @property
    def interval(self) -> Interval:
        return Interval(first_hour(self.starts_on, self.zone), first_hour(self.ends_on, self.zone))

    def day_of(self, at: datetime) -> date:
        return self.starts_on if self.whole else at.astimezone(self.zone).date()


def first_hour(day: date, zone: ZoneInfo) -> datetime:
    """When a day begins; `Invalid` for a zone whose days begin within an hour of ours."""
    at = datetime.combine(day, time(), zone).astimezone(UTC)
    if at.minute or at.second:
        raise Invalid(
            f"Days in {zone.key} begin within an hour of UTC, and usage is kept by whole hours.", field="zone"
        )
    return at


def usage(session: Session, cover: Cover, models: Mapping[int, int]) -> Found:
    """Metered usage by day and model: of no pool whose hour was posted, which is paid for by its capacity.

    `models` are those asked for, each with the one under which it is counted.
    """
    found: Found = {}
    paid_for = _pool_hours(session, cover.interval)
    by = ("bucket", "model_id", "pool_id", "currency")
    rows = read.sums(session, cover.interval, by, MEASURES, {"model_id": models.keys()}, grain_s=HOUR_S)
    for (at, model_id, pool_id, currency), (cost, unpriced, *counts) in rows.items():
        if (at, pool_id) not in paid_for:
            tokens = {kind: int(count) for kind, count in zip(KINDS, counts, strict=True) if count}
            key = (cover.day_of(at), models[model_id])
            found[key] = _plus(found.get(key, Measured()), currency, cost, tokens, priced=not unpriced)
    return {key: each for key, each in found.items() if each.cost or each.tokens or each.unpriced}


def _pool_hours(session: Session, interval: Interval) -> set[tuple[datetime, int]]:
    query = (
        select(Posting.hour, Entry.pool_id)
        .join(Entry, Entry.posting_id == Posting.id)
        .where(Posting.hour >= interval.start, Posting.hour < interval.end, Posting.kind == "pool")
        .where(Entry.account == "supply.capacity")
        .distinct()
    )
    return {(at, pool_id) for at, pool_id in session.execute(query)}


def _plus(
    before: Measured, currency: str, cost: Decimal, tokens: Mapping[str, int], *, priced: bool = True
) -> Measured:
    """One more hour. Tokens of requests that were priced later stay under no currency, where none is unpriced then."""
    costs, known, gap = dict(before.cost), dict(before.tokens), dict(before.unpriced)
    if currency and cost:
        costs[currency] = EXACT.add(costs.get(currency, ZERO), cost)
    side = known if priced else gap
    for kind, count in tokens.items():
        side[kind] = side.get(kind, 0) + count
    return Measured(costs, known, gap)


def capacity(session: Session, cover: Cover, pool_ids: Collection[int]) -> Found:
    """What the hours of pools cost in the ledger, by day and pool."""
    interval = cover.interval
    query = (
        select(Posting.hour, Entry.pool_id, Entry.currency, func.sum(-Entry.amount))
        .join(Entry, Entry.posting_id == Posting.id)
        .where(Posting.hour >= interval.start, Posting.hour < interval.end, Posting.kind == "pool")
        .where(Entry.account == "supply.capacity", Entry.pool_id.in_(pool_ids))
        .group_by(Posting.hour, Entry.pool_id, Entry.currency)
    )
    found: Found = {}
    for at, pool_id, currency, cost in session.execute(query) if pool_ids else ():
        key = (cover.day_of(at), pool_id)
        found[key] = _plus(found.get(key, Measured()), currency, cost, {})
    return found


def users(session: Session, cover: Cover, models: Mapping[int, int]) -> Users:
    """Who was charged for metered usage, by day and model (as in `usage`) and, under model 0, by day alone."""
    interval = cover.interval
    names = ("cost_centre_id", "tenant_id", "scenario_id", "model_id")
    by: list[Any] = [Posting.hour, *(getattr(Entry, name) for name in names)]
    query = (
        select(*by, func.sum(Entry.amount))
        .join(Entry, Entry.posting_id == Posting.id)
        .where(Posting.hour >= interval.start, Posting.hour < interval.end, Posting.kind == "metered")
        .where(Entry.account.in_(("cost_centre", "unattributed")), Entry.model_id.in_(models))
        .group_by(*by)
    )
    found: Users = {}
    rows: Iterable[Any] = session.execute(query) if models else ()
    for at, centre, tenant, scenario, model, cost in rows:
        for of in (models[model], 0):
            weights = found.setdefault((cover.day_of(at), of), {})
            key = (centre, User(tenant, scenario, of))
            weights[key] = EXACT.add(weights.get(key, ZERO), cost)
    return found
