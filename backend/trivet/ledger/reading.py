"""What the ledger reads of an hour: usage, the pools' requests, what is posted. Only reads."""

from collections.abc import Collection
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from trivet.fleet.capacity import Stretch
from trivet.kit.clock import floor
from trivet.kit.interval import Interval
from trivet.ledger.models import Entry, Posting
from trivet.ledger.posting import Entries, Line, PoolHour, Span, User
from trivet.ledger.work import WEIGHTS
from trivet.rollup.read import usage

HOUR_S = 3600
HOUR = timedelta(hours=1)
# A request that ran longer than this counts for the hours before only as far back as this.
REACH = timedelta(hours=6)
REJECTED = 4
LINE = ("account", "cost_centre_id", "tenant_id", "scenario_id", "model_id", "pool_id", "currency", "purchase")

Costs = dict[tuple[User, int, str], Decimal]

# Requests of some pools that ran within an hour: those that ended in it, and those that ran on. Spans that repeat a call
# which another is billed for count in none.
_RAN = """
    FROM request
    WHERE pool_id = ANY(CAST(:pools AS int4[])) AND outcome <> :rejected
      AND started_at >= :reach AND started_at < :end AND ended_at >= :start AND repeats IS NULL
"""
_BUSY = text(f"""
    SELECT pool_id, lower(span), upper(span) FROM (
        SELECT pool_id, unnest(range_agg(
            tstzrange(started_at, greatest(ended_at, started_at)) * tstzrange(:start, :end))) AS span
        {_RAN} GROUP BY pool_id
    ) AS busy ORDER BY pool_id, 2
""")  # noqa: S608  # two constants of this module
_UNITS = " + ".join(f"{weight} * {column}::numeric" for column, (weight, _) in WEIGHTS.items())
_WORK = text(f"""
    SELECT pool_id, tenant_id, scenario_id, model_id, count(*), sum(({_UNITS}) * CASE
        WHEN ended_at > started_at THEN
            extract(epoch FROM least(ended_at, CAST(:end AS timestamptz)) - greatest(started_at, CAST(:start AS timestamptz)))
            / extract(epoch FROM ended_at - started_at)
        ELSE 1 END)
    {_RAN} AND (ended_at > :start OR ended_at = started_at)
    GROUP BY pool_id, tenant_id, scenario_id, model_id
""")  # noqa: S608  # constants of this package
_FIRST_START = text("""
    SELECT min(started_at) FROM request
    WHERE pool_id = ANY(CAST(:pools AS int4[])) AND outcome <> :rejected
      AND started_at >= :reach AND started_at < :start AND ended_at >= :start AND ended_at < :end
      AND repeats IS NULL
""")


def costs(session: Session, hour: datetime) -> Costs:
    """Provisional costs of the requests that ended in an hour, by user, pool and currency."""
    by = ("tenant_id", "scenario_id", "model_id", "pool_id", "currency")
    found = usage(session, Interval(hour, hour + HOUR), by, grain_s=HOUR_S)
    return {(User(*key[:3]), key[3], key[4]): each.cost for key, each in found.items() if key[4] and each.cost}


def pool_hours(
    session: Session, hour: datetime, capacity: dict[int, list[Stretch]], provisional: Costs
) -> list[PoolHour]:
    """What is known of the pools that had capacity in an hour."""
    at = _at(hour, capacity)
    busy: dict[int, list[Span]] = {pool_id: [] for pool_id in capacity}
    for pool_id, start, end in session.execute(_BUSY, at) if capacity else ():
        busy[pool_id].append((start, end))
    work: dict[int, dict[User, Decimal]] = {pool_id: {} for pool_id in capacity}
    requests: dict[int, dict[User, int]] = {pool_id: {} for pool_id in capacity}
    for pool_id, tenant_id, scenario_id, model_id, count, units in session.execute(_WORK, at) if capacity else ():
        user = User(tenant_id, scenario_id, model_id)
        work[pool_id][user], requests[pool_id][user] = units, count
    return [
        PoolHour(
            pool_id,
            capacity[pool_id],
            busy[pool_id],
            work[pool_id],
            requests[pool_id],
            {(user, currency): cost for (user, own, currency), cost in provisional.items() if own == pool_id},
        )
        for pool_id in sorted(capacity)
    ]


def reaches_back_to(session: Session, hour: datetime, pools: Collection[int]) -> datetime:
    """The first hour in which requests that ended in `hour` ran on a pool: its busy time changes with theirs."""
    if not pools:
        return hour
    first = session.scalar(_FIRST_START, _at(hour, pools))
    return floor(first, HOUR_S) if first else hour


def _at(hour: datetime, pools: Collection[int]) -> dict[str, Any]:
    return {
        "start": hour,
        "end": hour + HOUR,
        "reach": hour - REACH,
        "pools": sorted(pools),
        "rejected": REJECTED,
    }


def posted(session: Session, kind: str, source: str, hour: datetime) -> tuple[Entries, int]:
    """What stands in the ledger for one source and hour, and how many postings made it."""
    where = (Posting.kind == kind, Posting.source == source, Posting.hour == hour)
    count = session.scalar(select(func.count()).select_from(Posting).where(*where)) or 0
    if not count:
        return {}, 0
    lines = [getattr(Entry, name) for name in LINE]
    summed = select(*lines, func.sum(Entry.amount)).join(Posting, Posting.id == Entry.posting_id).where(*where)
    found = session.execute(summed.group_by(*lines))
    return {Line(*row[:-1]): row[-1] for row in found if row[-1]}, count
