"""Many samples into few points: count, sum, minimum and maximum of each series over the time between two sendings."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from trivet_collectors.pipeline.point import Point
from trivet_collectors.pipeline.reading import Reading, Series
from trivet_collectors.semconv import Metric

SERIES_MAX: Final = 10_000


@dataclass(slots=True)
class _Sum:
    metric: Metric
    attributes: Mapping[str, str]
    end_ns: int
    count: int
    total: float
    least: float
    most: float


class Aggregator:
    """Readings in, points out. A series that was not read since the last sending sends nothing.

    Holds at most `series_max` series at once; readings of further ones are refused and counted in `refused`.
    """

    def __init__(self, start_ns: int, series_max: int = SERIES_MAX) -> None:
        self.refused = 0
        self._start_ns = start_ns
        self._series_max = series_max
        self._sums: dict[Series, _Sum] = {}

    def add(self, readings: Iterable[Reading], at_ns: int) -> None:
        """Samples taken at `at_ns` (nanoseconds since 1970). What is not a number is refused."""
        for reading in readings:
            held = self._sums.get(reading.series)
            if not math.isfinite(reading.value) or (held is None and len(self._sums) >= self._series_max):
                self.refused += 1
            elif held is None:
                value = reading.value
                self._sums[reading.series] = _Sum(reading.metric, reading.attributes, at_ns, 1, value, value, value)
            else:
                held.end_ns = at_ns
                held.count += 1
                held.total += reading.value
                held.least = min(held.least, reading.value)
                held.most = max(held.most, reading.value)

    def take(self, now_ns: int) -> list[Point]:
        """The points since the last time, and begin anew. A point ends with its last sample: series that took turns within
        the interval (a driver that came back with another version) stay apart in time too.
        """
        points = [
            Point(s.metric, s.attributes, min(self._start_ns, s.end_ns), s.end_ns, s.count, s.total, s.least, s.most)
            for s in self._sums.values()
        ]
        self._sums.clear()
        self._start_ns = now_ns
        return points
