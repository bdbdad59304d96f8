"""What requests say beside their usage: looks into caches, why they failed, cold starts. Pure.

A bucket is that of the request's end. These are signals: they never add to usage or cost.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from trivet.ingest.request.fact import CAUSES, RETRIEVAL, TOOL, CacheLookup
from trivet.ingest.signal.deltas import Amount, Key, deltas_of, one
from trivet.ingest.store.row import Row
from trivet.kit import histogram
from trivet_collectors import semconv as sc

# Causes of failed requests that are health events, by their index; each has the name of its kind.
HEALTH_CAUSES = {CAUSES.index(kind): kind for kind in sc.HEALTH_KINDS if kind in CAUSES}

Point = tuple[Key, int, Amount]
Ids = tuple[int, int, int, int, int]  # tenant, scenario, model, backend, pool


def signal_deltas_of(rows: Iterable[Row]) -> list[tuple[Any, ...]]:
    """Rows of `signal_delta`, in the order of `deltas.DELTA_COLUMNS`, that some new requests add."""
    return deltas_of(point for row in rows for point in _points(row))


def lookup_points(ids: Ids, end_us: int, lookups: Iterable[CacheLookup]) -> Iterator[Point]:
    """One point for each look into a cache; also for retrieval spans that are no requests."""
    for lookup in lookups:
        yield (*ids, sc.TRIVET_CACHE_LOOKUPS.name, lookup_detail(lookup)), end_us, one(1.0)


def call_points(ids: Ids, end_us: int, called: str, callee: str) -> Iterator[Point]:
    """One point for a tool's call or a retrieval that is a span of its own: what has a price by the call."""
    if called == TOOL:
        yield (*ids, sc.TRIVET_TOOL_CALLS.name, callee), end_us, one(1.0)
    elif called == RETRIEVAL:
        yield (*ids, sc.TRIVET_RETRIEVAL_CALLS.name, ""), end_us, one(1.0)


def lookup_detail(lookup: CacheLookup) -> str:
    """`prompt/true`, `retrieval/false/expired`: kind, hit, and why it missed, as `semconv.SIGNAL_DETAILS` orders them."""
    return "/".join(part for part in (lookup.kind, "true" if lookup.hit else "false", lookup.reason) if part)


def _points(row: Row) -> Iterator[Point]:
    fact = row.fact
    if not (fact.lookups or fact.cause in HEALTH_CAUSES or fact.cold_start_us is not None):
        return  # nearly all of them
    ids = (row.tenant_id, row.scenario_id, row.model_id, row.backend_id, row.pool_id)
    yield from lookup_points(ids, fact.end_us, fact.lookups)
    if fact.cause in HEALTH_CAUSES:
        yield (*ids, sc.TRIVET_HEALTH.name, HEALTH_CAUSES[fact.cause]), fact.end_us, one(1.0)
    if fact.cold_start_us is not None:
        yield (*ids, sc.TRIVET_COLD_STARTS.name, ""), fact.end_us, one(1.0)
        if fact.cold_start_us:  # 0: only that there was one, not how long it took
            yield (*ids, sc.TRIVET_COLD_START_TIME.name, ""), fact.end_us, waited(fact.cold_start_us)


def waited(duration_us: int) -> Amount:
    """A duration as a histogram of one, its sum in seconds."""
    seconds = duration_us / 1e6
    return Amount(1, seconds, seconds, seconds, ((histogram.bin_of(duration_us), 1),))
