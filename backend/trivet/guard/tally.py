"""What guards on a share of requests rest on: how many were bad, second by second, as ingest counted them. Pure.

A percentile is the share of requests that are slower than its limit, against 5 % (P95), 1 % (P99) or half (P50). Beside the
bad ones stand the sums of their squares by trace and by tenant: where bad ones come in bunches they say less than as many
that come one by one, and these sums say by how much.
"""

from bisect import bisect_left
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from trivet.card.content import Guard
from trivet.card.limits import BUDGETS, LONGEST_S, limit_of, limits_of
from trivet.guard.sequential import Counts
from trivet.ingest.store.tallies import MEASURED_AS, SERVED, Limit

__all__ = ["BUDGETS", "LONGEST_S", "Series", "Tally", "allowed", "limit_of", "limits_of", "merged"]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)
Record = tuple[int, ...]  # in the order of `tallies.RECORD`
Arm = tuple[int, int]  # revision, level


def allowed(guard: Guard) -> float:
    """The share of bad requests that is the guard's limit: of a percentile what may be slower, of a rate its `enter`."""
    return BUDGETS.get(guard.metric.partition("_")[0], guard.enter)


class Tally:
    """One second of one scenario under one revision and level: by what was counted, (n, squares by trace) of each tenant."""

    __slots__ = ("_counts", "at", "by")

    def __init__(self, second: int) -> None:
        self.at = _EPOCH + second * _SECOND
        self.by: dict[int, dict[int, tuple[int, int]]] = {}
        self._counts: dict[Limit, Counts] = {}

    def add(self, what: int, tenant: int, n: int, squares: int) -> None:
        """What one transaction adds."""
        of = self.by.setdefault(what, {})
        before = of.get(tenant, (0, 0))
        of[tenant] = before[0] + n, before[1] + squares
        self._counts.clear()

    def counts(self, limit: Limit) -> Counts:
        """The second as a guard's test takes it. Kept until something is added."""
        found = self._counts.get(limit)
        if found is None:
            measured = [n for n, _ in self.by.get(MEASURED_AS.get(limit.kind, SERVED), {}).values()]
            bad = list(self.by.get(limit.id, {}).values())
            found = self._counts[limit] = Counts(
                self.at,
                max(0, sum(measured)),
                max(0, sum(n for n, _ in bad)),
                max(0, sum(squares for _, squares in bad)),
                sum(n * n for n, _ in bad),
                sum(n * n for n in measured),
            )
        return found

    @property
    def served(self) -> int:
        """Requests that ended in this second and were let in."""
        return sum(n for n, _ in self.by.get(SERVED, {}).values())


class Series:
    """The seconds of one scenario by revision and level, oldest first."""

    __slots__ = ("_arms", "_sorted")

    def __init__(self) -> None:
        self._arms: dict[Arm, dict[int, Tally]] = {}
        self._sorted: dict[Arm, list[int]] = {}

    def add(self, record: Record) -> None:
        """One record of the scenario's."""
        _, second, tenant, revision, level, what, n, squares = record
        arm = revision, level
        seconds = self._arms.setdefault(arm, {})
        tally = seconds.get(second)
        if tally is None:
            tally = seconds[second] = Tally(second)
            self._sorted.pop(arm, None)
        tally.add(what, tenant, n, squares)

    def since(self, arm: Arm, start: datetime) -> Sequence[Tally]:
        """The seconds of one revision and level from `start` on, a second that `start` cuts left out."""
        seconds = self._arms.get(arm)
        if not seconds:
            return ()
        order = self._sorted.get(arm)
        if order is None:
            order = self._sorted[arm] = sorted(seconds)
        return [seconds[second] for second in order[bisect_left(order, first_second(start)) :]]

    def finished_at(self) -> datetime | None:
        """The end of the newest second in which anything was served, under whatever revision and level."""
        newest = max(
            (s for seconds in self._arms.values() for s in reversed(seconds) if seconds[s].served > 0), default=None
        )
        return None if newest is None else _EPOCH + (newest + 1) * _SECOND

    def ended(self, start: datetime) -> list[datetime]:
        """The seconds from `start` on in which anything was served, under whatever revision and level, oldest first."""
        return sorted({each.at for arm in self._arms for each in self.since(arm, start) if each.served > 0})

    def forget(self, before: datetime) -> bool:
        """Drop the seconds before; whether any is left."""
        oldest = first_second(before)
        for arm, seconds in list(self._arms.items()):
            if min(seconds) < oldest:
                self._arms[arm] = {second: tally for second, tally in seconds.items() if second >= oldest}
                self._sorted.pop(arm, None)
            if not self._arms[arm]:
                del self._arms[arm]
        return bool(self._arms)


def first_second(at: datetime) -> int:
    """The first whole second, since 1970, that begins at an instant or after it."""
    return -((_EPOCH - at) // _SECOND)


def merged(*parts: Sequence[Counts]) -> list[Counts]:
    """Counts of several arms, oldest first."""
    filled = [part for part in parts if part]
    if len(filled) < 2:
        return list(filled[0]) if filled else []
    return sorted((each for part in filled for each in part), key=lambda counts: counts.at)
