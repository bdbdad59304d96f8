"""Is a share of requests over what a guard tolerates, or is it luck? A test that may be read every second for ever. Pure.

Every second brings (n, bad). For each second from which the fault may date, the bad ones are weighed against a few larger
shares (a likelihood ratio each, mixed); the sum over all such seconds is a Shiryaev-Roberts statistic. While the true share
is at most `tolerated`, it takes at least `e^needed` steps on average to reach `e^needed` (an e-detector: Shin, Ramdas and
Rinaldo 2022), so a threshold of a month's seconds over the budget keeps the false-alarm budget without knowing how often it
is read. Requests that fail together are not so many pieces of evidence: both counts are divided by how clumped the bad ones
are, by trace and by tenant, and by what replay found (`widening`).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
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
    """Requests of one second (or `seconds`) that ended then, and how many of them were bad in the guard's sense.

    `tenants` are (n, bad) by tenant; what they leave out is of no tenant. `bad_traces` is how many traces the bad ones are
    of; None where unknown, which takes each for a trace of its own.
    """

    at: datetime
    n: int
    bad: int
    tenants: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    bad_traces: int | None = None
    seconds: int = 1


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for a breach: `bad` of `n` since `since`, where `allowed` are; that much is luck once in `1 / luck`.

    `strength` and `needed` are natural logarithms; it is enough where the first reaches the second. `clump` is how many bad
    requests count as one.
    """

    n: int
    bad: int
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


def tolerated(guard: Guard) -> float | None:
    """The share of bad requests up to which nothing is wrong; None where the guard is no share, or a plain threshold."""
    if guard.metric not in RATES or guard.false_alarms_per_month is None:
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
    n_since, bad_since = int(n[start:].sum()), int(bad[start:].sum())
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

    A trace counts once a second. A tenant's bad requests of one second are compared with what its share of all requests
    would give it by chance, so a tenant that is all of the traffic is no clump, and one of fifty that fails alone is.
    """
    bad = sum(c.bad for c in seen)
    if not bad:
        return 1.0
    traces = sum(c.bad if c.bad_traces is None else max(1, min(c.bad, c.bad_traces)) for c in seen if c.bad)
    return max(1.0, bad / traces, _by_tenant(seen))


def _by_tenant(seen: Sequence[Counts]) -> float:
    """Pairs of bad requests of one tenant in one second, over what its share of the traffic would give."""
    served: dict[int, int] = {}
    for each in seen:
        for tenant, (n, _) in each.tenants.items():
            served[tenant] = served.get(tenant, 0) + n
    everything = sum(each.n for each in seen)
    together = sum((n / everything) ** 2 for n in served.values())
    observed = expected = 0.0
    for each in seen:
        of_tenants = sum(bad for _, bad in each.tenants.values())
        observed += sum(bad * bad for _, bad in each.tenants.values())
        expected += of_tenants * (1 + max(0, each.bad - 1) * together)
    return observed / expected if expected else 1.0
