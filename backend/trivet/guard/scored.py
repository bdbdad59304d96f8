"""Is the mean of scores under its floor, or is it luck? Pure.

Scores from 0 to 1 vary at most as right and wrong do, and a likelihood ratio of those bounds what luck can do to their mean. A
judge's scores vary much less. How much is seen from how the means of the window's buckets differ, taken as large as it is in
one case of a hundred; the evidence counts for more by as much as that is less than the most.
"""

from collections.abc import Sequence
from datetime import datetime

from trivet.card.watched import Guard
from trivet.guard.drift import of_sums
from trivet.guard.measures import Window
from trivet.guard.sequential import Counts, Evidence, Normal, evidence

# How much larger than seen a variance can be, by degrees of freedom: those over the first percentile of chi-square.
AT_MOST = {2: 99.5, 3: 26.1, 4: 13.5, 5: 9.03, 6: 6.89, 8: 4.86, 10: 3.91, 15: 2.87, 20: 2.42, 30: 2.01}
LEAST = 0.05  # of the most that scores can vary: nothing is known better


def evidence_of(guard: Guard, window: Window, now: datetime) -> Evidence:
    """What the window's scores say: a score of 1 loses nothing, one of 0 a whole point."""
    lost = window.scores - window.score_total
    normal = Normal(1 - guard.enter, spread(window.score_parts, guard.enter))
    return evidence(guard, [Counts(now, window.scores, lost)], normal)


def spread(parts: Sequence[tuple[int, float]], floor: float) -> float:
    """The variance of single scores, as part of the most it can be at the floor; `parts` are (count, total) by bucket."""
    larger = [times for freedom, times in AT_MOST.items() if freedom <= len(parts) - 1]
    if not larger:
        return 1.0
    return min(1.0, max(LEAST, larger[-1] * of_sums(parts).variance / (floor * (1 - floor))))
