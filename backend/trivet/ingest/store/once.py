"""One call is billed once, however many spans tell of it. Pure.

Two requests are one call where they share a trace and a response id and their tenants agree: both are the same, or one
is nobody's. Each of a call's spans is compared with the best of those it agrees with, and repeats it where that is
another. Being worse than some span that agrees never ends, so it does not matter in which order spans come.

A response out of a cache has the id of the call that filled it, but is another call: there two spans are one only where
they overlap in time, as a gateway's does with its client's.
"""

from collections.abc import Iterable

from trivet.ingest.request.fact import CACHED
from trivet.ingest.store.ids import NONE
from trivet.ingest.store.row import Row

Call = tuple[bytes, str]  # trace, response id
Rank = tuple[bool, bool, bool, bool, bool, bool, int, int, bytes]
CACHED_MAX = 100  # of one call, with which all others are compared


def rank(row: Row) -> Rank:
    """The higher is billed: whoever is charged, was measured, names a model, is told by another than who is charged, came
    out of a cache, names a backend; else the innermost. So no tenant takes back what a gateway of the platform says, and
    what names its backend says more, of scenario and policy too, than a library that tells of the call inside it.
    """
    fact, cached = row.fact, row.shape == CACHED
    return (
        row.tenant_id != NONE,
        cached or fact.measured,
        row.model_id != NONE,
        not row.bound,
        cached,
        row.backend_id != NONE,
        fact.start_us,
        -fact.end_us,
        fact.span_id,
    )


def call_of(row: Row) -> Call | None:
    """Which call a request tells of; None where it does not say."""
    return (row.fact.trace_id, row.fact.response_id) if row.fact.response_id else None


def settle(rows: Iterable[Row]) -> list[Row]:
    """Set `repeats` of the requests, none of which had it, that repeat another of them; these."""
    calls: dict[Call, list[Row]] = {}
    for row in rows:
        if row.fact.response_id:
            calls.setdefault((row.fact.trace_id, row.fact.response_id), []).append(row)
    return [row for told in calls.values() if len(told) > 1 for row in _losers(told)]


def _losers(told: list[Row]) -> list[Row]:
    """`told` is of one call. What is nobody's agrees with all, and is worse than what is somebody's."""
    cached = [row for row in told if row.shape == CACHED]
    if cached:
        lost = _cached_losers(told, sorted(cached, key=rank)[-CACHED_MAX:])
        gone = {id(row) for row in (*lost, *cached)}
        return lost + _losers([row for row in told if id(row) not in gone])
    best: dict[int, Row] = {}
    for row in told:
        own = best.get(row.tenant_id)
        if own is None or rank(row) > rank(own):
            best[row.tenant_id] = row
    if NONE in best:
        best[NONE] = max(best.values(), key=rank)
    lost = [row for row in told if best[row.tenant_id] is not row]
    for row in lost:
        row.repeats = best[row.tenant_id].fact.span_id
    return lost


def _cached_losers(told: list[Row], cached: list[Row]) -> list[Row]:
    """Those that repeat one out of a cache, and those out of a cache that repeat another."""
    better: dict[int, Row] = {}  # by the id of the row that repeats
    for row in told:
        for c in cached:
            if c is not row and _is_one(row, c):
                worse, own = sorted((row, c), key=rank)
                before = better.get(id(worse))
                better[id(worse)] = own if before is None else max(before, own, key=rank)
    lost = [row for row in told if id(row) in better]
    for row in lost:
        row.repeats = better[id(row)].fact.span_id
    return lost


def _is_one(row: Row, other: Row) -> bool:
    """Whether their tenants agree and they overlap in time."""
    agree = row.tenant_id == other.tenant_id or NONE in (row.tenant_id, other.tenant_id)
    return agree and row.fact.start_us <= other.fact.end_us and other.fact.start_us <= row.fact.end_us
