"""Histograms that others keep: cumulative buckets, by how much they grew, and several of them as one. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from trivet_collectors.pipeline.point import Point
from trivet_collectors.pipeline.reading import Series
from trivet_collectors.semconv import Metric


@dataclass(frozen=True, slots=True)
class Spread:
    """How values of one metric spread: `count` of them with their sum, and how many were at most each upper bound.

    `at_most` may be empty: then only the mean is known. Its bounds are finite and in the metric's unit.
    """

    metric: Metric
    attributes: Mapping[str, str]
    count: float
    total: float
    at_most: Mapping[float, float]

    @property
    def series(self) -> Series:
        return self.metric.name, frozenset(self.attributes.items())


def merged(one: Spread, other: Spread) -> Spread:
    """Both together. Where their bounds differ those in common are kept: what lies below such a bound is known of both."""
    common = one.at_most.keys() & other.at_most.keys()
    at_most = {bound: one.at_most[bound] + other.at_most[bound] for bound in common}
    return replace(one, count=one.count + other.count, total=one.total + other.total, at_most=at_most)


def point(spread: Spread, start_ns: int, end_ns: int) -> Point:
    """The spread as a point: one count per bucket, the last for what lies above every bound."""
    bounds = tuple(sorted(spread.at_most))
    below = [*(spread.at_most[bound] for bound in bounds), spread.count] if bounds else []
    buckets = tuple(max(0, round(high - low)) for low, high in zip([0.0, *below], below, strict=False))
    count = sum(buckets) if buckets else round(spread.count)
    return Point(spread.metric, spread.attributes, start_ns, end_ns, count, spread.total, None, None, bounds, buckets)


class Spreads:
    """Spreads in, points out: what came between two sendings, added up by series. Holds `series_max` series at most."""

    def __init__(self, start_ns: int, series_max: int = 10_000) -> None:
        self.refused = 0
        self._start_ns = start_ns
        self._series_max = series_max
        self._held: dict[Series, tuple[Spread, int]] = {}

    def add(self, spreads: Iterable[Spread], at_ns: int) -> None:
        for spread in spreads:
            held = self._held.get(spread.series)
            if held is not None:
                self._held[spread.series] = (merged(held[0], spread), at_ns)
            elif len(self._held) < self._series_max:
                self._held[spread.series] = (spread, at_ns)
            else:
                self.refused += 1

    def take(self, now_ns: int) -> list[Point]:
        points = [point(spread, min(self._start_ns, at_ns), at_ns) for spread, at_ns in self._held.values()]
        self._held.clear()
        self._start_ns = now_ns
        return points
