"""Is a share of requests over what a guard tolerates, or is it luck? A test that may be read every second for ever. Pure.

Every second brings (n, bad). For each second from which the fault may date, the bad ones are weighed against a few larger
shares (a likelihood ratio each, mixed); the sum over all such seconds is a Shiryaev-Roberts statistic. While the true share
is at most `tolerated`, it takes at least `e^needed` steps on average to reach `e^needed` (an e-detector: Shin, Ramdas and
Rinaldo 2022), so a threshold of a month's seconds over the budget keeps the false-alarm budget without knowing how often it
is read. Requests that fail together are not so many pieces of evidence: both counts are divided by how clumped the bad ones
are, by trace and by tenant, and by what replay found (`Normal.widening`).

Where replay has shown what share is usual, the budget is kept against that, which finds a fault sooner, and the limit itself
must be passed too, by more than one chance in twenty: a share that rose and stays within its limit is no breach.
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
USUAL_LEAST = 0.1  # of the tolerated share: below that, nobody's history is long enough to say
DOUBT = 0.05
MEMORY_S = 120  # of seconds, where the window of the guard is shorter and all of them were well
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
class Normal:
    """What replay of a scenario's own history found: the share of bad requests in its worst usual hour, and how many times
    more than by trace and tenant they come together. Of scores less than 1, where they vary less than right and wrong do.
    """

    usual: float
    widening: float = 1.0


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for a breach: `bad` of `n` since `since`, where `allowed` are; that much is luck once in `1 / luck`.

    `strength` and `needed` are natural logarithms; it is enough where the first reaches the second and the limit is passed
    beyond doubt. `clump` is how many bad requests count as one, `usual` the share that luck starts from.
    """

    n: int
    bad: float
    allowed: float
    since: datetime | None
    strength: float
    needed: float
    luck: float
    usual: float
    doubt: float = 1.0  # chance of this where the share were just the tolerated one
    clump: float = 1.0

    @property
    def enough(self) -> bool:
        """Whether the budget of false alarms allows to call it a breach."""
        return self.strength >= self.needed and self.doubt <= DOUBT

    def numbers(self) -> dict[str, float]:
        """As they are stored and shown."""
        names = ("n", "bad", "allowed", "strength", "needed", "luck", "usual", "doubt", "clump")
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


def evidence(guard: Guard, counts: Sequence[Counts], normal: Normal | None = None) -> Evidence:
    """What the seconds in `counts`, oldest first, say; `normal` is None where no replay has found it yet."""
    share = tolerated(guard)
    assert share is not None and guard.false_alarms_per_month is not None
    usual = share if normal is None else min(share, max(normal.usual, share * USUAL_LEAST))
    widening = 1.0 if normal is None else normal.widening
    enough = needed(guard.false_alarms_per_month)
    seen = [each for each in counts if each.n > 0]
    n, bad = sum(c.n for c in seen), sum(c.bad for c in seen)
    nothing = Evidence(n, bad, share * n, seen[0].at if seen else None, 0.0, enough, 1.0, usual)
    if not bad:
        return nothing
    each_n, each_bad = np.array([(c.n, c.bad) for c in seen], dtype=np.float64).T
    found = _weighed(share, nothing, (each_n, each_bad), seen, widening)
    if not found.enough:  # dividing by the clump only weakens it
        return found
    clump = clumped(seen)
    nothing = replace(nothing, clump=clump)
    return _weighed(share, nothing, (each_n, each_bad), seen, widening * clump) if clump > 1 else found


def _weighed(
    share: float, nothing: Evidence, series: tuple[Array, Array], seen: Sequence[Counts], divided_by: float
) -> Evidence:
    """The statistic over all seconds from which it may date, and the requests since the likeliest of them."""
    n, bad = series
    each = _since(nothing.usual, n, bad, divided_by)
    start = int(np.argmax(each))
    luck = math.exp(-max(0.0, float(each[start])))
    doubt = luck
    if nothing.usual < share:
        start = int(np.argmax(beyond := _since(share, n, bad, divided_by)))
        doubt = math.exp(-max(0.0, float(beyond[start])))
    n_since = int(n[start:].sum())
    return replace(
        nothing,
        n=n_since,
        bad=float(bad[start:].sum()),
        allowed=share * n_since,
        since=seen[start].at,
        strength=float(np.logaddexp.reduce(each)),
        luck=luck,
        doubt=doubt,
    )


def _since(share: float, n: Array, bad: Array, divided_by: float) -> Array:
    """Log of the mixed likelihood ratio of what came from each second on."""
    steps = ratios(share, n, bad) / divided_by
    found: Array = np.logaddexp.reduce(np.cumsum(steps[::-1], axis=0)[::-1], axis=1) - math.log(len(ODDS))
    return found


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
