"""Signals as they are stored: rows of `signal_delta`, made of points or of requests. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from trivet.fleet.signal_models import SIGNAL_DIMENSIONS, SIGNAL_MEASURES
from trivet.ingest.store.row import instant
from trivet.kit import histogram

BUCKET_US = 10_000_000
# Columns of `signal_delta` in the order rows are copied, with their types: binary COPY converts nothing.
DELTA_COLUMNS = ("bucket", *SIGNAL_DIMENSIONS, *SIGNAL_MEASURES)
DELTA_TYPES = [
    "timestamptz", *["int4"] * 5, "text", "text", "int8", *["float8"] * 4, "timestamptz", "bytea",
]  # fmt: skip
assert len(DELTA_COLUMNS) == len(DELTA_TYPES)

Key = tuple[int, int, int, int, int, str, str]  # in the order of SIGNAL_DIMENSIONS


@dataclass(frozen=True, slots=True)
class Amount:
    """What one point adds: so many values with this sum. `least` and `most` None where nobody said; bins by count."""

    samples: int
    total: float
    least: float | None
    most: float | None
    bins: tuple[tuple[int, int], ...] = ()

    @property
    def last(self) -> float:
        """The value to show as the newest: the mean where the point stands for several."""
        return self.total / self.samples if self.samples else self.total


def one(value: float) -> Amount:
    """A single value."""
    return Amount(1, value, value, value)


def deltas_of(points: Iterable[tuple[Key, int, Amount]]) -> list[tuple[Any, ...]]:
    """Delta rows in the order of `DELTA_COLUMNS`, by bucket and key, of (key, microseconds since 1970, amount)."""
    groups: dict[tuple[Any, ...], _Sum] = {}
    for key, at_us, amount in points:
        where = (at_us - at_us % BUCKET_US, *key)
        group = groups.get(where)
        if group is None:
            group = groups[where] = _Sum()
        group.add(at_us, amount)
    return [(instant(key[0]), *key[1:], *groups[key].measures()) for key in sorted(groups)]


class _Sum:
    """The running sum of one delta row."""

    __slots__ = ("bins", "least", "most", "newest", "samples", "total")

    def __init__(self) -> None:
        self.samples, self.total = 0, 0.0
        self.least: list[float] = []
        self.most: list[float] = []
        self.newest: tuple[int, float] | None = None
        self.bins: dict[int, int] = {}

    def add(self, at_us: int, amount: Amount) -> None:
        self.samples += amount.samples
        self.total += amount.total
        if amount.least is not None:
            self.least = [min(amount.least, *self.least)] if self.least else [amount.least]
        if amount.most is not None:
            self.most = [max(amount.most, *self.most)] if self.most else [amount.most]
        newest = (at_us, amount.last)
        self.newest = newest if self.newest is None else max(self.newest, newest)
        for index, count in amount.bins:
            self.bins[index] = self.bins.get(index, 0) + count

    def measures(self) -> Sequence[Any]:
        """In the order of SIGNAL_MEASURES."""
        assert self.newest is not None
        at_us, last = self.newest
        least, most = min(self.least, default=None), max(self.most, default=None)
        return self.samples, self.total, least, most, last, instant(at_us), histogram.encode(self.bins)
