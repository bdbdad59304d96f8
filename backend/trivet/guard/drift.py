"""How far today's inputs and scores lie from their reference. Pure.

In standard deviations of single requests, not of a mean: what counts is how large a shift is, not how sure. With a few
hundred requests every shift is sure, and most of them are none that anybody would act on. Lengths are compared by their
logarithms, as they spread over three orders of magnitude and one huge prompt is no drift. A rule of thumb: 0.2 is small,
0.5 shows, 0.8 is large (Cohen 1988). Luck is kept out by asking for two standard errors on top.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

SURE = 2.0  # standard errors taken off before a shift counts
LEAST_SPREAD = 1e-9


@dataclass(frozen=True, slots=True)
class Moments:
    """Count, mean and variance of what was seen."""

    n: int
    mean: float
    variance: float


@dataclass(frozen=True, slots=True)
class Drift:
    """`size` in the reference's standard deviations: of the shift that is left after what luck explains, 0 or more."""

    size: float
    shift: float  # the plain one; below 0 where it went down
    now: Moments
    reference: Moments


def of_classes(counts: Mapping[int, int]) -> Moments:
    """Moments of a histogram: how many requests by class, a class being a power of two of tokens, or any even step."""
    n = sum(counts.values())
    mean = sum(step * count for step, count in counts.items()) / n if n else 0.0
    spread = sum(count * (step - mean) ** 2 for step, count in counts.items())
    return Moments(n, mean, spread / (n - 1) if n > 1 else 0.0)


def of_sums(sums: Sequence[tuple[int, float]]) -> Moments:
    """Moments of stretches of which only count and total are stored: the variance of one value, from that between their means.

    A mean of n values varies by a part in n of what one does; a stretch of few weighs little.
    """
    known = [(n, total / n) for n, total in sums if n > 0]
    n = sum(count for count, _ in known)
    mean = sum(count * value for count, value in known) / n if n else 0.0
    between = sum(count * (value - mean) ** 2 for count, value in known)
    return Moments(n, mean, between / (len(known) - 1) if len(known) > 1 else 0.0)


def drift(now: Moments, reference: Moments, *, only_down: bool = False) -> Drift | None:
    """The shift of the mean from the reference's; None where either is too small to have a spread.

    `only_down` leaves out a shift upwards: better scores are no drift that anybody guards against.
    """
    if now.n < 2 or reference.n < 2:
        return None
    spread = math.sqrt(max(reference.variance, LEAST_SPREAD))
    shift = (now.mean - reference.mean) / spread
    error = math.sqrt(max(now.variance, LEAST_SPREAD) / now.n + reference.variance / reference.n) / spread
    far = -shift if only_down else abs(shift)
    return Drift(max(0.0, far - SURE * error), shift, now, reference)
