"""A comparison of two arms that may be looked at as often as one likes. Pure.

A ratio (errors of requests, cost of requests) is estimated from pairs of sums by stretch of time, so that whatever comes in
bursts counts for what it is. The bound is a confidence sequence: it holds at all looks together, not at each alone
(normal mixture: Robbins 1970; for estimates with a variance: Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas 2021).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

HARM = 4


@dataclass(frozen=True, slots=True)
class Estimate:
    """A ratio and the variance of its estimate; `n` is what it is a ratio of, `stretches` how many there were."""

    value: float
    variance: float
    n: float
    stretches: int


@dataclass(frozen=True, slots=True)
class Difference:
    """Of two estimates, `value` with its bounds."""

    value: float
    low: float
    high: float


def ratio(pairs: Sequence[tuple[float, float]], *, of_share: bool = False) -> Estimate | None:
    """Sum of the first over sum of the second of each stretch's (x, n); None where nothing was counted.

    The variance is that of a ratio of sums over independent stretches. `of_share`: x counts some of n, so it is at least
    that of as many independent draws, also where all of them fell the same way.
    """
    seen = [(x, n) for x, n in pairs if n > 0]
    total = sum(n for _, n in seen)
    if not seen:
        return None
    value = sum(x for x, _ in seen) / total
    k = len(seen)
    variance = sum((x - value * n) ** 2 for x, n in seen) / total**2 * k / (k - 1) if k > 1 else math.inf
    if of_share:
        p = (value * total + 1) / (total + 2)
        least = p * (1 - p) / total
        variance = max(variance, least) if k > 1 else least
    return Estimate(value, variance, total, k)


def difference(new: Estimate, old: Estimate, *, margin: float, alpha: float) -> Difference:
    """How much larger `new` is, with bounds that hold at every look together but for a chance of `alpha`.

    `margin` is the difference that does not matter. The upper bound is tightest where it can tell that; the lower one where
    it can tell harm of `HARM` times as much, which should be found soon.
    """
    value = new.value - old.value
    variance = new.variance + old.variance
    if not math.isfinite(variance):
        return Difference(value, -math.inf, math.inf)
    below, above = _half_width(variance, HARM * margin, alpha), _half_width(variance, margin, alpha)
    return Difference(value, value - below, value + above)


def _half_width(variance: float, margin: float, alpha: float) -> float:
    if variance <= 0:
        return 0.0
    information = 1 / variance
    prior = 2 * (math.log(2) + 2 * math.log(1 / alpha)) / margin**2
    width = (information + prior) * (math.log1p(information / prior) + 2 * math.log(1 / alpha))
    return math.sqrt(width) / information
