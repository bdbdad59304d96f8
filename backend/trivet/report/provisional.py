"""The open hours of a cost report: usage at standard cost, charged as tenants are mapped in each hour."""

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from itertools import pairwise
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from trivet.fleet.models import PoolTerm
from trivet.kit.interval import Interval, month_of
from trivet.report import limits
from trivet.report.gathered import CENTRE, Gathered
from trivet.report.grain import MONTH, Grain
from trivet.rollup.read import cost
from trivet.tenant.models import TenantCostCentre
from trivet.tenant.service import cost_centres_at

# What rollups do not hold and follows from what they do: the charge, the account, the month, how capacity was bought.
DERIVED = (CENTRE, "account", "period", "purchase")


def gather(
    session: Session, part: Interval, where: Mapping[str, Collection[Any]], grain: Grain | None, into: Gathered
) -> None:
    """Add what the hours of an interval have cost so far, all of it provisional."""
    own = {name: values for name, values in where.items() if name not in DERIVED}
    wanted = {name: values for name, values in where.items() if name in DERIVED}
    asked = [name for name in into.columns if name not in DERIVED]
    bought = "purchase" in into.columns or "purchase" in wanted
    by = tuple(dict.fromkeys(["tenant_id", *asked, *(["pool_id"] if bought else []), "currency"]))
    for segment in segments(session, part, grain, bought=bought):
        derive = _Derive(session, segment.start, bought=bought)
        bucket = grain.floor(segment.start) if grain else None
        found = cost(session, segment, by, own, limit=into.groups_max + 1)
        limits.check(found, into.groups_max)
        for key, amount in found.items():
            ids = derive.of(dict(zip(by, key, strict=True)))
            if ids["currency"] and all(ids[name] in values for name, values in wanted.items()):
                into.add((bucket, *(ids[name] for name in into.columns), ids["currency"]), amount, amount, amount)


class _Derive:
    """What follows from a row's tenant and pool, as it held at one instant."""

    def __init__(self, session: Session, at: datetime, *, bought: bool) -> None:
        self._centres = cost_centres_at(session, at)
        self._purchases = _purchases_at(session, at) if bought else {}
        self._month = month_of(at)

    def of(self, ids: dict[str, Any]) -> dict[str, Any]:
        centre = self._centres.get(ids["tenant_id"], 0)
        return ids | {
            CENTRE: centre,
            "account": "cost_centre" if centre else "unattributed",
            "period": self._month,
            "purchase": self._purchases.get(ids.get("pool_id", 0), ""),
        }


def _purchases_at(session: Session, at: datetime) -> dict[int, str]:
    """How each pool's capacity is bought at an instant; pools without capacity are not there: their calls are metered."""
    newest = (
        select(PoolTerm.pool_id, PoolTerm.purchase, PoolTerm.gpus)
        .where(PoolTerm.effective_from <= at)
        .ext(distinct_on(PoolTerm.pool_id))
        .order_by(PoolTerm.pool_id, PoolTerm.effective_from.desc())
    )
    return {pool_id: purchase for pool_id, purchase, gpus in session.execute(newest) if gpus}


def segments(session: Session, part: Interval, grain: Grain | None, *, bought: bool = False) -> Iterator[Interval]:
    """An interval cut where a mapping begins, a month or a bucket ends (and a pool's term begins, where `bought`)."""
    cuts = {part.start, part.end, *begins(session, TenantCostCentre.effective_from, part)}
    if bought:
        cuts |= begins(session, PoolTerm.effective_from, part)
    for each in (MONTH, grain):
        cuts |= {at for at in each.starts(part) if at > part.start} if each else set()
    for start, end in pairwise(sorted(cuts)):
        yield Interval(start, end)


def begins(session: Session, column: Any, part: Interval) -> set[datetime]:
    """The distinct instants of a column within an interval."""
    return set(session.scalars(select(column).where(column > part.start, column < part.end).distinct()))
