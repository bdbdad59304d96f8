"""What cumulative points of one series add: each is a difference to the one before. Pure.

A total that has fallen, or that began after the last point, began anew: all of it is new, never a negative amount. The first
point of a series is where counting starts and adds nothing, unless its start time says that it began at most `REACH_US`
before: then all of it is new. A count that has run for days is thus not booked on the ten seconds in which we first heard of
it, and a process that lives for one export is not lost. A point that is not newer than the last is out of order.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from trivet.ingest.signal.buckets import Buckets
from trivet.ingest.signal.deltas import Amount
from trivet.ingest.signal.points import CHANGE, SignalPoint, amount_of

NOTHING = Amount(0, 0.0, None, None)  # no values
NO_MORE = Amount(1, 0.0, 0.0, 0.0)  # a counter that has not moved
REACH_US = 10 * 60 * 1_000_000  # ten intervals of a usual exporter


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a series stood at its newest point: nothing where it has had none."""

    at_us: int | None = None
    total: float = 0.0
    samples: int = 0
    buckets: Buckets | None = None


def amounts(
    standing: Standing, points: Iterable[SignalPoint]
) -> tuple[Standing, list[tuple[SignalPoint, Amount]], list[SignalPoint]]:
    """Where the series stands after its points, what each new one adds, and those that are not newer than the last."""
    counted: list[tuple[SignalPoint, Amount]] = []
    late: list[SignalPoint] = []
    for point in sorted(points, key=lambda point: point.at_us):
        if standing.at_us is not None and point.at_us <= standing.at_us:
            late.append(point)
            continue
        if point.mode == CHANGE:
            level = standing.total + point.total
            standing = Standing(point.at_us, level, 1)
            counted.append((point, Amount(1, level, level, level)))
            continue
        counted.append((point, _more(standing, point)))
        standing = Standing(point.at_us, point.total, point.samples, point.buckets)
    return standing, counted, late


def _more(standing: Standing, point: SignalPoint) -> Amount:
    """What a point has that the one before had not."""
    if standing.at_us is None:
        if 0 <= point.at_us - point.start_us <= REACH_US and point.start_us:
            return point.amount()
        return NOTHING if point.counted else NO_MORE
    total, samples = point.total - standing.total, point.samples - standing.samples
    if total < 0 or samples < 0 or point.start_us > standing.at_us:
        return point.amount()
    if not point.counted:
        return Amount(1, total, total, total)
    buckets = None
    if point.buckets is not None and standing.buckets is not None:
        buckets = point.buckets.more_than(standing.buckets)
    only = total if samples == 1 else None
    return amount_of(point, samples, total, buckets, least=only, most=only)
