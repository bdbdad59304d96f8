"""Points of known metrics into signals, by the metric's kind and the point's. Pure.

A gauge says how it is: a gauge, a sum that is not monotonic, or a histogram of samples. A counter says how much more there
was: a delta as it is; a cumulative sum (a gauge too) is a difference to the one before, which the store makes. A change of a
level (a delta that is not monotonic, of a gauge) is added to the level before.
"""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from trivet.ingest.decode.point import HISTOGRAM, SUM, SUMMARY, Point
from trivet.ingest.decode.span import TEXT_LIMIT, clean
from trivet.ingest.dialect.signal_names import (
    BACKEND,
    POOL,
    PROVIDER,
    REQUEST_MODEL,
    RESPONSE_MODEL,
    SCENARIO,
    SECONDS,
    SIGNALS,
    TENANT,
    TOKEN_KINDS,
    TOKEN_TYPE,
    Known,
)
from trivet.ingest.request.fact import IN_THE_FUTURE, TOO_OLD
from trivet.ingest.request.identity import model_of, provider_of
from trivet.ingest.signal.buckets import COUNT_MAX, Buckets, bins_of
from trivet.ingest.signal.deltas import Amount
from trivet.kit import histogram
from trivet_collectors import semconv as sc

NOT_FINITE = "value_not_finite"
NO_VALUE = "no_value"
NEGATIVE = "counter_negative"
BAD_HISTOGRAM = "bad_histogram"
OTHER_KIND = "metric_of_another_kind"  # a sum of seconds where a histogram belongs
NO_READING = "no_reading"
OVER_LIMIT = "value_over_limit"
# DCGM's words for "no reading" (blank, not found, not supported, no permission) as 32-bit, floating and 64-bit numbers.
SENTINELS = frozenset(
    float(base + which) for base in (0x7FFFFFF0, 0x800000000000, 0x7FFFFFFFFFFFFFF0) for which in range(4)
)
VALUE_LIMIT = 1e18  # nothing that is measured comes near it, and sums of it fit
ADD, CUMULATIVE, CHANGE = "add", "cumulative", "change"


@dataclass(frozen=True, slots=True)
class Rules:
    """What the settings say: how old and how new a point may be (nanoseconds since 1970), and what callers call things."""

    oldest_ns: int
    newest_ns: int
    tenant_attributes: tuple[str, ...]
    scenario_attributes: tuple[str, ...]


@dataclass(slots=True)
class Place:
    """Whose a signal is, by name; empty where the point names none."""

    tenant: str
    scenario: str
    provider: str
    model: str
    backend: str
    pool: str


@dataclass(slots=True)
class SignalPoint:
    """One point of a signal, in the signal's unit. `mode` is how it counts.

    `per` is how many of the signal's unit one of the sender's is, `to_us` how many microseconds: 0 for what is no latency.
    """

    identity: bytes
    place: Place
    metric: str
    detail: str
    at_us: int
    start_us: int
    mode: str
    counted: bool  # it stands for `samples` values, rather than being one
    samples: int
    total: float
    least: float | None
    most: float | None
    buckets: Buckets | None
    per: float
    to_us: float

    def amount(self) -> Amount:
        """What it adds where it says what is new."""
        return amount_of(self, self.samples, self.total, self.buckets, least=self.least, most=self.most)


def amount_of(
    point: SignalPoint,
    samples: int,
    total: float,
    buckets: Buckets | None,
    *,
    least: float | None,
    most: float | None,
) -> Amount:
    """So many new values of a point, with their histogram where it is a latency's."""
    bins: tuple[tuple[int, int], ...] = ()
    if point.to_us and buckets is not None:
        per = point.per
        bins = bins_of(
            buckets,
            to_us=point.to_us,
            total=total / per,
            least=None if least is None else least / per,
            most=None if most is None else most / per,
        )
    elif point.to_us and samples == 1:
        bins = bins_of_one(total)
    return Amount(samples, total, least, most, bins)


def bins_of_one(seconds: float) -> tuple[tuple[int, int], ...]:
    """The one bin of a single duration."""
    return ((histogram.bin_of(round(min(max(seconds, 0.0), 1e12) * 1e6)), 1),)


def signal_points(points: Iterable[Point], rules: Rules) -> tuple[list[SignalPoint], Counter[str]]:
    """The points as signals, and the others by reason."""
    found: list[SignalPoint] = []
    refused: Counter[str] = Counter()
    for point in points:
        known = SIGNALS[point.metric]
        reason = wrong(point, rules) or of_another_kind(point, known.metric)
        if reason:
            refused[reason] += 1
        elif point.samples or not point.delta:  # a delta of no values says nothing
            found.append(_signal(point, known, rules))
    return found, refused


def wrong(point: Point, rules: Rules) -> str | None:
    """Why a point cannot be, whatever its metric."""
    if point.total is None:
        return NO_VALUE
    numbers = [n for n in (point.total, point.least, point.most) if n is not None]
    if not all(map(math.isfinite, numbers)):
        return NOT_FINITE
    if not SENTINELS.isdisjoint(numbers):
        return NO_READING
    if max(map(abs, numbers)) > VALUE_LIMIT:
        return OVER_LIMIT
    if not 0 <= point.samples <= COUNT_MAX:
        return BAD_HISTOGRAM
    if point.buckets is not None and (point.buckets.fault() or point.buckets.total != point.samples):
        return BAD_HISTOGRAM
    if point.at_ns < rules.oldest_ns:
        return TOO_OLD
    return IN_THE_FUTURE if point.at_ns > rules.newest_ns else None


def of_another_kind(point: Point, metric: sc.Metric) -> str | None:
    if metric.kind == "histogram" and point.kind == SUM:
        return OTHER_KIND
    if metric.kind in ("counter", "histogram") and point.total is not None and point.total < 0:
        return NEGATIVE
    return None


def mode_of(point: Point, metric: sc.Metric) -> str:
    """How a point counts: as it is, as a running total, or as a change of a level."""
    if point.kind == SUMMARY:
        return CUMULATIVE
    if point.kind == HISTOGRAM:
        return ADD if point.delta else CUMULATIVE
    if metric.kind == "counter":
        return ADD if point.delta else CUMULATIVE
    return CHANGE if point.delta and point.kind == SUM else ADD


def _signal(point: Point, known: Known, rules: Rules) -> SignalPoint:
    place = place_of(point.attributes, point.source.attributes, rules, by_caller=known.by_caller)
    return in_unit_of(known.metric, point, place, known.metric.name, known.detail or detail_of(point.attributes))


def in_unit_of(metric: sc.Metric, point: Point, place: Place, name: str, detail: str) -> SignalPoint:
    """A point as one of a metric's, in its unit; `name` and `detail` are what it is kept under."""
    per = SECONDS.get(point.unit, 1.0) if metric.unit == "s" else 1.0
    assert point.total is not None
    return SignalPoint(
        identity=point.identity,
        place=place,
        metric=name,
        detail=detail,
        at_us=point.at_ns // 1000,
        start_us=point.start_ns // 1000,
        mode=mode_of(point, metric),
        counted=point.kind in (HISTOGRAM, SUMMARY),
        samples=point.samples,
        total=point.total * per,
        least=None if point.least is None else point.least * per,
        most=None if point.most is None else point.most * per,
        buckets=point.buckets,
        per=per,
        to_us=per * 1e6 if metric.kind == "histogram" and metric.unit == "s" else 0.0,
    )


def place_of(attributes: dict[str, object], resource: dict[str, object], rules: Rules, *, by_caller: bool) -> Place:
    """Whose it is, by the attributes of a point or record, then of its resource."""

    def named(keys: tuple[str, ...]) -> str:
        for holder in (attributes, resource):
            for key in keys:
                value = holder.get(key)
                if isinstance(value, str) and value:
                    return clean(value)
        return ""

    provider = provider_of(named(PROVIDER))
    return Place(
        tenant=named(rules.tenant_attributes if by_caller else TENANT),
        scenario=named(rules.scenario_attributes if by_caller else SCENARIO),
        provider=provider,
        model=model_of(named(RESPONSE_MODEL), named(REQUEST_MODEL), provider),
        backend=named(BACKEND),
        pool=named(POOL),
    )


def detail_of(attributes: dict[str, object]) -> str:
    """What distinguishes signals of one metric: `error/RateLimitError`, `input`, `prompt/true`."""
    said = dict(attributes)
    kind = said.get(TOKEN_TYPE)
    if isinstance(kind, str):
        said.setdefault(sc.TRIVET_TOKEN_KIND, TOKEN_KINDS.get(kind, kind))
    if isinstance(said.get(sc.ERROR_TYPE), str):
        said.setdefault(sc.TRIVET_OUTCOME, sc.OUTCOME_ERROR)
        said.setdefault(sc.TRIVET_REASON, said[sc.ERROR_TYPE])
    parts = (_text(said[key]) for key in sc.SIGNAL_DETAILS if key in said)
    return clean("/".join(part for part in parts if part), TEXT_LIMIT)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else "" if isinstance(value, list) else str(value)
