"""What is sent: one series over one stretch of time."""

from collections.abc import Mapping
from dataclasses import dataclass

from trivet_collectors.semconv import Metric


@dataclass(frozen=True, slots=True)
class Point:
    """What one series did in [start_ns, end_ns), nanoseconds since 1970; amounts in the metric's unit.

    Of a gauge `count` samples with their sum, minimum and maximum (`total / count` is the mean). Of a counter `total` is how
    much more there was; the others say how it came in. Of a histogram `buckets` holds one count more than there are `bounds`
    (ascending, upper ends), and minimum and maximum may be unknown.
    """

    metric: Metric
    attributes: Mapping[str, str]
    start_ns: int
    end_ns: int
    count: int
    total: float
    least: float | None
    most: float | None
    bounds: tuple[float, ...] = ()
    buckets: tuple[int, ...] = ()
