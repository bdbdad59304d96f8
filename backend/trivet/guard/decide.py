"""What one guard says about one window of numbers, and why. Pure.

A guard breaks past `enter` once that has lasted `for_s`, and is whole again only at `leave`. Too few requests are no data:
a state of its own that neither breaks a guard nor makes it whole. Silence of a whole window while work was in flight is a
stall: it breaks the guards of served requests, and ends when requests finish again.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from trivet.card.content import LOWER_IS_WORSE, Guard
from trivet.guard.measures import MEASURES, Measure, Silence, Window

__all__ = ["MEASURES", "Silence", "Standing", "Verdict", "Window", "verdict"]
Word = Literal["ok", "breach", "stall", "no_data"]
AGAIN = "requests finish again"  # how the end of a stall begins


@dataclass(frozen=True, slots=True)
class Standing:
    """How a guard stood before: `broken` while its breach is open, which a lack of data does not end.

    `by_stall` where silence alone opened it, and no number since.
    """

    broken: bool = False
    over_since: datetime | None = None
    clear_since: datetime | None = None
    by_stall: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """The word, the reason in words with numbers, and the standing that the next verdict builds on."""

    word: Word
    reason: str
    value: float | None
    threshold: float
    sample: int
    standing: Standing


def verdict(guard: Guard, window: Window, before: Standing, now: datetime) -> Verdict:
    """The guard's verdict at `now`."""
    measure = MEASURES[guard.metric]
    sample = measure.sample(window)
    value = measure.value(window) if sample >= _needed(guard, measure) else None
    if value is None:
        silent = measure.stalls and window.silence is not None
        return _silent(guard, measure, window, before, now) if silent else _no_data(guard, measure, window, before)
    safe = _past(guard, guard.leave, value)
    clear_since = None if safe else (before.clear_since or now)
    seen = Verdict("ok", "", value, guard.enter, sample, Standing(before.broken, None, clear_since))
    past = _past(guard, guard.enter, value)
    if before.broken and before.by_stall and not past:
        reason = f"{AGAIN}: {_said(measure, window, value)}, limit {measure.show(guard.enter)}"
        return replace(seen, reason=reason, standing=replace(seen.standing, broken=False))
    if before.broken:
        return _while_broken(guard, measure, seen, window, value)
    if not past:
        return replace(seen, reason=f"{_said(measure, window, value)}, limit {measure.show(guard.enter)}")
    over = replace(seen, standing=Standing(False, before.over_since or now, None))
    reason = f"{_said(measure, window, value)} {_side(guard)} {measure.show(guard.enter)}"
    return _lasting(guard, over, reason, "breach", now)


def _needed(guard: Guard, measure: Measure) -> int:
    return guard.minimum_sample if measure.needs_sample else 1


def _past(guard: Guard, threshold: float, value: float) -> bool:
    """Whether the value lies on the bad side of a threshold. On it is on the good side."""
    return value < threshold if guard.metric in LOWER_IS_WORSE else value > threshold


def _side(guard: Guard) -> str:
    return "under" if guard.metric in LOWER_IS_WORSE else "over"


def _said(measure: Measure, window: Window, value: float) -> str:
    running = f" with {window.overdue} still running" if window.overdue else ""
    more = f" {window.reading.words}" if window.reading and window.reading.words else ""
    return f"{measure.label} {measure.show(value)}{running}{more}"


def _no_data(guard: Guard, measure: Measure, window: Window, before: Standing) -> Verdict:
    sample = measure.sample(window)
    reason = f"{sample} {measure.of_what} in {window.seconds:.0f} s, {_needed(guard, measure)} needed for a verdict"
    if window.reading and window.reading.missing:
        reason = window.reading.missing
    if before.by_stall and window.finished:
        return Verdict("no_data", f"{AGAIN}; {reason}", None, guard.enter, sample, Standing())
    if before.broken:
        reason += "; the breach stays open until there are enough"
    return Verdict("no_data", reason, None, guard.enter, sample, Standing(before.broken, by_stall=before.by_stall))


def _silent(guard: Guard, measure: Measure, window: Window, before: Standing, now: datetime) -> Verdict:
    """Work is in flight and nothing finishes: no data until that has lasted the guard's window, then a stall."""
    assert window.silence is not None
    reason = f"nothing finished in {guard.window_s} s while {window.silence.words}"
    if now - window.silence.since < timedelta(seconds=guard.window_s):
        short = _no_data(guard, measure, window, before)
        return replace(
            short, reason=f"{short.reason}; {window.silence.words}, a stall once that lasts {guard.window_s} s"
        )
    standing = Standing(before.broken, before.over_since or now, None, before.by_stall or not before.broken)
    seen = Verdict("no_data", reason, None, guard.enter, measure.sample(window), standing)
    if before.broken:
        return replace(seen, word="stall")
    return _lasting(guard, seen, reason, "stall", now)


def _while_broken(guard: Guard, measure: Measure, seen: Verdict, window: Window, value: float) -> Verdict:
    said, leave = _said(measure, window, value), measure.show(guard.leave)
    if seen.standing.clear_since is None:
        beyond = f" {_side(guard)} {measure.show(guard.enter)}" if _past(guard, guard.enter, value) else ""
        return replace(seen, word="breach", reason=f"{said}{beyond}, ends at {leave}")
    return replace(seen, reason=f"{said}, back within {leave}", standing=replace(seen.standing, broken=False))


def _lasting(guard: Guard, seen: Verdict, reason: str, word: Word, now: datetime) -> Verdict:
    """The verdict `word` once it has lasted `for_s`; until then what was seen, and when it breaks."""
    assert seen.standing.over_since is not None
    lasted = now - seen.standing.over_since
    if lasted < timedelta(seconds=guard.for_s):
        return replace(
            seen,
            reason=f"{reason} for {lasted.total_seconds():.0f} s, breaks after {guard.for_s:g} s",
            standing=replace(seen.standing, by_stall=False),
        )
    return replace(seen, word=word, reason=reason, standing=Standing(broken=True, by_stall=word == "stall"))
