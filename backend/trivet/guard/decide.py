"""What one guard says about one window of numbers, and why. Pure.

A guard breaks past `enter` once that has lasted `for_s`, and is whole again only at `leave`. A guard on a share of requests
is past `enter` where the evidence says so (`sequential`): one slow call of ten is luck, ten of ten are not. Too few requests
are no data: a state of its own that neither breaks a guard nor makes it whole. Silence while work was in flight is a stall
(`silence`): it breaks the guards of served requests, and ends when requests finish again.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from trivet.card.content import LOWER_IS_WORSE, Guard
from trivet.guard import burn, scored, silence, words
from trivet.guard.measures import MEASURES, Measure, Silence, Window
from trivet.guard.sequential import MEMORY_S, Counts, Evidence, evidence, tolerated
from trivet.guard.standing import Standing, Verdict, Word, lasting
from trivet.kit.histogram import share_above

__all__ = ["MEASURES", "Silence", "Standing", "Verdict", "Window", "Word", "verdict"]
AGAIN = "requests finish again"  # how the end of a stall begins


def verdict(guard: Guard, window: Window, before: Standing, now: datetime) -> Verdict:
    """The guard's verdict at `now`."""
    measure = MEASURES[guard.metric]
    sample = measure.sample(window)
    value = measure.value(window) if sample >= _needed(guard, measure) else None
    if guard.burn is not None:
        seen = burn.judged(guard, window.burned, before, now) or _no_data(guard, measure, window, before)
    elif value is None:
        seen = _no_data(guard, measure, window, before)
    else:
        seen = _measured(guard, window, value, before, now)
    if seen.standing.broken and not before.by_stall and seen.value is not None:
        return seen
    return _silent(guard, window, seen, before, now)


def _measured(guard: Guard, window: Window, value: float, before: Standing, now: datetime) -> Verdict:
    measure = MEASURES[guard.metric]
    found = _evidence(guard, window, value, before, now)
    past = _past(guard, guard.enter, value) if found is None else found.enough
    safe = not past and not _past(guard, guard.leave, value)
    clear_since = (before.clear_since or now) if safe else None
    standing = Standing(before.broken, None, clear_since, ok_since=None if before.broken else before.ok_since or now)
    numbers = {} if found is None else found.numbers()
    seen = Verdict("ok", "", value, guard.enter, measure.sample(window), standing, numbers)
    if before.broken and before.by_stall and not past:
        again = f"{AGAIN}: {words.limit(guard, measure, window, value, past=False)}"
        return replace(seen, reason=again, standing=replace(standing, broken=False))
    reason = words.limit(guard, measure, window, value, past=_past(guard, guard.enter, value))
    if before.broken:
        return _while_broken(guard, measure, seen, window, value)
    if not past:
        doubt = found is not None and _past(guard, guard.enter, value)
        more = f"; {words.unproven(guard, measure, found)}" if doubt and found else ""
        return replace(seen, reason=reason + more)
    over = replace(seen, standing=replace(standing, over_since=before.over_since or now, clear_since=None))
    if found is not None and not _past(guard, guard.enter, value):  # most of the window was well
        return lasting(guard, over, words.sudden(guard, measure, found, window, value), "breach", now)
    lasted = lasting(guard, over, reason, "breach", now)
    if found is None:
        return lasted
    return replace(lasted, reason=f"{lasted.reason}: {words.evident(guard, measure, found)}")


def _evidence(guard: Guard, window: Window, value: float, before: Standing, now: datetime) -> Evidence | None:
    """What speaks for a breach; None where the plain threshold decides."""
    if tolerated(guard) is None:
        return None
    sample = MEASURES[guard.metric].sample(window)
    if guard.metric == "quality":
        return scored.evidence_of(guard, window, now) if 0 <= value <= 1 else None
    first = now - timedelta(seconds=guard.window_s)
    if (
        not before.broken
    ):  # a small excess takes longer to show, but what an earlier breach was about must not open another
        first = min(first, max(before.ok_since or first, now - timedelta(seconds=MEMORY_S)))
    counts = [*(each for each in window.counts if each.at >= first), Counts(now, window.overdue, window.overdue)]
    if not window.counts:  # not counted by the second: the window is one step, exact to a bin of its histogram
        counts = [Counts(now, sample, round(_share(guard, window, value) * sample))]
    return evidence(guard, counts, window.normal)


def _share(guard: Guard, window: Window, value: float) -> float:
    for name, data in (("latency", window.latency), ("ttft", window.ttft), ("inter_token", window.inter_token)):
        if guard.metric.endswith(f"_{name}_ms"):
            return share_above(data, round(guard.enter * 1000)) or 0.0
    return min(1.0, value)


def _needed(guard: Guard, measure: Measure) -> int:
    return guard.minimum_sample if measure.needs_sample else 1


def _past(guard: Guard, threshold: float, value: float) -> bool:
    """Whether the value lies on the bad side of a threshold. On it is on the good side."""
    return value < threshold if guard.metric in LOWER_IS_WORSE else value > threshold


def _no_data(guard: Guard, measure: Measure, window: Window, before: Standing) -> Verdict:
    sample = measure.sample(window)
    reason = f"{sample} {measure.of_what} in {window.seconds:.0f} s, {_needed(guard, measure)} needed for a verdict"
    if window.reading and window.reading.missing:
        reason = window.reading.missing
    if before.by_stall and window.finished and window.silence is None:
        return Verdict("no_data", f"{AGAIN}; {reason}", None, guard.enter, sample, Standing())
    if before.broken and (window.silence is None or not measure.stalls):
        reason += "; the breach stays open until there are enough"
    return Verdict("no_data", reason, None, guard.enter, sample, Standing(before.broken, by_stall=before.by_stall))


def _silent(guard: Guard, window: Window, seen: Verdict, before: Standing, now: datetime) -> Verdict:
    """What was seen, unless work has been in flight for too long with nothing finished: then a stall."""
    measure = MEASURES[guard.metric]
    if window.silence is None or not measure.stalls:
        return seen
    reason = silence.stalled(guard, measure, window, now)
    if reason is None:
        return replace(seen, reason=f"{seen.reason}; {silence.soon(guard, window)}") if seen.value is None else seen
    standing = Standing(before.broken, before.over_since or now, None, before.by_stall or not before.broken)
    still = Verdict("no_data", reason, None, guard.enter, seen.sample, standing, seen.numbers)
    if before.broken:
        return replace(still, word="stall")
    return lasting(guard, still, reason, "stall", now)


def _while_broken(guard: Guard, measure: Measure, seen: Verdict, window: Window, value: float) -> Verdict:
    said, leave = words.said(measure, window, value), measure.show(guard.leave)
    if seen.standing.clear_since is None:
        beyond = f" {words.side(guard)} {measure.show(guard.enter)}" if _past(guard, guard.enter, value) else ""
        return replace(seen, word="breach", reason=f"{said}{beyond}, ends at {leave}")
    return replace(seen, reason=f"{said}, back within {leave}", standing=replace(seen.standing, broken=False))
