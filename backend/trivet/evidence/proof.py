"""What a command did to the triangle: the same tenants in the same mix, before and after, with 95 % intervals. Pure.

Tenants are held fixed: each counts before as much as it does after. Models are not, as another model is part of what a level
does. A tenant with too few requests on either side is left out, and `covered` says how much of what ran after is told of.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Final, Literal

from trivet.evidence import chance
from trivet.evidence.chance import Band, Weights
from trivet.evidence.excess import priced, served
from trivet.kit import histogram
from trivet.kit.money import from_exact
from trivet.rollup.read import Usage

BUCKETS_MIN = 5  # on either side
STRATUM_LEAST = 5  # of what a measure counts, of one tenant on either side
Side = Mapping[tuple[Hashable, datetime], Usage]  # (tenant, bucket)
Verdict = Literal["fell", "rose", "same", "not_enough"]
Number = float | Decimal


@dataclass(frozen=True, slots=True)
class Effect:
    """One measure before and after. Money is Decimal, percentiles are milliseconds, shares and scores are of one.

    `low` and `high` bound `difference`; `change` is the ratio less one. None where too little was measured: `n_before` and
    `n_after` of what is counted, in `buckets_before` and `buckets_after`, of which `least` are needed.
    """

    measure: str
    leg: str
    n_before: int
    n_after: int
    buckets_before: int
    buckets_after: int
    least: int
    covered: float = 0.0
    before: Number | None = None
    after: Number | None = None
    difference: Number | None = None
    low: Number | None = None
    high: Number | None = None
    change: Band | None = None

    @property
    def verdict(self) -> Verdict:
        """`same`: not told apart from no difference."""
        if self.low is None or self.high is None:
            return "not_enough"
        return "fell" if self.high < 0 else "rose" if self.low > 0 else "same"


@dataclass(frozen=True, slots=True)
class Measure:
    """How a measure is counted: `n` of what, and how its difference is told. `least` of `n` are needed on either side."""

    name: str
    leg: Literal["quality", "latency", "cost"]
    n: Callable[[Usage], Fraction]
    least: int
    tell: Callable[[Side, Side, Weights, "Measure"], "Told"]
    total: Callable[[Usage], Fraction] | None = None
    data: Callable[[Usage], bytes] | None = None
    q: float = 0.0


@dataclass(frozen=True, slots=True)
class Told:
    """Before, after and their difference; `change` where a ratio says more."""

    before: Number
    after: Number
    difference: Number
    low: Number
    high: Number
    change: Band | None = None


def effects(before: Side, after: Side) -> tuple[Effect, ...]:
    """Each measure of `MEASURES`."""
    return tuple(_effect(each, before, after) for each in MEASURES)


def _effect(measure: Measure, before: Side, after: Side) -> Effect:
    was, now = _by_stratum(before, measure.n), _by_stratum(after, measure.n)
    common = [s for s in now if now[s] >= STRATUM_LEAST and was.get(s, 0) >= STRATUM_LEAST]
    n_before, n_after = (sum((side[s] for s in common), Fraction(0)) for side in (was, now))
    buckets = [len({b for (s, b), usage in side.items() if s in common and measure.n(usage) > 0}) for side in (before, after)]  # fmt: skip
    bare = Effect(measure.name, measure.leg, int(n_before), int(n_after), buckets[0], buckets[1], measure.least)
    if min(n_before, n_after) < measure.least or min(buckets) < BUCKETS_MIN:
        return bare
    weights = {s: now[s] / n_after for s in common}
    told = measure.tell(_kept(before, common), _kept(after, common), weights, measure)
    covered = float(n_after / sum(now.values(), Fraction(0)))
    return replace(
        bare, covered=covered, before=told.before, after=told.after, difference=told.difference, low=told.low,
        high=told.high, change=told.change,
    )  # fmt: skip


def _by_stratum(side: Side, n: Callable[[Usage], Fraction]) -> dict[Hashable, Fraction]:
    found: dict[Hashable, Fraction] = {}
    for (stratum, _), usage in side.items():
        found[stratum] = found.get(stratum, Fraction(0)) + n(usage)
    return found


def _kept(side: Side, strata: Sequence[Hashable]) -> Side:
    return {key: usage for key, usage in side.items() if key[0] in strata}


def _cells(side: Side, measure: Measure) -> chance.Cells:
    assert measure.total is not None
    found: dict[Hashable, dict[Hashable, tuple[Fraction, Fraction]]] = {}
    for (stratum, bucket), usage in side.items():
        found.setdefault(stratum, {})[bucket] = (measure.n(usage), measure.total(usage))
    return found


def _means(before: Side, after: Side, weights: Weights, measure: Measure) -> Told:
    was, now = (chance.mean(_cells(side, measure), weights) for side in (before, after))
    apart = chance.difference(was, now)
    return Told(float(was.value), float(now.value), apart.value, apart.low, apart.high)


def _money(before: Side, after: Side, weights: Weights, measure: Measure) -> Told:
    was, now = (chance.mean(_cells(side, measure), weights) for side in (before, after))
    apart = chance.difference(was, now)
    exact = now.value - was.value
    low, high = (from_exact(exact + Fraction(end - apart.value)) for end in (apart.low, apart.high))
    return Told(from_exact(was.value), from_exact(now.value), from_exact(exact), low, high, chance.change(was, now))


def _shares(before: Side, after: Side, weights: Weights, measure: Measure) -> Told:
    bands = []
    for side in (before, after):
        n = chance.effective(weights, _by_stratum(side, measure.n))
        bands.append(chance.share(chance.mean(_cells(side, measure), weights), n))
    apart = chance.apart(*bands)
    return Told(bands[0].value, bands[1].value, apart.value, apart.low, apart.high)


def _percentiles(before: Side, after: Side, weights: Weights, measure: Measure) -> Told:
    assert measure.data is not None
    bands = []
    for side in (before, after):
        bins: dict[Hashable, dict[Hashable, bytes]] = {}
        for (stratum, bucket), usage in side.items():
            bins.setdefault(stratum, {})[bucket] = measure.data(usage)
        bands.append(chance.quantile(bins, weights, measure.q))
    apart = chance.apart(*bands)
    return Told(bands[0].value, bands[1].value, apart.value, apart.low, apart.high)


def _slow(name: str, field: str, q: float, least: int) -> Measure:
    data: Callable[[Usage], bytes] = lambda usage: getattr(usage, field)  # noqa: E731  # one of three fields
    return Measure(
        name,
        "latency",
        lambda usage: Fraction(max(0, histogram.total(data(usage)))),
        least,
        _percentiles,
        data=data,
        q=q,
    )


MEASURES: Final = (
    Measure("quality", "quality", lambda u: Fraction(u.scores), 30, _means, lambda u: Fraction(str(round(u.score_total, 9)))),
    Measure("error_rate", "quality", served, 30, _shares, lambda u: Fraction(u.errors + u.timeouts)),
    _slow("p50_latency_ms", "latency", 0.50, 30),
    _slow("p95_latency_ms", "latency", 0.95, 100),
    _slow("p95_ttft_ms", "ttft", 0.95, 100),
    Measure("cost_per_request", "cost", priced, 30, _money, lambda u: Fraction(u.cost)),
)  # fmt: skip
