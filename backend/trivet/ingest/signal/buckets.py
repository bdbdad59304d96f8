"""Buckets of OTLP histograms: into ours, and what one cumulative count has more than another. Pure.

Ours (`kit.histogram`) have bins 2 % wide, so a bucket's values are put at one point: a single value at the point's own
sum; else the geometric middle of the part of the bucket that lies between the least and the most value said, half of the
upper end where the bucket begins at 0 or below, and the lower end of a bucket without upper end. A percentile is then as
exact as the sender's buckets are narrow.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from trivet.kit import histogram

BUCKETS_MAX = 1_024  # of one point
COUNT_MAX = 10**12  # of one point's values
SCALES = range(-11, 31)  # of exponential histograms; SDKs use -10 to 20
_LARGEST = 700.0  # exp of more is no float


@dataclass(frozen=True, slots=True)
class Explicit:
    """Counts of values up to each of some ascending bounds, and over the last."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]

    @property
    def total(self) -> int:
        return sum(self.counts)

    def fault(self) -> str:
        """What is wrong with them, '' where nothing is."""
        if len(self.counts) != len(self.bounds) + 1 or len(self.counts) > BUCKETS_MAX or min(self.counts) < 0:
            return "bucket_counts"
        ascending = all(low < high for low, high in pairwise(self.bounds))
        return "" if ascending and all(map(math.isfinite, self.bounds)) else "bounds"

    def ranges(self) -> list[tuple[float, float, int]]:
        """(over, up to, how many) of each bucket that holds any."""
        ends = (-math.inf, *self.bounds, math.inf)
        return [(low, high, count) for (low, high), count in zip(pairwise(ends), self.counts, strict=True) if count]

    def more_than(self, older: "Buckets") -> "Explicit | None":
        """What these have more than an older count of the same series; None where they cannot be compared."""
        if not isinstance(older, Explicit) or older.bounds != self.bounds:
            return None
        counts = tuple(new - old for new, old in zip(self.counts, older.counts, strict=True))
        return Explicit(self.bounds, counts) if min(counts) >= 0 else None

    def as_json(self) -> dict[str, Any]:
        return {"bounds": self.bounds, "counts": self.counts}


@dataclass(frozen=True, slots=True)
class Exponential:
    """Counts by index: bucket i holds (b^i, b^(i+1)] with b = 2^(2^-scale). `zero` is what lies at or below zero."""

    scale: int
    zero: int
    counts: Mapping[int, int]

    @property
    def total(self) -> int:
        return self.zero + sum(self.counts.values())

    def fault(self) -> str:
        """What is wrong with them, '' where nothing is."""
        if self.scale not in SCALES:
            return "scale"
        few = len(self.counts) <= BUCKETS_MAX and min(self.counts.values(), default=0) >= 0 <= self.zero
        return "" if few else "bucket_counts"

    def ranges(self) -> list[tuple[float, float, int]]:
        """(over, up to, how many) of each bucket that holds any."""
        width = math.log(2) * 2.0**-self.scale

        def end(index: int) -> float:
            return math.exp(min(index * width, _LARGEST))

        none = [(-math.inf, 0.0, self.zero)] if self.zero else []
        return none + [(end(i), end(i + 1), count) for i, count in sorted(self.counts.items()) if count]

    def more_than(self, older: "Buckets") -> "Exponential | None":
        """What these have more than an older count, at the coarser of the two scales; None where they have not."""
        if not isinstance(older, Exponential):
            return None
        scale = min(self.scale, older.scale)
        new, old = self.coarser(scale), older.coarser(scale)
        if not set(old.counts) <= set(new.counts) or new.zero < old.zero:
            return None
        counts = {index: count - old.counts.get(index, 0) for index, count in new.counts.items()}
        if min(counts.values(), default=0) < 0:
            return None
        return Exponential(scale, new.zero - old.zero, {index: count for index, count in counts.items() if count})

    def coarser(self, scale: int) -> "Exponential":
        """The same at a scale not above its own: neighbours fall together, nothing is guessed."""
        counts: dict[int, int] = {}
        for index, count in self.counts.items():
            if count:
                counts[index >> (self.scale - scale)] = counts.get(index >> (self.scale - scale), 0) + count
        return Exponential(scale, self.zero, counts)

    def as_json(self) -> dict[str, Any]:
        return {"scale": self.scale, "zero": self.zero, "counts": {str(i): c for i, c in self.counts.items()}}


Buckets = Explicit | Exponential


def from_json(kept: Mapping[str, Any] | None) -> Buckets | None:
    """What `as_json` wrote."""
    if kept is None:
        return None
    if "bounds" in kept:
        return Explicit(tuple(kept["bounds"]), tuple(kept["counts"]))
    return Exponential(kept["scale"], kept["zero"], {int(i): c for i, c in kept["counts"].items()})


def bins_of(
    buckets: Buckets, *, to_us: float, total: float, least: float | None, most: float | None
) -> tuple[tuple[int, int], ...]:
    """(bin, how many) of `kit.histogram`; `to_us` makes microseconds of the sender's unit."""
    if buckets.total == 1:
        return ((histogram.bin_of(_whole(total * to_us)), 1),)
    bins: dict[int, int] = {}
    for over, up_to, count in buckets.ranges():
        index = histogram.bin_of(_whole(_point(over, up_to, least, most) * to_us))
        bins[index] = bins.get(index, 0) + count
    return tuple(sorted(bins.items()))


def _point(over: float, up_to: float, least: float | None, most: float | None) -> float:
    """Where a bucket's values are put: see the top of this module."""
    low = over if least is None else max(over, least)
    high = up_to if most is None else min(up_to, most)
    if low > high:  # the sender's own numbers disagree
        low, high = over, up_to
    if math.isinf(high):
        return max(low, 0.0)
    return math.sqrt(low * high) if low > 0 else max(high, 0.0) / 2


def _whole(value_us: float) -> int:
    return round(min(value_us, 1e18))
