"""Who carries a breach: shares of the excess, not of the traffic. Pure.

The excess of a group is what it has beyond what it would have at the reference: bad − reference × n, or, for sums in time,
bad − its own rate before × time. So the excess of all groups adds up to the whole, and a tenant with a tenth of the traffic
can carry nine tenths of the breach. A group below its reference relieves, and stands apart. What may be chance is not
claimed: a share's whole 99 % interval (Wilson) must lie past the reference, a sum must rest on `LEAST` of what it counts.
"""

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from trivet.evidence.excess import Kind
from trivet.rollup.read import Usage

Z = 2.576  # 99 %
LEAST = 20  # of what `n` counts, before a sum of one group is claimed
STANDS_OUT, OUT_OF_PROPORTION = 0.25, 1.5  # of the excess at least, and so many times its part of the traffic
SHOWN = 8  # groups of one dimension; the rest is one row
NOTHING = Usage()


@dataclass(frozen=True, slots=True)
class Reference:
    """What is usual: the share before, or what the guard allows; None for sums in time, where each group has its own rate."""

    share: Fraction | None
    words: str


@dataclass(frozen=True, slots=True)
class Carrier:
    """One group. Shares are of all traffic and of all excess; `claimed` where chance and small numbers do not explain it.

    `low` and `high` bound `excess` where chance can be told apart.
    """

    key: Hashable | None  # None: all that are not shown
    n: Fraction
    bad: Fraction
    excess: Fraction
    traffic_share: float
    excess_share: float
    claimed: bool
    low: float | None = None
    high: float | None = None

    @property
    def stands_out(self) -> bool:
        """Whether it carries much more than its part: where all do as much as they are, it is the load and nobody's fault."""
        return self.claimed and self.excess_share >= max(STANDS_OUT, OUT_OF_PROPORTION * self.traffic_share)


@dataclass(frozen=True, slots=True)
class Carriers:
    """Groups past their reference, the largest excess first; those below it, which relieve; and both sums."""

    carry: tuple[Carrier, ...]
    relieve: tuple[Carrier, ...]
    excess: Fraction  # of those that carry
    relief: Fraction  # of those that relieve, below zero
    left_out: int = 0


def reference(kind: Kind, before: Usage, allowed: Fraction | None, sample: int) -> Reference | None:
    """The share that is usual: of the time before where that had enough, else what the guard allows; None where neither."""
    if kind.in_time:
        return Reference(None, "each one's own rate before")
    n = kind.n(before)
    if n >= max(1, sample):
        return Reference(kind.bad(before) / n, "the time before the breach")
    return None if allowed is None else Reference(allowed, "what the guard allows, as too little was measured before")


def carriers(
    kind: Kind,
    during: Mapping[Hashable, Usage],
    before: Mapping[Hashable, Usage],
    usual: Reference,
    *,
    times: Fraction = Fraction(1),
) -> Carriers:
    """Who carries what is beyond the reference. `times` is how many times longer the breach is than the time before."""
    total = sum((kind.n(u) for u in during.values()), Fraction(0))
    found = [
        _weighed(kind, key, (during.get(key, NOTHING), before.get(key, NOTHING)), usual, times)
        for key in during.keys() | (before.keys() if kind.in_time else set())
    ]
    carrying = sorted((each for each in found if each.excess > 0), key=lambda c: (-c.excess, str(c.key)))
    relieving = sorted((each for each in found if each.excess < 0), key=lambda c: (c.excess, str(c.key)))
    excess = sum((each.excess for each in carrying), Fraction(0))
    relief = sum((each.excess for each in relieving), Fraction(0))
    return Carriers(
        _shown(carrying, total, excess),
        _shown(relieving, total, relief),
        excess,
        relief,
        max(0, len(carrying) - SHOWN),
    )


@dataclass(frozen=True, slots=True)
class _Group:
    key: Hashable
    n: Fraction
    bad: Fraction
    excess: Fraction
    low: float | None
    high: float | None
    claimed: bool


def _weighed(kind: Kind, key: Hashable, of: tuple[Usage, Usage], usual: Reference, times: Fraction) -> _Group:
    now, was = of
    n, bad = kind.n(now), kind.bad(now)
    if usual.share is None:
        excess = bad - kind.bad(was) * times
        return _Group(key, n, bad, excess, None, None, n >= LEAST)
    excess = bad - usual.share * n
    if not kind.binary:
        return _Group(key, n, bad, excess, None, None, n >= LEAST)
    low, high = wilson(int(bad), int(n))
    share = float(usual.share)
    return _Group(key, n, bad, excess, (low - share) * float(n), (high - share) * float(n), low > share)


def wilson(bad: int, n: int, z: float = Z) -> tuple[float, float]:
    """The interval in which the true share of bad ones lies; all of [0, 1] where there are none (Wilson, 1927)."""
    if n <= 0:
        return 0.0, 1.0
    p, z2 = bad / n, z * z
    middle, spread = p + z2 / (2 * n), z * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    return max(0.0, (middle - spread) / (1 + z2 / n)), min(1.0, (middle + spread) / (1 + z2 / n))


def _shown(found: list[_Group], n: Fraction, whole: Fraction) -> tuple[Carrier, ...]:
    shown = [
        Carrier(g.key, g.n, g.bad, g.excess, _part(g.n, n), _part(g.excess, whole), g.claimed, g.low, g.high)
        for g in found[:SHOWN]
    ]
    rest = found[SHOWN:]
    if rest:
        of_rest, bad, excess = (sum((getattr(g, name) for g in rest), Fraction(0)) for name in ("n", "bad", "excess"))
        shown.append(Carrier(None, of_rest, bad, excess, _part(of_rest, n), _part(excess, whole), claimed=False))
    return tuple(shown)


def _part(part: Fraction, whole: Fraction) -> float:
    return float(part / whole) if whole else 0.0
