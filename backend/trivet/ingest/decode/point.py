"""One data point of a metric as decoded, whatever it came in."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from trivet.ingest.decode.span import Attributes
from trivet.ingest.signal.buckets import Buckets

GAUGE, SUM, HISTOGRAM, SUMMARY = "gauge", "sum", "histogram", "summary"
NAMES_SHOWN = 5  # names of metrics nobody knows that an answer shows
NAME_SHOWN = 64  # characters of each


@dataclass(slots=True)
class Source:
    """Who sends: what is read of the resource, and a hash over all of it and the scope."""

    attributes: Attributes
    digest: bytes


@dataclass(slots=True)
class Point:
    """Times are nanoseconds since 1970, amounts in the metric's `unit`.

    Of a gauge or sum `samples` is 1 and `total` its value. `total` None: no value. `delta` says what came since the last
    point, else (a gauge, a cumulative sum) how it stands. `identity` is a hash of the stream that the point belongs to.
    """

    metric: str
    unit: str
    kind: str
    delta: bool
    monotonic: bool
    start_ns: int
    at_ns: int
    samples: int
    total: float | None
    least: float | None
    most: float | None
    buckets: Buckets | None
    attributes: Attributes
    source: Source
    identity: bytes


@dataclass(slots=True)
class Points:
    """What an export of metrics holds: points of metrics that somebody reads, and how many of others by their name."""

    found: list[Point] = field(default_factory=list)
    unknown: Counter[str] = field(default_factory=Counter)
    empty: int = 0  # points that say only that there is no value

    def add(self, points: Iterable[Point | None]) -> None:
        """Points of a metric that somebody reads; None for one without a value."""
        for point in points:
            if point is None:
                self.empty += 1
            else:
                self.found.append(point)


def digest_of(*parts: Any) -> bytes:
    """A hash over plain values, the same whatever order their names came in."""
    said = json.dumps(parts, sort_keys=True, separators=(",", ":"), default=_said)
    return hashlib.blake2b(said.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _said(value: Any) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)


def shown(unknown: Counter[str]) -> str:
    """`metric_not_kept (queue.size 3, x 1 and 4 more)`: some names of metrics nobody knows, most frequent first."""
    named = [f"{name[:NAME_SHOWN]} {count}" for name, count in unknown.most_common(NAMES_SHOWN)]
    more = len(unknown) - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "")
