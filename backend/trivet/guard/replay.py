"""What a scenario's own history says of a guard: the share that is usual, and how much its evidence is to be widened. Pure.

The guard's test is run over the seconds of the past. An alarm in it is false where the five minutes after it were within the limit:
nobody could have done anything about it. The evidence is divided by the least number with which no more false ones are left
than the budget allows for so long a history. A day without any says little of a month, so what theory asks for stays as it
is: replay only ever asks for more.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trivet.card.watched import Guard
from trivet.guard.sequential import (
    DOUBT,
    MEMORY_S,
    MONTH_S,
    USUAL_LEAST,
    Array,
    Counts,
    Normal,
    clumped,
    needed,
    ratios,
    tolerated,
)

WIDENINGS = (1.0, 1.5, 2.0, 3.0, 5.0, 8.0, 13.0, 20.0)
AFTER_S = 300  # a false alarm has healed by then
BLOCK_S = 3600  # of which the usual share is taken
LEAST = 500  # requests, before a history says anything
USUAL_AT = 0.9  # of the blocks: an incident a day is not what is usual
TURN_S = 0.75 * MEMORY_S  # how long the younger of two recursions runs before it takes over: memory of one to two of it
AHEAD_OF_CHANCE = 2.0  # standard errors on top of the share that was seen


@dataclass(frozen=True, slots=True)
class Replayed:
    """What the replay found: `alarms` false ones with the evidence as it is, `left` with it widened, in `seconds` of history."""

    normal: Normal
    seconds: int
    n: int
    alarms: int
    left: int


def replayed(guard: Guard, history: Iterable[Sequence[Counts]]) -> Replayed | None:
    """Replay stretches of history, each oldest first; None where they hold too few requests, or the guard has no test."""
    share = tolerated(guard)
    stretches = [stretch for stretch in history if stretch]
    n = sum(each.n for stretch in stretches for each in stretch)
    if share is None or guard.false_alarms_per_month is None or n < LEAST:
        return None
    usual = min(share, max(_usual(stretches), USUAL_LEAST * share))
    found = sum((_false_alarms(guard, share, usual, stretch) for stretch in stretches), np.zeros(len(WIDENINGS)))
    seconds = sum(int((stretch[-1].at - stretch[0].at).total_seconds()) + 1 for stretch in stretches)
    allowed = int(guard.false_alarms_per_month * seconds / MONTH_S)
    kept = next((index for index, alarms in enumerate(found) if alarms <= allowed), len(WIDENINGS) - 1)
    return Replayed(Normal(usual, WIDENINGS[kept]), seconds, n, int(found[0]), int(found[kept]))


def _usual(stretches: Sequence[Sequence[Counts]]) -> float:
    """The share of bad requests in a bad hour that is still usual."""
    blocks: dict[tuple[int, int], tuple[int, float]] = {}
    for number, stretch in enumerate(stretches):
        for each in stretch:
            key = number, int(each.at.timestamp()) // BLOCK_S
            n, bad = blocks.get(key, (0, 0.0))
            blocks[key] = n + each.n, bad + each.bad
    large = [(n, bad) for n, bad in blocks.values() if n >= LEAST / 5] or list(blocks.values())
    shares = sorted((bad / n) + AHEAD_OF_CHANCE * ((bad + 1) ** 0.5) / n for n, bad in large if n)
    index = min(len(shares) - 1, int(USUAL_AT * len(shares)))
    return float(shares[index])


def _false_alarms(guard: Guard, share: float, usual: float, stretch: Sequence[Counts]) -> Array:
    """How many false alarms each widening leaves in one stretch: the test as a recursion that forgets as the guard does."""
    seen = [each for each in stretch if each.n]
    n = np.array([each.n for each in seen], dtype=np.float64)
    bad = np.array([each.bad for each in seen], dtype=np.float64)
    at = np.array([each.at.timestamp() for each in seen])
    clump = np.array(_clumps(seen, at))[:, None]
    against_usual, against_limit = ratios(usual, n, bad) / clump, ratios(share, n, bad) / clump
    true = _past_after(share, n, bad, at)
    wide = np.array(WIDENINGS)[:, None]
    enough = np.exp(needed(guard.false_alarms_per_month or 1.0))
    older, newer = _Running.empty(against_usual.shape[1]), _Running.empty(against_usual.shape[1])
    quiet_until, found, turn = np.full(len(WIDENINGS), -np.inf), np.zeros(len(WIDENINGS)), -np.inf
    for step in range(len(seen)):
        if at[step] >= turn:
            older, newer, turn = newer, _Running.empty(against_usual.shape[1]), at[step] + TURN_S
        for each in (older, newer):
            each.take(against_usual[step] / wide, against_limit[step] / wide)
        if bad[step] and (alarm := older.alarm(float(enough))).any():
            found += alarm & ~true[step] & (at[step] >= quiet_until)
            older.begin(alarm)
            newer.begin(alarm)
            quiet_until[alarm] = at[step] + AFTER_S
    return found


@dataclass(slots=True)
class _Running:
    """The statistics against the usual share and against the limit, for each widening and each larger share."""

    sums: Array
    beyond: Array

    @classmethod
    def empty(cls, larger: int) -> "_Running":
        return cls(np.zeros((len(WIDENINGS), larger)), np.zeros((len(WIDENINGS), larger)))

    def take(self, against_usual: Array, against_limit: Array) -> None:
        """One more second."""
        self.sums = np.minimum((self.sums + 1) * np.exp(against_usual), 1e300)
        self.beyond = np.maximum(self.beyond, 0) + against_limit

    def alarm(self, enough: float) -> npt.NDArray[np.bool_]:
        """Which widenings alarm."""
        likelihood = np.exp(np.minimum(self.beyond, 600)).mean(axis=1)
        found: npt.NDArray[np.bool_] = (self.sums.mean(axis=1) >= enough) & (likelihood >= 1 / DOUBT)
        return found

    def begin(self, again: npt.NDArray[np.bool_]) -> None:
        """These begin anew."""
        self.sums[again], self.beyond[again] = 0.0, 0.0


def _clumps(seen: Sequence[Counts], at: Array) -> list[float]:
    """How the bad ones of each stretch of `MEMORY_S` come together, for each second of it."""
    found: list[float] = []
    begin = 0
    while begin < len(seen):
        end = int(np.searchsorted(at, at[begin] + MEMORY_S))
        found.extend([clumped(seen[begin:end])] * (end - begin))
        begin = end
    return found


def _past_after(
    share: float,
    n: Array,
    bad: Array,
    at: Array,
) -> npt.NDArray[np.bool_]:
    """Whether the minutes after each second were past the limit; where nothing came any more they were."""
    after = np.searchsorted(at, at + AFTER_S, side="right")
    total, failed = np.concatenate([[0.0], np.cumsum(n)]), np.concatenate([[0.0], np.cumsum(bad)])
    first = np.arange(1, len(n) + 1)
    came = total[after] - total[first]
    found: npt.NDArray[np.bool_] = (failed[after] - failed[first] > share * came) | (came <= 0)
    return found
