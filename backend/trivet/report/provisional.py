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
OF_TENANT = {CENTRE, "account"}  # of these, what follows from the tenant


def gather(
    session: Session, part: Interval, where: Mapping[str, Collection[Any]], grain: Grain | None, into: Gathered
) -> None:
    """Add what the hours of an interval have cost so far, all of it provisional."""
    own = {name: values for name, values in where.items() if name not in DERIVED}
    wanted = {name: values for name, values in where.items() if name in DERIVED}
    asked = [name for name in into.columns if name not in DERIVED]
    bought = "purchase" in into.columns or "purchase" in wanted
    whose = ["tenant_id"] if OF_TENANT & {*into.columns, *wanted} else []
    by = tuple(dict.fromkeys([*whose, *asked, *(["pool_id"] if bought else []), "currency"]))
    place = {name: n for n, name in enumerate((*by, *DERIVED))}
    shown, checked = [place[name] for name in into.columns], [(place[name], values) for name, values in wanted.items()]
    currency, tenant, pool = place["currency"], place.get("tenant_id"), place.get("pool_id")
    for segment in segments(session, part, grain, bought=bought):
        derive = _Derive(session, segment.start, bought=bought)
        bucket = grain.floor(segment.start) if grain else None
        asked_of = charged(own, derive.centres, where.get(CENTRE))
        found = cost(session, segment, by, asked_of, limit=into.groups_max + 1)
        limits.check(found, into.groups_max)
        for key, amount in found.items():
            derived = derive.of(0 if tenant is None else key[tenant], 0 if pool is None else key[pool])
            ids = (*key, *derived)
            if ids[currency] and all(ids[n] in values for n, values in checked):
                into.add((bucket, *(ids[n] for n in shown), ids[currency]), amount, amount, amount)


def charged(
    where: Mapping[str, Collection[Any]], centres: Mapping[int, int], wanted: Collection[int] | None
) -> Mapping[str, Collection[Any]]:
    """Filters of usage, narrowed to the tenants charged to some cost centres. Pure.

    As they are where no cost centre is asked for, and where those without one are: whoever is in no mapping is among them.
    """
    if wanted is None or 0 in wanted:
        return where
    meant, asked = set(wanted), where.get("tenant_id")
    mine = {tenant for tenant, centre in centres.items() if centre in meant}
    return {**where, "tenant_id": sorted(mine if asked is None else mine & set(asked))}


class _Derive:
    """What follows from a row's tenant and pool, as it held at one instant."""

    def __init__(self, session: Session, at: datetime, *, bought: bool) -> None:
        self.centres = cost_centres_at(session, at)
        self._purchases = _purchases_at(session, at) if bought else {}
        self._month = month_of(at)

    def of(self, tenant_id: int, pool_id: int) -> tuple[int, str, str, str]:
        """In the order of `DERIVED`."""
        centre = self.centres.get(tenant_id, 0)
        account = "cost_centre" if centre else "unattributed"
        return centre, account, self._month, self._purchases.get(pool_id, "")


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
