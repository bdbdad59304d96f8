"""Would the guards ask for this level by themselves? Simulated: made-up numbers, the real judge and the real ladder. Pure.

Each guard that raises so far is given a window in which all is bad, second after second, until it breaks; the ladder is then
asked, with only this guard broken, until it stands at the level. No telemetry is made up: production guards see nothing.
"""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from trivet.card.content import Card, Guard
from trivet.guard import burn
from trivet.guard.decide import verdict
from trivet.guard.ladder import State, step
from trivet.guard.measures import Reading, Window
from trivet.guard.sequential import Counts
from trivet.guard.standing import Standing, Verdict
from trivet.kit import histogram

LOOKS = 4_000  # seconds that one guard is looked at: the longest `for_s`, and some
SERVED = 200
CLIMBS = 16


@dataclass(frozen=True, slots=True)
class Triggered:
    """Whether the level is asked for, by which guard, and how, in words."""

    ok: bool
    guard: str | None
    reason: str


def trigger(card: Card, level: int, now: datetime) -> Triggered:
    """Try the guards that raise to the level or above, the nearest first."""
    raising = sorted((g for g in card.guards if g.raises_to >= level and not g.shadow), key=lambda g: g.raises_to)
    if not raising:
        return Triggered(False, None, f"no guard raises to level {level} by itself: only a person can")
    refusals = []
    for guard in raising:
        broken = breaks(guard, now)
        if broken is None:
            refusals.append(f"{guard.name} does not break however bad its numbers are")
            continue
        found, after_s = broken
        climbed = _climbs(card, guard, found, level, now)
        if climbed is not None:
            how = f"{guard.name} breaks after {after_s:.0f} s ({found.reason}) and asks for level {guard.raises_to}"
            return Triggered(
                True, guard.name, f"simulated: {how}; the ladder is at level {level} {climbed:.0f} s later"
            )
        refusals.append(f"the ladder does not follow {guard.name} to level {level}")
    return Triggered(False, None, "simulated: " + "; ".join(refusals))


def breaks(guard: Guard, now: datetime) -> tuple[Verdict, float] | None:
    """The verdict that breaks the guard and after how many seconds of nothing but bad numbers; None where none does."""
    window, before = worst(guard, now), Standing()
    for second in range(min(LOOKS, int(guard.for_s) + 3)):
        found = verdict(guard, window, before, now + timedelta(seconds=second))
        if found.standing.broken:
            return found, second
        before = found.standing
    return None


def _climbs(card: Card, guard: Guard, broken: Verdict, level: int, now: datetime) -> float | None:
    """After how many seconds the ladder stands at the level, with this guard broken and all others whole."""
    fine = Verdict("ok", "whole", None, 0.0, 0, Standing(clear_since=now))
    verdicts = {each.name: broken if each.name == guard.name else fine for each in card.guards}
    state, at = State(0, now - timedelta(days=1)), now
    for _ in range(CLIMBS):
        state = step(state, verdicts, card, at).state
        if state.level >= level:
            return (at - now).total_seconds()
        stands = card.level(state.level)
        at += timedelta(seconds=max(1.0, stands.min_stay_s if stands else 0.0))
    return None


def worst(guard: Guard, now: datetime) -> Window:
    """A window in which everything that the guard watches is bad."""
    n = max(guard.minimum_sample, SERVED)
    far = guard.enter * 2 if guard.enter > 0 else guard.enter + 1
    low = guard.enter / 2 if guard.enter > 0 else guard.enter - 1
    slow = histogram.of([max(2, round(guard.enter * 2_000))] * n) if guard.metric.endswith("_ms") else b""
    seconds = max(1, min(int(guard.window_s), 60))
    each = math.ceil(n / seconds)
    counts = [Counts(now - timedelta(seconds=seconds - s), each, each) for s in range(seconds)]
    timed_out = guard.metric == "timeout_rate"
    is_low = guard.metric in ("quality", "cache_hit_rate")
    return Window(
        seconds=float(guard.window_s), served=n, errors=0 if timed_out else n, timeouts=n if timed_out else 0, refusals=n,
        priced=n, cost=far * (guard.window_s / 3600 if guard.metric == "cost_per_hour" else n), scores=n,
        score_total=low * n, latency=slow, latency_count=n, ttft=slow, ttft_count=n, inter_token=slow, rate_limits=n,
        health_events=math.ceil(far) + 1, cold_starts=n, out_of_memory=math.ceil(far) + 1,
        reading=Reading(low if is_low else far, n), counts=counts,
        burned={s: (n, n) for pair in burn.TABLE for s in (pair.long_s, pair.short_s)},
    )  # fmt: skip
