"""What was spent since midnight UTC, by scenario and by its dearest tenant."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet.guard.asked import Ask, Key
from trivet.guard.measures import Reading
from trivet.guard.window import AHEAD, BUCKET_S
from trivet.kit.clock import floor
from trivet.kit.interval import Interval
from trivet.rollup import read
from trivet.tenant.models import Tenant

DAY_S = 86_400
COUNTS = ("requests", "rejections", "unpriced_requests")
By = dict[int, Decimal]  # by tenant


def today(session: Session, asks: Sequence[Ask], now: datetime) -> dict[Key, Reading]:
    """Costs of the UTC day so far, in the card's currency."""
    interval = Interval(floor(now, DAY_S), floor(now, BUCKET_S) + AHEAD)
    where = {"scenario_id": sorted({ask.scenario_id for ask in asks})}
    spent: dict[tuple[int, str], By] = {}
    for (scenario_id, tenant_id, currency), cost in read.cost(
        session, interval, ["scenario_id", "tenant_id", "currency"], where
    ).items():
        spent.setdefault((scenario_id, currency), {})[tenant_id] = cost
    counted = read.counts(session, interval, ["scenario_id"], COUNTS, where)
    named = _names(session, {_dearest(by) for by in spent.values()})
    return {
        ask.key: _reading(
            ask, spent.get((ask.scenario_id, ask.currency), {}), counted.get((ask.scenario_id,), (0, 0, 0)), named
        )
        for ask in asks
    }


def _dearest(by: By) -> int:
    return max(by, key=lambda tenant_id: (by[tenant_id], -tenant_id))


def _names(session: Session, ids: set[int]) -> dict[int, str]:
    rows = session.execute(select(Tenant.id, Tenant.name).where(read.one_of(Tenant.id, ids)))
    return {id_: name for id_, name in rows}  # noqa: C416  # a row is no pair to `dict`


def _reading(ask: Ask, by: By, counted: tuple[int, ...], named: dict[int, str]) -> Reading:
    """Zero is a value: a new day heals what yesterday broke. Requests without a price are none."""
    served, unpriced = max(0, counted[0] - counted[1]), max(0, counted[2])
    priced = max(0, served - unpriced)
    if not by and unpriced:
        return Reading(None, 0, f"none of today's {unpriced} requests has a price in {ask.currency}: enter one")
    if ask.guard.metric == "cost_per_day":
        return Reading(float(sum(by.values(), Decimal(0))), max(1, priced))  # compared with a threshold, never booked
    if not by:
        return Reading(0.0, 1)
    tenant_id = _dearest(by)
    who = named.get(tenant_id, "no tenant")
    return Reading(float(by[tenant_id]), max(1, priced), words=f"by {who}, the dearest of {len(by)}")
