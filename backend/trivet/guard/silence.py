"""Work is in flight and nothing finishes: from when on that is a stall. Pure.

The whole window without an end is one, whatever came before. Where requests ended in most seconds, much less is: the pace
of the window says how often chance makes such a pause, and a pause that the budget of false alarms does not cover is a
stall. Ends bunch, so it must also be well beyond the longest pause of the window.
"""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from trivet.card.content import Guard
from trivet.guard.measures import Measure, Silence, Window
from trivet.guard.sequential import Counts, needed

LEAST_S = 3.0  # what comes over the line comes in batches of about a second
BEYOND = 3.0  # times the longest pause
SECONDS_MIN = 10  # seconds in which something ended, before the pace of a window is known


def stalled(guard: Guard, measure: Measure, window: Window, now: datetime) -> str | None:
    """Why it is a stall; None where it is none."""
    if window.silence is None or not measure.stalls:
        return None
    lasted_s, enough_s = lasted(window.silence, now).total_seconds(), enough(guard, window.counts, window.silence)
    if lasted_s < enough_s:
        return None
    if enough_s >= guard.window_s:
        return f"nothing finished in {guard.window_s} s while {window.silence.words}"
    return f"nothing finished in {enough_s:.0f} s, more than chance, while {window.silence.words}"


def soon(guard: Guard, window: Window) -> str:
    """What is in flight, and when it is a stall."""
    assert window.silence is not None
    return f"{window.silence.words}, a stall once that lasts {enough(guard, window.counts, window.silence):.0f} s"


def lasted(silence: Silence, now: datetime) -> timedelta:
    """How long work has been in flight and nothing ended."""
    return now - max(silence.since, silence.quiet_since or silence.since)


def enough(guard: Guard, counts: Sequence[Counts], silence: Silence) -> float:
    """Seconds of silence that are a stall: the guard's window, or fewer where the pace before it is known."""
    if silence.quiet_since is None:
        return float(guard.window_s)
    ended = sorted({each.at for each in counts if each.n and each.at <= silence.quiet_since})
    found = beyond_chance(ended, guard.false_alarms_per_month or 1.0)
    return float(guard.window_s) if found is None else min(float(guard.window_s), found)


def beyond_chance(ended: Sequence[datetime], false_alarms_per_month: float) -> float | None:
    """Seconds of silence that chance does not explain, after requests ended in these seconds, oldest first; None: too few."""
    if len(ended) < SECONDS_MIN:
        return None
    pauses = [(later - earlier).total_seconds() for earlier, later in pairwise(ended)]
    pace = min(len(ended) / (sum(pauses) + 1.0), 0.95)  # of seconds in which something ends
    # There are pace × 1 such pauses a second, each as long with probability (1 - pace)^seconds.
    by_chance = (needed(false_alarms_per_month) + math.log(pace)) / -math.log1p(-pace)
    return max(LEAST_S, BEYOND * max(pauses), math.ceil(by_chance))
