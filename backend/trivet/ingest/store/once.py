"""One call is billed once, however many spans tell of it. Pure.

Two requests are one call where they share a trace and a response id and their tenants agree: both are the same, or one
is nobody's. Each of a call's spans is compared with the best of those it agrees with, and repeats it where that is
another. Being worse than some span that agrees never ends, so it does not matter in which order spans come.
"""

from collections.abc import Iterable

from trivet.ingest.store.dimensions import NONE
from trivet.ingest.store.row import Row

Call = tuple[bytes, str]  # trace, response id
Rank = tuple[bool, bool, bool, int, int, bytes]


def rank(row: Row) -> Rank:
    """The higher is billed: whoever is charged, was measured and names a model; of those the innermost span."""
    fact = row.fact
    return row.tenant_id != NONE, fact.measured, row.model_id != NONE, fact.start_us, -fact.end_us, fact.span_id


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
