"""Pools in an interval, planned and actual: what capacity cost, its GPU hours, the work it did, energy. Posted hours only."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from trivet.fleet.plan import Plan
from trivet.kit.interval import Interval
from trivet.kit.money import EXACT, of_million, rounded
from trivet.ledger.pool_capacity import plans
from trivet.ledger.pool_models import PoolHourSplit
from trivet.ledger.service import posted_until
from trivet.report import tokens
from trivet.report.moves import Running
from trivet.report.tokens import Counts
from trivet.rollup.read import one_of

ZERO, ONE = Decimal(0), Decimal(1)
HOUR_US = Decimal(3_600_000_000)
_MICROSECOND = timedelta(microseconds=1)
_KEPT = ("cost", "used", "headroom", "idle", "down", "work", "energy_kwh")


@dataclass(frozen=True, slots=True)
class Planned:
    """What was planned over the posted part of an interval, weighted by GPU hours; None where a term is missing."""

    gpu_hours: Decimal
    price_per_gpu_hour: Decimal | None
    load_test_per_gpu_hour: Decimal | None  # work units
    utilisation: Decimal | None

    @property
    def per_million(self) -> Decimal | None:
        """Planned cost of a million work units: price of a GPU hour / (load-test tokens per GPU hour × planned utilisation)."""
        if self.price_per_gpu_hour is None or not self.load_test_per_gpu_hour or not self.utilisation:
            return None
        could = EXACT.multiply(self.load_test_per_gpu_hour, self.utilisation)
        return of_million(self.price_per_gpu_hour, could)


@dataclass(frozen=True, slots=True)
class PoolFigures:
    """One pool in one currency. Parts of `cost` as they were split; `work` in work units; energy None where none was said."""

    pool_id: int
    currency: str
    cost: Decimal
    used: Decimal
    headroom: Decimal
    idle: Decimal
    down: Decimal
    work: Decimal
    energy_kwh: Decimal | None
    counts: Counts
    planned: Planned

    @property
    def gpu_hours(self) -> Decimal:
        """Of all its GPUs together."""
        return self.planned.gpu_hours

    @property
    def per_million(self) -> Decimal | None:
        """Actual cost of a million tokens: capacity cost of the interval / tokens served in it."""
        return _per_million(self.cost, Decimal(self.counts.tokens))

    @property
    def per_million_work(self) -> Decimal | None:
        """Actual cost of a million work units: what `Planned.per_million` is compared with."""
        return _per_million(self.cost, self.work)

    @property
    def utilisation(self) -> Decimal | None:
        """Work done / (load-test tokens per GPU hour × GPU hours); None where no load test was made."""
        rated = self.planned.load_test_per_gpu_hour
        could = EXACT.multiply(rated, self.gpu_hours) if rated else ZERO
        return EXACT.divide(self.work, could) if could else None

    @property
    def price_per_gpu_hour(self) -> Decimal | None:
        """What a GPU hour cost."""
        return rounded(EXACT.divide(self.cost, self.gpu_hours)) if self.gpu_hours else None

    def running(self) -> Running:
        """As `moves` compares it."""
        return Running(
            self.cost, self.gpu_hours, self.work, self.counts.tokens, self.planned.load_test_per_gpu_hour or None
        )  # fmt: skip


def figures(session: Session, interval: Interval, where: Mapping[str, Collection[Any]]) -> list[PoolFigures]:
    """Every pool that had capacity in the posted hours of an interval, by id and currency. Filters by `pool_id` only."""
    wanted = {name: values for name, values in where.items() if name == "pool_id"}
    table = PoolHourSplit
    sums = [func.coalesce(func.sum(getattr(table, name)), ZERO) for name in _KEPT]
    said = func.sum(case((table.energy_kwh.is_not(None), 1), else_=0))
    query = (
        select(table.pool_id, table.currency, said, *sums)
        .where(table.hour >= interval.start, table.hour < interval.end)
        .where(*(one_of(table.pool_id, values) for values in wanted.values()))
        .group_by(table.pool_id, table.currency)
        .order_by(table.pool_id, table.currency)
    )
    until = min(posted_until(session) or interval.start, interval.end)
    if until <= interval.start:
        return []
    held = plans(session, interval)
    served = tokens.counts(session, Interval(interval.start, until), ["pool_id"], wanted)
    return [
        PoolFigures(
            pool_id, currency, cost, used, headroom, idle, down, work, energy if said_ else None,
            served.get((pool_id,), Counts()),
            planned(held.get(pool_id, []), currency, until),
        )
        for pool_id, currency, said_, cost, used, headroom, idle, down, work, energy in session.execute(query)
    ]  # fmt: skip


def planned(stretches: Sequence[Plan], currency: str, until: datetime) -> Planned:
    """The plans of one pool in one currency up to an instant, as one. Pure."""
    own = [(plan, _gpu_hours(plan, until)) for plan in stretches if plan.currency == currency and plan.start < until]
    hours = sum((each for _, each in own), ZERO)

    def mean(of: Any) -> Decimal | None:
        if not hours or any(of(plan) is None for plan, _ in own):
            return None
        return EXACT.divide(sum((EXACT.multiply(of(plan), each) for plan, each in own), ZERO), hours)

    return Planned(
        hours,
        mean(lambda plan: plan.price_per_gpu_hour),
        mean(lambda plan: plan.load_test_tokens_per_gpu_hour),
        mean(lambda plan: plan.planned_utilisation),
    )


def _gpu_hours(plan: Plan, until: datetime) -> Decimal:
    length_us = (min(plan.end, until) - plan.start) // _MICROSECOND
    return EXACT.divide(EXACT.multiply(Decimal(length_us), Decimal(plan.gpus)), HOUR_US)


def _per_million(cost: Decimal, units: Decimal) -> Decimal | None:
    return of_million(cost, units) if units else None
