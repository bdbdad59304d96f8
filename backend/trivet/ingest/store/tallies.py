"""Requests of guarded scenarios counted exactly, by the second in which they ended: how many, and how many were bad.

Of each scenario, second, tenant, revision and level a record says how many were served, and for each limit by which some
were bad, how many and the sum of squares of their numbers by trace. What a limit of ours rejected is not served. Requests
that are taken back count below zero.
"""

import struct
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from trivet.ingest.request.fact import ERROR, REFUSED, REJECTED, TIMEOUT
from trivet.ingest.store.row import Row

SECOND_US = 1_000_000
OLDEST_US = 1_800 * SECOND_US  # what ended before is no concern of a guard that counts
# `what` is the id of the limit by which requests were bad, or one of these: how many were measured.
SERVED, WITH_FIRST_TOKEN, WITH_TOKENS = 0, -1, -2
_pack = struct.Struct("<iiiihiii").pack  # the same as
RECORD = np.dtype([
    ("scenario", "<i4"), ("second", "<i4"), ("tenant", "<i4"), ("revision", "<i4"), ("level", "<i2"), ("what", "<i4"),
    ("n", "<i4"), ("squares", "<i4"),
])  # fmt: skip


class Limit(NamedTuple):
    """What makes a request bad: see `GuardLimit`. `id` 0 where it has none yet."""

    kind: str
    over_us: int = 0
    id: int = 0


KINDS = ("errors", "timeouts", "refusals", "latency", "ttft", "inter_token")
MEASURED_AS = {"ttft": WITH_FIRST_TOKEN, "inter_token": WITH_TOKENS}  # the others are of all that were served
_BAD_BY_OUTCOME = {ERROR: ("errors",), TIMEOUT: ("errors", "timeouts"), REFUSED: ("refusals",)}
_Over = tuple[tuple[int, int], ...]  # limits in microseconds, and their ids


class Watched(NamedTuple):
    """The limits of one scenario, as they are looked at for each request."""

    latency: _Over
    ttft: _Over
    inter_token: _Over
    by_outcome: Mapping[int, tuple[int, ...]]


def watched(limits: Iterable[Limit]) -> Watched:
    """Limits by what they look at."""
    over: dict[str, list[tuple[int, int]]] = {}
    for limit in limits:
        over.setdefault(limit.kind, []).append((limit.over_us, limit.id))
    by_outcome = {
        outcome: ids
        for outcome, kinds in _BAD_BY_OUTCOME.items()
        if (ids := tuple(id_ for kind in kinds for _, id_ in over.get(kind, ())))
    }
    latency, ttft, inter_token = (tuple(over.get(kind, ())) for kind in ("latency", "ttft", "inter_token"))
    return Watched(latency, ttft, inter_token, by_outcome)


Limits = Mapping[int, Watched]  # by scenario
_Key = tuple[int, int, int, int, int]  # the first five fields of a record


class _Sum:
    """The running sum of one key: how many were measured, and of each limit the traces of those that were bad."""

    __slots__ = ("bad", "served", "with_first_token", "with_tokens")

    def __init__(self) -> None:
        self.served = self.with_first_token = self.with_tokens = 0
        self.bad: list[tuple[int, bytes]] = []


def packed(rows: Iterable[Row], back: Iterable[Row], limits: Limits, now_us: int) -> bytes:
    """Records of what requests add and others take back; empty where none is of a guarded scenario."""
    if not limits:
        return b""
    found = [*_records(rows, limits, 1, now_us - OLDEST_US), *_records(back, limits, -1, now_us - OLDEST_US)]
    return b"".join([_pack(*record) for record in found])


def _records(rows: Iterable[Row], limits: Limits, sign: int, oldest_us: int) -> Iterator[tuple[int, ...]]:
    sums: dict[_Key, _Sum] = {}
    for row in rows:
        watch = limits.get(row.scenario_id)
        if watch is None:
            continue
        fact = row.fact
        outcome, end_us = fact.outcome, fact.end_us
        if outcome == REJECTED or end_us < oldest_us:
            continue
        key = row.scenario_id, end_us // SECOND_US, row.tenant_id, fact.revision, fact.level
        own = sums.get(key)
        if own is None:
            own = sums[key] = _Sum()
        own.served += 1
        if outcome:
            own.bad += [(id_, fact.trace_id) for id_ in watch.by_outcome.get(outcome, ())]
        took_us = end_us - fact.start_us
        for over_us, id_ in watch.latency:
            if took_us > over_us:
                own.bad.append((id_, fact.trace_id))
        if watch.ttft and fact.ttft_us is not None:
            own.with_first_token += 1
            own.bad += [(id_, fact.trace_id) for over_us, id_ in watch.ttft if fact.ttft_us > over_us]
        if watch.inter_token and fact.inter_token_us is not None:
            own.with_tokens += 1
            own.bad += [(id_, fact.trace_id) for over_us, id_ in watch.inter_token if fact.inter_token_us > over_us]
    for key, own in sums.items():
        yield (*key, SERVED, sign * own.served, 0)
        if own.with_first_token:
            yield (*key, WITH_FIRST_TOKEN, sign * own.with_first_token, 0)
        if own.with_tokens:
            yield (*key, WITH_TOKENS, sign * own.with_tokens, 0)
        if own.bad:
            yield from ((*key, *bad) for bad in _bad(own.bad, sign))


def _bad(bad: Iterable[tuple[int, bytes]], sign: int) -> Iterator[tuple[int, int, int]]:
    """Of each limit: its id, how many were bad by it, and the sum of squares of their numbers by trace."""
    by_trace: dict[int, dict[bytes, int]] = {}
    for id_, trace in bad:
        of = by_trace.setdefault(id_, {})
        of[trace] = of.get(trace, 0) + 1
    for id_, of in by_trace.items():
        yield id_, sign * sum(of.values()), sign * sum(n * n for n in of.values())


def unpacked(records: bytes) -> list[tuple[int, ...]]:
    """Records as tuples in the order of `RECORD`."""
    found: list[tuple[int, ...]] = np.frombuffer(records, dtype=RECORD).tolist()
    return found
