"""What was counted, in the database: deltas that ingest left become counters by quarter hours, and counters are summed."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any

from sqlalchemy import Select, delete, func, literal, select, text
from sqlalchemy.orm import Session

from trivet.budget.book import Standing
from trivet.budget.centres import Centres
from trivet.budget.models import COUNTED, SpendCounter
from trivet.budget.sums import Part
from trivet.ingest.models import SpendDelta
from trivet.kit.clock import floor
from trivet.kit.interval import Interval
from trivet.rollup.read import one_of

DAY_S = 86_400
OF_TENANT, OF_KEY, OF_USER = range(len(COUNTED))
_PUT = text("""
    INSERT INTO spend_counter (kind, subject_id, quarter, part_id, currency, requests, tokens, unpriced, cost)
    SELECT * FROM unnest(
        CAST(:kind AS int2[]), CAST(:subject_id AS int4[]), CAST(:quarter AS timestamptz[]), CAST(:part_id AS int4[]),
        CAST(:currency AS text[]), CAST(:requests AS int8[]), CAST(:tokens AS int8[]), CAST(:unpriced AS int8[]),
        CAST(:cost AS numeric[]))
    ON CONFLICT (kind, subject_id, quarter, part_id, currency) DO UPDATE SET
        requests = spend_counter.requests + excluded.requests, tokens = spend_counter.tokens + excluded.tokens,
        unpriced = spend_counter.unpriced + excluded.unpriced, cost = spend_counter.cost + excluded.cost
""")
_NAMES = ("kind", "subject_id", "quarter", "part_id", "currency", "requests", "tokens", "unpriced", "cost")
Key = tuple[int, int, datetime, int, str]


@dataclass(frozen=True, slots=True)
class Delta:
    """One row that ingest left."""

    quarter: datetime
    received_at: datetime
    tenant_id: int
    scenario_id: int
    key_id: int
    end_user_id: int
    part: Part


_TAKEN = (
    "quarter", "received_at", "tenant_id", "scenario_id", "key_id", "end_user_id", "currency", "requests", "tokens",
    "unpriced", "cost",
)  # fmt: skip


def take(session: Session, limit: int) -> list[Delta]:
    """The oldest deltas, taken out of their table. The caller sees to it that nobody else takes."""
    oldest = select(SpendDelta.id).order_by(SpendDelta.id).limit(limit)
    taken = delete(SpendDelta).where(SpendDelta.id == func.any(func.array(oldest.scalar_subquery())))
    rows = session.execute(taken.returning(*(getattr(SpendDelta, name) for name in _TAKEN))).all()
    days = {quarter: floor(quarter, DAY_S) for quarter in {row[0] for row in rows}}
    return [
        Delta(row[0], row[1], row[2], row[3], row[4], row[5], Part(row[6], days[row[0]], *row[7:])) for row in rows
    ]  # fmt: skip


def fold(session: Session, deltas: Iterable[Delta]) -> None:
    """Add deltas to the counters: each under its tenant and scenario, its key, and its end user."""
    sums: dict[Key, list[Any]] = {}
    for delta in deltas:
        own = [(OF_TENANT, delta.tenant_id, delta.scenario_id)]
        if delta.key_id:
            own.append((OF_KEY, delta.key_id, 0))
        if delta.end_user_id:
            own.append((OF_USER, delta.end_user_id, 0))
        for kind, subject_id, part_id in own:
            total = sums.setdefault(
                (kind, subject_id, delta.quarter, part_id, delta.part.currency), [0, 0, 0, Decimal(0)]
            )
            total[0] += delta.part.requests
            total[1] += delta.part.tokens
            total[2] += delta.part.unpriced
            total[3] += delta.part.cost
    if sums:
        rows = [(*key, *sums[key]) for key in sorted(sums)]
        session.execute(_PUT, dict(zip(_NAMES, map(list, zip(*rows, strict=True)), strict=True)))


def parts_of(
    session: Session, standing: Standing, ids: Collection[int], interval: Interval, centres: Centres
) -> dict[int, list[Part]]:
    """What each of some subjects of a budget spent in an interval, by day and currency. Of `global` the subject is 0."""
    if standing.scope == "cost_centre":
        return _by_centre(session, set(ids), interval, centres)
    made: dict[int, list[Part]] = defaultdict(list)
    for subject_id, *row in session.execute(_query(standing.scope, ids, interval)):
        made[subject_id].append(_part(row))
    return made


def subjects(session: Session, standing: Standing, interval: Interval, limit: int) -> list[int]:
    """Whoever spent in an interval, of a budget that each has: tenants, keys, scenarios or end users; cost centres not."""
    column: Any = SpendCounter.part_id if standing.scope == "scenario" else SpendCounter.subject_id
    query = select(column).distinct().where(*_within(_KINDS[standing.scope], interval), column != 0)
    return list(session.scalars(query.limit(limit)))


_KINDS = {"tenant": OF_TENANT, "scenario": OF_TENANT, "global": OF_TENANT, "key": OF_KEY, "end_user": OF_USER}


def _within(kind: int, interval: Interval) -> list[Any]:
    return [
        SpendCounter.kind == kind, SpendCounter.quarter >= interval.start, SpendCounter.quarter < interval.end
    ]  # fmt: skip


def _day() -> Any:
    return func.date_trunc("day", SpendCounter.quarter, "UTC")


def _sums() -> list[Any]:
    return [
        func.sum(SpendCounter.requests), func.sum(SpendCounter.tokens), func.sum(SpendCounter.unpriced),
        func.sum(SpendCounter.cost),
    ]  # fmt: skip


def _query(scope: str, ids: Collection[int], interval: Interval) -> Select[Any]:
    column: Any = {"scenario": SpendCounter.part_id, "global": literal(0)}.get(scope, SpendCounter.subject_id)
    day = _day()
    query = select(column, SpendCounter.currency, day, *_sums()).where(*_within(_KINDS[scope], interval))
    if scope == "global":
        return query.group_by(SpendCounter.currency, day)
    return query.where(one_of(column, ids)).group_by(column, SpendCounter.currency, day)


def _part(row: Collection[Any]) -> Part:
    currency, day, requests, tokens, unpriced, cost = row
    return Part(currency, day, int(requests), int(tokens), int(unpriced), cost)


def _by_centre(session: Session, ids: set[int], interval: Interval, centres: Centres) -> dict[int, list[Part]]:
    """By tenant, between the instants at which a mapping changes: so each amount is under whoever it was charged to."""
    made: dict[int, list[Part]] = defaultdict(list)
    for piece in _pieces(interval, centres.changes()):
        day = _day()
        query = select(SpendCounter.subject_id, SpendCounter.currency, day, *_sums())
        query = query.where(*_within(OF_TENANT, piece)).group_by(SpendCounter.subject_id, SpendCounter.currency, day)
        for tenant_id, *row in session.execute(query):
            for centre in ids.intersection(centres.of_tenant(tenant_id, piece.start)):
                made[centre].append(_part(row))
    return made


def _pieces(interval: Interval, cuts: Iterable[datetime]) -> Iterator[Interval]:
    """An interval cut at some instants. A quarter belongs to the piece that holds its start, as deltas do."""
    inside = sorted({interval.start, *(at for at in cuts if interval.contains(at)), interval.end})
    return (Interval(start, end) for start, end in pairwise(inside))
