"""GPU readings out of points of `hw.*` and `trivet.gpu.*`. Pure.

A sampled value comes as a histogram without bounds (count, sum, least, most) or as a gauge, a counter as how much more or
as a running total. A MIG instance is a card of its own that names its parent.
"""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace

from trivet.ingest.decode.point import Point, digest_of
from trivet.ingest.decode.span import TEXT_LIMIT, clean
from trivet.ingest.signal.points import BAD_HISTOGRAM, Place, Rules, SignalPoint, in_unit_of, of_another_kind, wrong
from trivet_collectors import semconv as sc

METRICS = {metric.name: metric for metric in sc.GPU_METRICS}
KEYS = frozenset({sc.HW_ID, sc.HW_MODEL, sc.HW_NAME, sc.HW_PARENT, sc.HOST_NAME, sc.TRIVET_POOL, *sc.GPU_DETAILS})
NO_GPU_ID = "no_gpu_id"
NEEDS_PLATFORM_KEY = "gpu_needs_platform_key"
SAMPLES_MAX = 2**31 - 1  # of one point: its column's
_NOWHERE = Place("", "", "", "", "", "")


@dataclass(frozen=True, slots=True)
class Reading:
    """One point of one card, in the metric's unit. `point.metric` is the metric with its detail: `hw.errors:corrected`."""

    gpu: str
    model: str
    host: str
    pool: str
    parent: str
    point: SignalPoint


@dataclass(slots=True)
class Readings:
    """The readings of an export, and how many others there were by reason."""

    found: list[Reading] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)

    def refuse(self, readings: Collection[Reading], reason: str) -> None:
        """Take some of those found back."""
        if readings:
            gone = set(map(id, readings))
            self.refused[reason] += len(readings)
            self.found = [reading for reading in self.found if id(reading) not in gone]


def readings_of(points: Iterable[Point], rules: Rules) -> Readings:
    """Points of metrics among `METRICS` as readings."""
    result = Readings()
    for point in points:
        reason = _wrong(point, rules)
        if reason is not None:
            result.refused[reason] += 1
        elif point.samples or not point.delta:  # a delta of no samples says nothing
            result.found.append(_reading(point))
    return result


def _wrong(point: Point, rules: Rules) -> str | None:
    if not isinstance(point.attributes.get(sc.HW_ID), str) or not point.attributes[sc.HW_ID]:
        return NO_GPU_ID
    reason = wrong(point, rules) or of_another_kind(point, METRICS[point.metric])
    return reason or (BAD_HISTOGRAM if point.samples > SAMPLES_MAX else None)


def _reading(point: Point) -> Reading:
    def named(key: str) -> str:
        return clean(str(point.attributes.get(key) or point.source.attributes.get(key) or ""))

    card = named(sc.HW_ID)
    details = (str(point.attributes[key]) for key in sc.GPU_DETAILS if key in point.attributes)
    name = clean(":".join((point.metric, *(detail for detail in details if detail))), TEXT_LIMIT)
    made = in_unit_of(METRICS[point.metric], point, _NOWHERE, name, card)
    return Reading(
        gpu=card,
        model=named(sc.HW_MODEL) or named(sc.HW_NAME),
        host=named(sc.HOST_NAME),
        pool=named(sc.TRIVET_POOL),
        parent=clean(str(point.attributes.get(sc.HW_PARENT) or "")),
        # A card is one stream whatever its driver, host or sender say of themselves.
        point=replace(made, identity=digest_of("gpu", card, name)),
    )
