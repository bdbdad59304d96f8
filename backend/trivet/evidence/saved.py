"""What a degrade saved and what it lost: before against under the level, each with how sure that is. Pure.

Requests that ran under the level are held against what requests cost, and how they scored, at level 0 before the breach.
Money is exact; its interval comes from how the ratio cost / requests moves from bucket to bucket (ratio estimator), in both
stretches. Where either has too little, nothing is claimed and the reason is said.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from trivet.kit.money import from_exact

Z = 1.96  # 95 %
BUCKETS_MIN = 5
LEAST = 30  # requests, or scores, on either side
Pair = tuple[Fraction, Fraction]  # of one bucket: how many, and their sum


@dataclass(frozen=True, slots=True)
class Ratio:
    """A sum over a count, and its standard error."""

    n: Fraction
    total: Fraction
    error: float

    @property
    def mean(self) -> Fraction:
        return self.total / self.n


@dataclass(frozen=True, slots=True)
class Saved:
    """Money saved (below zero: spent more) with its 95 % interval; None where `words` say why not. Else they say the terms."""

    amount: Decimal | None
    low: Decimal | None
    high: Decimal | None
    words: str


@dataclass(frozen=True, slots=True)
class Lost:
    """Points of the mean score lost (below zero: gained) with the 95 % interval; None where `words` say why not."""

    points: float | None
    low: float | None
    high: float | None
    words: str


def ratio(pairs: Sequence[Pair]) -> Ratio | None:
    """None where there is too little to say how sure it is."""
    used = [pair for pair in pairs if pair[0] > 0]
    n, total = sum((p[0] for p in used), Fraction(0)), sum((p[1] for p in used), Fraction(0))
    if len(used) < BUCKETS_MIN or n < LEAST:
        return None
    mean, k = float(total / n), len(used)
    squares = sum((float(x) - mean * float(count)) ** 2 for count, x in used)
    return Ratio(n, total, math.sqrt(squares * k / (k - 1)) / float(n))


def saved(before: Sequence[Pair], under: Sequence[Pair], currency: str, turned_away: int = 0) -> Saved:
    """Priced requests and their cost by bucket, before and under the level."""
    was, now = ratio(before), ratio(under)
    if was is None or now is None:
        return Saved(None, None, None, _too_little("priced requests", before if was is None else under, was is None))
    exact = was.mean * now.n - now.total
    spread = Fraction(Z * math.hypot(was.error, now.error)) * now.n
    words = (
        f"{_count(now.n)} priced requests under the level, had each cost what one cost at level 0 before the breach "
        f"({_count(was.n)} of them, {float(was.mean):.4g} {currency} each; under it {float(now.mean):.4g})"
    )
    if turned_away:
        words += f"; {turned_away} that were turned away are not counted as saved"
    return Saved(from_exact(exact), from_exact(exact - spread), from_exact(exact + spread), words)


def lost(before: Sequence[Pair], under: Sequence[Pair]) -> Lost:
    """Scores and their sum by bucket, before and under the level."""
    was, now = ratio(before), ratio(under)
    if was is None or now is None:
        return Lost(None, None, None, _too_little("scores", before if was is None else under, was is None))
    points, spread = float(was.mean - now.mean), Z * math.hypot(was.error, now.error)
    words = (
        f"mean score {float(now.mean):.3f} of {_count(now.n)} under the level, {float(was.mean):.3f} of "
        f"{_count(was.n)} at level 0 before the breach"
    )
    return Lost(points, points - spread, points + spread, words)


def _too_little(what: str, pairs: Sequence[Pair], early: bool) -> str:
    n, buckets = sum((p[0] for p in pairs), Fraction(0)), sum(1 for p in pairs if p[0] > 0)
    where = "before the breach at level 0" if early else "under the level"
    return f"not measurable: {_count(n)} {what} in {buckets} buckets {where}; {LEAST} in {BUCKETS_MIN} are needed on either side"


def _count(n: Fraction) -> str:
    return f"{int(n):,}"
