"""What the ledger reads of an hour: usage, the pools' requests, what is posted. Only reads."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from trivet.kit.clock import floor
from trivet.kit.interval import Interval
from trivet.ledger.line import Entries, Line, User
from trivet.ledger.models import Entry, Posting
from trivet.ledger.pool_share import Phases
from trivet.ledger.pool_states import Span
from trivet.ledger.work import CONTEXT, CONTEXT_DOUBLES_AT, DECODE, PREFILL, WEIGHTS
from trivet.rollup.read import cost
from trivet.rollup.rebuild import LONGEST

HOUR_S = 3600
HOUR = timedelta(hours=1)
REJECTED = 4
LINE = ("account", "cost_centre_id", "tenant_id", "scenario_id", "model_id", "pool_id", "currency", "purchase")

Costs = dict[tuple[User, int, str], Decimal]

# Requests of some pools that ran within an hour: those that ended in it, and those that ran on. Spans that repeat a call
# which another is billed for count in none.
_RAN = """
    FROM request r
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
# The part of a request's time that lies in the hour, which is the part of its work that counts there.
_WITHIN = """CASE WHEN ended_at > started_at THEN
        extract(epoch FROM least(ended_at, CAST(:end AS timestamptz)) - greatest(started_at, CAST(:start AS timestamptz)))
        / extract(epoch FROM ended_at - started_at)
    ELSE 1 END"""
UNITS = " + ".join(f"{weight} * r.{column}::numeric" for column, (weight, _) in WEIGHTS.items())  # of `request AS r`
_DECODED = " + ".join(f"{column}::numeric" for column in DECODE)
_LENGTH = f"2 * ({' + '.join(f'{column}::numeric' for column in CONTEXT)}) + {_DECODED}"  # twice the mean context
_STREAMED = "WHERE first_token IS NOT NULL"
_WORK = text(f"""
    SELECT pool_id, tenant_id, scenario_id, model_id, count(*),
        sum(units * within), sum(({" + ".join(f"{column}::numeric" for column in PREFILL)}) * within),
        sum(({_DECODED}) * ({2 * CONTEXT_DOUBLES_AT} + {_LENGTH}) * within),
        sum(extract(epoch FROM until - since)),
        sum(extract(epoch FROM least(until, first_token) - least(since, first_token))) FILTER ({_STREAMED}),
        sum(extract(epoch FROM greatest(until, first_token) - greatest(since, first_token))) FILTER ({_STREAMED})
    FROM (
        SELECT r.*, {UNITS} AS units, {_WITHIN} AS within, greatest(started_at, CAST(:start AS timestamptz)) AS since,
            least(ended_at, CAST(:end AS timestamptz)) AS until,
            CASE WHEN ttft_us > 0 AND {_DECODED} > 1 THEN started_at + ttft_us * interval '1 microsecond' END AS first_token
        {_RAN} AND (ended_at > :start OR ended_at = started_at)
    ) AS ran
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
    found = cost(session, Interval(hour, hour + HOUR), by)
    return {(User(*key[:3]), key[3], key[4]): amount for key, amount in found.items() if key[4]}


@dataclass(slots=True)
class Ran:
    """What the requests of one pool in an hour came to, by user; times in microseconds. `phases` only by spans."""

    busy: list[Span] = field(default_factory=list)
    work: dict[User, Decimal] = field(default_factory=dict)
    requests: dict[User, int] = field(default_factory=dict)
    prefill: dict[User, Decimal] = field(default_factory=dict)
    decode: dict[User, Decimal] = field(default_factory=dict)
    request_us: int = 0
    prefill_us: int = 0
    decode_us: int = 0

    def phases(self, measured: tuple[int, int] | None) -> Phases | None:
        """Prefill and decode by what engines measured of the hour, else by streamed requests; None by neither."""
        by, (prefill_us, decode_us) = "counters", measured or (0, 0)
        if not (prefill_us > 0 and decode_us > 0):
            by, prefill_us, decode_us = "spans", self.prefill_us, self.decode_us
        if not (prefill_us > 0 and decode_us > 0):
            return None
        return Phases(by, prefill_us, decode_us, self.prefill, self.decode)


def ran(session: Session, hour: datetime, pools: Collection[int]) -> dict[int, Ran]:
    """The requests of some pools that ran within an hour, by pool."""
    found = {pool_id: Ran() for pool_id in sorted(pools)}
    if not found:
        return found
    at = _at(hour, pools)
    for pool_id, start, end in session.execute(_BUSY, at):
        found[pool_id].busy.append((start, end))
    for pool_id, tenant_id, scenario_id, model_id, count, units, prefill, decode, *seconds in session.execute(
        _WORK, at
    ):
        own, user = found[pool_id], User(tenant_id, scenario_id, model_id)
        own.requests[user], own.work[user], own.prefill[user], own.decode[user] = count, units, prefill, decode
        request_us, prefill_us, decode_us = (int(each.scaleb(6)) if each else 0 for each in seconds)
        own.request_us += request_us
        own.prefill_us += prefill_us
        own.decode_us += decode_us
    return found


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
        "reach": hour - LONGEST,
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
