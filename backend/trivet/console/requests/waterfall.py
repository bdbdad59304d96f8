"""A trace as bars on one axis of time, each beneath the request it was part of. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from trivet.console.requests.rows import row
from trivet.console.requests.views import TraceRow

DEPTH_MAX = 8
THIN = 0.3  # hundredths: the narrowest bar that can be seen
Pair = tuple[Mapping[str, Any], Mapping[str, Any]]  # the row as it is kept, the item as it is said


def waterfall(pairs: Sequence[Pair], start: datetime, end: datetime) -> tuple[TraceRow, ...]:
    """Oldest first."""
    whole = max((end - start).total_seconds(), 1e-6)
    parents = {kept["span_id"]: kept["parent_span_id"] for kept, _ in pairs}
    ordered = sorted(pairs, key=lambda pair: (pair[0]["started_at"], pair[0]["span_id"]))
    return tuple(_bar(kept, item, start, whole, parents) for kept, item in ordered)


def _bar(
    kept: Mapping[str, Any], item: Mapping[str, Any], start: datetime, whole: float, parents: Mapping[int, int | None]
) -> TraceRow:
    left = (kept["started_at"] - start).total_seconds() / whole * 100
    width = max((kept["ended_at"] - kept["started_at"]).total_seconds() / whole * 100, THIN)
    first = None if kept["ttft_us"] is None else kept["ttft_us"] / 1e6 / whole * 100
    return TraceRow(
        row(item), _depth(kept["span_id"], parents), round(min(left, 100 - THIN), 2), round(width, 2),
        None if first is None else round(first, 2),
    )  # fmt: skip


def _depth(span: int, parents: Mapping[int, int | None]) -> int:
    """Only requests are kept, so only those count; a circle ends at the deepest that is shown."""
    depth, above = 0, parents.get(span)
    while above is not None and above in parents and depth < DEPTH_MAX:
        depth, above = depth + 1, parents[above]
    return depth
