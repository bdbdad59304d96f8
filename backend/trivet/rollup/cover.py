"""Which rollups serve an interval exactly. Pure."""

from datetime import datetime

from trivet.kit.clock import floor
from trivet.kit.errors import Invalid
from trivet.kit.interval import Interval
from trivet.rollup.models import GRAINS_S

Segment = tuple[int, Interval]  # (grain_s, the part of the interval that this grain serves)


def cover(interval: Interval, grain_s: int | None = None) -> list[Segment]:
    """Segments of whole buckets that together are exactly the interval, in no particular order.

    With a grain, the coarsest rollup it is made of, and `Invalid` where an end lies inside a bucket. Without, the coarse rollups in the
    middle and finer ones towards the ends, so that a month costs about 720 buckets whatever its ends are.
    """
    finest = grain_s or GRAINS_S[0]
    for name, at in (("from", interval.start), ("to", interval.end)):
        if at.microsecond or floor(at, finest) != at:
            raise Invalid(f"`{name}` must fall on a whole {_say(finest)}.", field=name)
    return [(served_by(grain_s), interval)] if grain_s else _split(interval.start, interval.end, len(GRAINS_S) - 1)


def served_by(grain_s: int) -> int:
    """The coarsest rollup whose buckets make up those of a grain: a day is made of hours."""
    return max(rollup_s for rollup_s in GRAINS_S if grain_s % rollup_s == 0)


def _split(start: datetime, end: datetime, index: int) -> list[Segment]:
    if start >= end:
        return []
    grain_s = GRAINS_S[index]
    first, last = _ceil(start, grain_s), floor(end, grain_s)
    if first >= last:
        return _split(start, end, index - 1)
    return [(grain_s, Interval(first, last)), *_split(start, first, index - 1), *_split(last, end, index - 1)]


def _ceil(at: datetime, grain_s: int) -> datetime:
    down = floor(at, grain_s)
    return down if down == at else datetime.fromtimestamp(down.timestamp() + grain_s, down.tzinfo)


def _say(grain_s: int) -> str:
    return {10: "10 seconds", 60: "minute", 3600: "hour", 86_400: "day"}.get(grain_s, f"{grain_s} seconds")
