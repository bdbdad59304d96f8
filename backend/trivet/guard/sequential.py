"""Is a share of requests over what a guard tolerates, or is it luck? A test that may be read every second for ever. Pure.

Every second brings (n, bad). For each second from which the fault may date, the bad ones are weighed against a few larger
shares (a likelihood ratio each, mixed); the sum over all such seconds is a Shiryaev-Roberts statistic. While the true share
is at most `tolerated`, it takes at least `e^needed` steps on average to reach `e^needed` (an e-detector: Shin, Ramdas and
Rinaldo 2022), so a threshold of a month's seconds over the budget keeps the false-alarm budget without knowing how often it
is read. Requests that fail together are not so many pieces of evidence: both counts are divided by how clumped the bad ones
are, by trace and by tenant, and by what replay found (`widening`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from trivet.card.watched import RATES, Guard

MONTH_S = 30 * 86_400
ODDS = (1.5, 2.5, 5.0, 12.0, 40.0, 400.0)  # of the larger shares, over the odds of the tolerated one
TOLERATED = {"p50": 0.50, "p95": 0.05, "p99": 0.01}  # of the requests may be slower than a percentile's limit
Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Counts:
    """Requests of the second `at` (when they ended), and how many of them were bad in the guard's sense.

    Sums of squares say how they bunch: `by_trace` and `by_tenant` of the bad ones of each trace and tenant, `served_by_tenant`
    of all of each tenant. None where unknown: then each is taken for one of its own.
    """

    at: datetime
    n: int
    bad: float  # a whole number of requests; of scores, how much they lost
    by_trace: int | None = None
    by_tenant: int | None = None
    served_by_tenant: int | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for a breach: `bad` of `n` since `since`, where `allowed` are; that much is luck once in `1 / luck`.

    `strength` and `needed` are natural logarithms; it is enough where the first reaches the second. `clump` is how many bad
    requests count as one.
    """

    n: int
    bad: float
    allowed: float
    since: datetime | None
    strength: float
    needed: float
    luck: float
    clump: float = 1.0

    @property
    def enough(self) -> bool:
        """Whether the budget of false alarms allows to call it a breach."""
        return self.strength >= self.needed

    def numbers(self) -> dict[str, float]:
        """As they are stored and shown."""
        names = ("n", "bad", "allowed", "strength", "needed", "luck", "clump")
        return {name: round(float(getattr(self, name)), 12) for name in names}


def tolerated(guard: Guard) -> float | None:
    """The share of bad requests up to which nothing is wrong; None where the guard is no share, or a plain threshold."""
    if guard.false_alarms_per_month is None:
        return None
    if guard.metric == "quality":  # scores from 0 to 1 vary at most as right and wrong do, and may lose as much
        return 1 - guard.enter if 0 < guard.enter < 1 else None
    if guard.metric not in RATES:
        return None
    share = TOLERATED.get(guard.metric[:3], guard.enter)
    return share if 0 < share < 1 else None


def needed(false_alarms_per_month: float) -> float:
    """Logarithm of the steps, of a second each, between two false alarms."""
    return math.log(max(MONTH_S / false_alarms_per_month, 2.0))


def evidence(guard: Guard, counts: Sequence[Counts], *, widening: float = 1.0) -> Evidence:
    """What the seconds in `counts`, oldest first, say.

    `widening` is 1 or more: what replay found that bad requests come together beyond what traces and tenants show.
    """
    share = tolerated(guard)
    assert share is not None and guard.false_alarms_per_month is not None
    enough = needed(guard.false_alarms_per_month)
    seen = [each for each in counts if each.n > 0]
    n, bad = sum(c.n for c in seen), sum(c.bad for c in seen)
    nothing = Evidence(n, bad, share * n, seen[0].at if seen else None, 0.0, enough, 1.0)
    if not bad:
        return nothing
    found = _weighed(share, seen, widening, nothing)
    if found.strength < enough:  # dividing by the clump only weakens it
        return found
    clump = clumped(seen)
    return _weighed(share, seen, widening * clump, replace(nothing, clump=clump)) if clump > 1 else found


def _weighed(share: float, seen: Sequence[Counts], divided_by: float, nothing: Evidence) -> Evidence:
    """The statistic over all seconds from which it may date, and the requests since the likeliest of them."""
    n = np.array([c.n for c in seen], dtype=np.float64)
    bad = np.array([c.bad for c in seen], dtype=np.float64)
    steps = ratios(share, n, bad) / divided_by
    since = np.cumsum(steps[::-1], axis=0)[::-1]  # from each second on, against each larger share
    each = np.logaddexp.reduce(since, axis=1) - math.log(len(ODDS))
    start = int(np.argmax(each))
    n_since, bad_since = int(n[start:].sum()), float(bad[start:].sum())
    return replace(
        nothing,
        n=n_since,
        bad=bad_since,
        allowed=share * n_since,
        since=seen[start].at,
        strength=float(np.logaddexp.reduce(each)),
        luck=math.exp(-max(0.0, float(each[start]))),
    )


def ratios(share: float, n: Array, bad: Array) -> Array:
    """Log likelihood ratios of each step against each larger share: steps × `ODDS`."""
    for_bad, for_good = _weights(share)
    return np.outer(bad, for_bad) + np.outer(n - bad, for_good)


@lru_cache(maxsize=256)
def _weights(share: float) -> tuple[Array, Array]:
    odds = np.array(ODDS) * share / (1 - share)
    larger = odds / (1 + odds)
    return np.log(larger / share), np.log((1 - larger) / (1 - share))


def clumped(seen: Sequence[Counts]) -> float:
    """How many bad requests count as one, 1 or more: by trace or by tenant, whichever is more.

    A trace counts once a second. A tenant's bad requests of one second are compared with what its share of the traffic
    would give by chance, so a tenant that is all of the traffic is no clump, and one of fifty that fails alone is one.
    """
    failed = [each for each in seen if each.bad]
    of_traces = sum(each.bad if each.by_trace is None else each.by_trace for each in failed)
    return max(1.0, of_traces / max(1, sum(each.bad for each in failed)), _by_tenant(seen, failed))


def _by_tenant(seen: Sequence[Counts], failed: Sequence[Counts]) -> float:
    """Pairs of bad requests of one tenant in one second, over what the traffic of tenants would give."""
    met = [(c.served_by_tenant - c.n) / (c.n * (c.n - 1)) for c in seen if c.n > 1 and c.served_by_tenant is not None]
    of_one = sum(met) / len(met) if met else 1.0  # the chance that two requests of one second are of one tenant
    known = [(c.bad, c.by_tenant) for c in failed if c.by_tenant is not None]
    expected = sum(bad + bad * (bad - 1) * of_one for bad, _ in known)
    return sum(squares for _, squares in known) / expected if expected else 1.0
