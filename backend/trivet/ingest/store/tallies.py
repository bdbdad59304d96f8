"""Requests of guarded scenarios counted exactly, by the second in which they ended: how many, and how many were bad.

Of each scenario, second, tenant, revision and level a record says how many were served, and for each limit by which some
were bad, how many and the sum of squares of their numbers by trace. What a limit of ours rejected is not served. Requests
that are taken back count below zero.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from psycopg import Cursor

from trivet import db
from trivet.ingest.request.fact import ERROR, REFUSED, REJECTED, TIMEOUT, RequestFact
from trivet.ingest.store.row import Row

SECOND_US = 1_000_000
OLDEST_US = 1_800 * SECOND_US  # what ended before is no concern of a guard that counts
LIMITS_KEPT_S = 1.0  # how old the limits may be that are counted against
# `what` is the id of the limit by which requests were bad, or one of these: how many were measured.
SERVED, WITH_FIRST_TOKEN, WITH_TOKENS = 0, -1, -2
RECORD = np.dtype([
    ("scenario", "<i4"), ("second", "<i4"), ("tenant", "<i4"), ("revision", "<i4"), ("level", "<i2"), ("what", "<i4"),
    ("n", "<i4"), ("squares", "<i4"),
])  # fmt: skip


class Limit(NamedTuple):
    """What makes a request bad: see `GuardLimit`. `id` 0 where it has none yet."""

    kind: str
    over_us: int = 0
    id: int = 0


def _took_us(fact: RequestFact) -> int:
    return fact.end_us - fact.start_us


_FAILED, _TIMED_OUT, _REFUSED = frozenset({ERROR, TIMEOUT}), frozenset({TIMEOUT}), frozenset({REFUSED})
_BY_OUTCOME = {"errors": _FAILED, "timeouts": _TIMED_OUT, "refusals": _REFUSED}
_BY_TIME: dict[str, Callable[[RequestFact], int | None]] = {
    "latency": _took_us,
    "ttft": lambda fact: fact.ttft_us,
    "inter_token": lambda fact: fact.inter_token_us,
}
KINDS = (*_BY_OUTCOME, *_BY_TIME)
MEASURED_AS = {"ttft": WITH_FIRST_TOKEN, "inter_token": WITH_TOKENS}  # the others are of all that were served
Limits = Mapping[int, Sequence[Limit]]  # by scenario
_Key = tuple[int, int, int, int, int]  # the first five fields of a record


def packed(rows: Iterable[Row], back: Iterable[Row], limits: Limits, now_us: int) -> bytes:
    """Records of what requests add and others take back; empty where none is of a guarded scenario."""
    found = [*_records(rows, limits, 1, now_us - OLDEST_US), *_records(back, limits, -1, now_us - OLDEST_US)]
    return np.array(found, dtype=RECORD).tobytes() if found else b""


def _records(rows: Iterable[Row], limits: Limits, sign: int, oldest_us: int) -> Iterator[tuple[int, ...]]:
    groups: dict[_Key, list[RequestFact]] = {}
    for row in rows:
        if row.scenario_id not in limits:
            continue
        fact = row.fact
        if fact.outcome == REJECTED or fact.end_us < oldest_us:
            continue
        key = row.scenario_id, fact.end_us // SECOND_US, row.tenant_id, fact.revision, fact.level
        own = groups.get(key)
        if own is None:
            groups[key] = [fact]
        else:
            own.append(fact)
    for key, facts in groups.items():
        yield (*key, SERVED, sign * len(facts), 0)
        of_key = limits[key[0]]
        for kind in {limit.kind for limit in of_key} & MEASURED_AS.keys():
            measured = sum(1 for fact in facts if _BY_TIME[kind](fact) is not None)
            if measured:
                yield (*key, MEASURED_AS[kind], sign * measured, 0)
        for limit in of_key:
            bad = _bad(facts, limit)
            if bad:
                squares = sum(n * n for n in Counter(fact.trace_id for fact in bad).values())
                yield (*key, limit.id, sign * len(bad), sign * squares)


def _bad(facts: Sequence[RequestFact], limit: Limit) -> list[RequestFact]:
    outcomes, over_us = _BY_OUTCOME.get(limit.kind), limit.over_us
    if outcomes is not None:
        return [fact for fact in facts if fact.outcome in outcomes]
    if limit.kind == "latency":  # nearly every card has one: without a call for each request
        return [fact for fact in facts if fact.end_us - fact.start_us > over_us]
    time_us = _BY_TIME[limit.kind]
    return [fact for fact in facts if (time_us(fact) or 0) > over_us]


def unpacked(records: bytes) -> list[tuple[int, ...]]:
    """Records as tuples in the order of `RECORD`."""
    found: list[tuple[int, ...]] = np.frombuffer(records, dtype=RECORD).tolist()
    return found


@dataclass(slots=True)
class _Known:
    """The limits read last. One for the process; a race over it costs one more look."""

    limits: Limits
    until: float = 0.0


_known = _Known({})
db.caches.append(lambda: setattr(_known, "until", 0.0))


def limits(cursor: Cursor[Any]) -> Limits:
    """What is counted now, by scenario; at most `LIMITS_KEPT_S` old."""
    if time.monotonic() >= _known.until:
        cursor.execute("SELECT scenario_id, kind, over_us, id FROM guard_limit ORDER BY id")
        found: dict[int, list[Limit]] = {}
        for scenario_id, kind, over_us, id_ in cursor:
            found.setdefault(scenario_id, []).append(Limit(kind, over_us, id_))
        _known.limits, _known.until = found, time.monotonic() + LIMITS_KEPT_S
    return _known.limits
