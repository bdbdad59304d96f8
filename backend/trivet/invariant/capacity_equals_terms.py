"""What was posted as the cost of pools' capacity is what their terms say: for one hour of the last week, another each time.

An hour that is due for posting, or about to be, is not looked at.
"""

from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from trivet.fleet.capacity import Stretch, capacity_cost
from trivet.fleet.models import PoolTerm
from trivet.invariant.finding import Finding, turn
from trivet.kit.clock import floor
from trivet.ledger.models import Entry, HourDue, Posting
from trivet.ledger.pool_capacity import capacities
from trivet.ledger.pool_models import PoolHourSplit
from trivet.ledger.service import posted_until
from trivet.outbox import Outbox
from trivet.pricing.models import GpuPrice

HOURS = 24 * 7
HOUR = timedelta(hours=1)
ZERO = Decimal(0)
ON_ITS_WAY = timedelta(minutes=10)


def check(session: Session, now: datetime) -> Finding:
    """Read only; needs one snapshot for its statements."""
    until = posted_until(session)
    first = floor(now, 3600) - HOUR * HOURS
    begun = session.scalar(select(func.min(Posting.hour)).where(Posting.hour >= first))
    if until is None or begun is None or begun >= until:
        return Finding(True, "nothing is posted")
    hours = int((until - begun) / HOUR)
    return check_hour(session, begun + HOUR * turn(now, hours), now)


def check_hour(session: Session, hour: datetime, now: datetime) -> Finding:
    """One hour, by pool and currency."""
    if _is_due(session, hour, now):
        return Finding(True, f"{hour:%FT%RZ} is due for posting")
    told = _told(session, hour)
    posted = _posted(session, hour)
    odd = sorted(key for key in told.keys() | posted.keys() if told.get(key, ZERO) != posted.get(key, ZERO))
    if odd:
        pool_id, currency = odd[0]
        said = f"its terms say {told.get(odd[0], ZERO)}, posted is {posted.get(odd[0], ZERO)}"
        return Finding(False, f"{hour:%FT%RZ}, pool {pool_id}, {currency}: {said}")
    return Finding(True, f"{hour:%FT%RZ}: {len(told)} pools")


def _is_due(session: Session, hour: datetime, now: datetime) -> bool:
    """Whether it waits to be posted anew, or what was told just now is on its way to the ledger."""
    just_now = now - ON_ITS_WAY
    asked = (
        select(HourDue.hour).where(HourDue.hour == hour),
        select(Outbox.id).where(Outbox.task == "ledger.pool_changed"),
        select(PoolTerm.id).where(PoolTerm.created_at > just_now),
        select(GpuPrice.id).where(GpuPrice.created_at > just_now),
    )
    return any(session.scalar(query.limit(1)) is not None for query in asked)


def _told(session: Session, hour: datetime) -> dict[tuple[int, str], Decimal]:
    """By pool and currency what the terms say; with power what was kept of the posting, by what cards had said then."""
    split = select(PoolHourSplit.pool_id, PoolHourSplit.currency, func.sum(PoolHourSplit.cost))
    kept = {
        (pool_id, currency): cost
        for pool_id, currency, cost in session.execute(
            split.where(PoolHourSplit.hour == hour).group_by(PoolHourSplit.pool_id, PoolHourSplit.currency)
        )
    }
    return {
        (pool_id, currency): kept.get((pool_id, currency), ZERO) if any(map(_pays_power, parts)) else cost
        for pool_id, parts in capacities(session, hour).priced.items()
        for currency, cost in capacity_cost(parts).items()
    }


def _pays_power(part: Stretch) -> bool:
    return part.hourly is not None and "power" in part.hourly.parts


def _posted(session: Session, hour: datetime) -> dict[tuple[int, str], Decimal]:
    total = -func.sum(Entry.amount)
    query = (
        select(Entry.pool_id, Entry.currency, total)
        .join(Posting, Posting.id == Entry.posting_id)
        .where(Posting.hour == hour, Entry.account == "supply.capacity")
        .group_by(Entry.pool_id, Entry.currency)
        .having(total != 0)
    )
    return {(pool_id, currency): amount for pool_id, currency, amount in session.execute(query)}
