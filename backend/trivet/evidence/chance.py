"""How sure a difference between two sets of buckets is: 95 % intervals of means, shares and percentiles. Pure.

A set is of strata (tenants), each with its buckets; `weights` say how much each stratum counts, the same in both sets. What
differs from bucket to bucket is what chance is told by, so that requests that came together do not pass for independent.
"""

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from trivet.kit import histogram

Z = 1.959963984540054  # of 95 %, two-sided
Cells = Mapping[Hashable, Mapping[Hashable, tuple[Fraction, Fraction]]]  # stratum → bucket → (how many, their sum)
Weights = Mapping[Hashable, Fraction]
Bins = Mapping[Hashable, Mapping[Hashable, bytes]]  # stratum → bucket → histogram
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Mean:
    """A weighted mean, its standard error, and the degrees of freedom that the error was told by."""

    value: Fraction
    error: float
    freedom: float


@dataclass(frozen=True, slots=True)
class Band:
    """A value and the interval it lies in, of two sides that need not be alike."""

    value: float
    low: float
    high: float


def t95(freedom: float) -> float:
    """Two-sided 95 % quantile of Student's t, to a hundredth from 4 degrees of freedom on (Cornish and Fisher)."""
    v, z = max(freedom, 1.0), Z
    return (
        z
        + (z**3 + z) / (4 * v)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * v**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * v**3)
    )


def mean(cells: Cells, weights: Weights) -> Mean:
    """Σ weight × (sum / how many) of each stratum; its error by linearisation over the buckets."""
    value, residuals = Fraction(0), dict[Hashable, float]()
    for stratum, weight in weights.items():
        pairs = cells[stratum]
        n = sum((pair[0] for pair in pairs.values()), Fraction(0))
        own = sum((pair[1] for pair in pairs.values()), Fraction(0)) / n
        value += weight * own
        factor, level = float(weight / n), float(own)
        for bucket, (count, total) in pairs.items():
            if count:
                left = factor * (float(total) - level * float(count))
                residuals[bucket] = residuals.get(bucket, 0.0) + left
    k = len(residuals)
    spread = sum(each * each for each in residuals.values())
    return Mean(value, math.sqrt(spread * k / (k - 1)) if k > 1 else math.inf, max(k - 1, 1))


def difference(before: Mean, after: Mean) -> Band:
    """After less before, by Welch."""
    value, error = float(after.value - before.value), math.hypot(before.error, after.error)
    spread = t95(_welch(before, after)) * error
    return Band(value, value - spread, value + spread)


def change(before: Mean, after: Mean) -> Band | None:
    """After over before less one, by the delta method on the logarithm; None where either is not above zero."""
    if before.value <= 0 or after.value <= 0:
        return None
    logs = [Mean(Fraction(0), side.error / float(side.value), side.freedom) for side in (before, after)]
    ratio = float(after.value / before.value)
    spread = t95(_welch(*logs)) * math.hypot(*(side.error for side in logs))
    return Band(ratio - 1, ratio * math.exp(-spread) - 1, ratio * math.exp(spread) - 1)


def _welch(one: Mean, other: Mean) -> float:
    """Degrees of freedom of a difference (Satterthwaite)."""
    parts = [side.error**2 for side in (one, other)]
    down = sum(part**2 / side.freedom for part, side in zip(parts, (one, other), strict=True))
    return sum(parts) ** 2 / down if down else one.freedom + other.freedom


def share(found: Mean, n: float) -> Band:
    """A share of `n` by Wilson, with fewer where buckets differ more than chance lets them."""
    p = min(max(float(found.value), 0.0), 1.0)
    alone = p * (1 - p) / n
    effect = max(1.0, found.error**2 / alone) if alone else 1.0
    n, z2 = n / effect, Z * Z
    middle, half = (p + z2 / (2 * n)) / (1 + z2 / n), Z * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return Band(p, max(0.0, min(middle - half, p)), min(1.0, max(middle + half, p)))


def apart(before: Band, after: Band) -> Band:
    """After less before out of the interval of each (Donner and Zou's recovery of variances)."""
    value = after.value - before.value
    low = math.hypot(after.value - after.low, before.high - before.value)
    high = math.hypot(after.high - after.value, before.value - before.low)
    return Band(value, value - low, value + high)


def effective(weights: Weights, counts: Mapping[Hashable, Fraction]) -> float:
    """How many requests of one weight tell as much as these do (Kish)."""
    return float(1 / sum((w * w / counts[stratum] for stratum, w in weights.items()), Fraction(0)))


def quantile(cells: Bins, weights: Weights, q: float) -> Band:
    """A percentile in milliseconds of the weighted mix; its interval by order statistics (Woodruff): ranks an error apart.

    The ends are those of the histogram's bins, so that the interval also holds what a bin does not tell.
    """
    factors, by_bucket = dict[Hashable, float](), dict[Hashable, dict[Hashable, Counts]]()
    mix, squares = np.zeros(histogram.BINS_MAX), 0.0
    for stratum, weight in weights.items():
        counts = {b: np.maximum(histogram.counts(data), 0) for b, data in cells[stratum].items() if data}
        whole = np.sum([*counts.values()], axis=0)
        n = int(whole.sum())
        factors[stratum], by_bucket[stratum] = float(weight) / n, counts
        mix += factors[stratum] * whole
        squares += float(weight) ** 2 / n
    cumulative = np.cumsum(mix)
    at = _rank(cumulative, q)
    error = max(_error(by_bucket, factors, at), math.sqrt(q * (1 - q) * squares))
    freedom = len({b for counts in by_bucket.values() for b in counts}) - 1
    off = t95(freedom) * error
    low, high = _rank(cumulative, max(q - off, 0.0)), _rank(cumulative, min(q + off, 1.0))
    value = histogram.value_of(at)
    return Band(value / 1000, histogram.GAMMA ** (low - 1) / 1000, histogram.GAMMA**high / 1000)


def _rank(cumulative: npt.NDArray[np.float64], q: float) -> int:
    top = int(np.searchsorted(cumulative, cumulative[-1] * (1 - 1e-12)))
    return min(int(np.searchsorted(cumulative, max(q, 1e-12) * cumulative[-1] * (1 - 1e-12))), top)


def _error(
    by_bucket: Mapping[Hashable, Mapping[Hashable, Counts]], factors: Mapping[Hashable, float], at: int
) -> float:
    """Standard error of the share that lies at or below a bin, over the buckets."""
    residuals: dict[Hashable, float] = {}
    for stratum, counts in by_bucket.items():
        below = {bucket: int(each[: at + 1].sum()) for bucket, each in counts.items()}
        sizes = {bucket: int(each.sum()) for bucket, each in counts.items()}
        own = sum(below.values()) / sum(sizes.values())
        for bucket, n in sizes.items():
            residuals[bucket] = residuals.get(bucket, 0.0) + factors[stratum] * (below[bucket] - own * n)
    k = len(residuals)
    return math.sqrt(sum(each * each for each in residuals.values()) * k / (k - 1)) if k > 1 else math.inf
