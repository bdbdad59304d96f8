"""What one guard says about one window of numbers, and why. Pure.

A guard breaks past `enter` once that has lasted `for_s`, and is whole again only at `leave`. Too few requests are no data:
a state of its own that neither breaks a guard nor makes it whole. A stall (silence while work is in flight) needs counters
of what is in flight; until they are read, no verdict says so.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from trivet.card.content import LOWER_IS_WORSE, Guard
from trivet.kit.histogram import quantiles_ms

Word = Literal["ok", "breach", "stall", "no_data"]


@dataclass(frozen=True, slots=True)
class Window:
    """What was measured of one scenario in one window. Costs are of priced requests, in the card's currency.

    `served` is what was not turned away by a limit of ours: a ladder that rejects must not make the numbers look better.
    """

    seconds: float
    served: int = 0
    errors: int = 0
    timeouts: int = 0
    refusals: int = 0
    priced: int = 0
    cost: float = 0.0
    scores: int = 0
    score_total: float = 0.0
    latency: bytes = b""
    latency_count: int = 0
    ttft: bytes = b""
    ttft_count: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """How a guard stood before: `broken` while its breach is open, which a lack of data does not end."""

    broken: bool = False
    over_since: datetime | None = None
    clear_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The word, the reason in words with numbers, and the standing that the next verdict builds on."""

    word: Word
    reason: str
    value: float | None
    threshold: float
    sample: int
    standing: Standing


@dataclass(frozen=True, slots=True)
class _Measure:
    label: str
    sample: Callable[[Window], int]
    value: Callable[[Window], float | None]
    show: Callable[[float], str]
    of_what: str = "requests"


def _p95(data: bytes) -> float | None:
    return quantiles_ms(data, [0.95])[0]


def _ms(value: float) -> str:
    return f"{value / 1000:.3g} s" if value >= 1000 else f"{value:.3g} ms"


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def _amount(value: float) -> str:
    return f"{value:.4g}"


def _rate(count: Callable[[Window], int]) -> Callable[[Window], float | None]:
    return lambda w: count(w) / w.served


MEASURES: dict[str, _Measure] = {
    "p95_latency_ms": _Measure("P95", lambda w: w.latency_count, lambda w: _p95(w.latency), _ms),
    "p95_ttft_ms": _Measure("P95 of the first token", lambda w: w.ttft_count, lambda w: _p95(w.ttft), _ms),
    "error_rate": _Measure("error rate", lambda w: w.served, _rate(lambda w: w.errors + w.timeouts), _percent),
    "timeout_rate": _Measure("timeout rate", lambda w: w.served, _rate(lambda w: w.timeouts), _percent),
    "refusal_rate": _Measure("refusal rate", lambda w: w.served, _rate(lambda w: w.refusals), _percent),
    "cost_per_request": _Measure("cost per request", lambda w: w.priced, lambda w: w.cost / w.priced, _amount),
    "cost_per_hour": _Measure("cost per hour", lambda w: w.priced, lambda w: w.cost * 3600 / w.seconds, _amount),
    "quality": _Measure("quality", lambda w: w.scores, lambda w: w.score_total / w.scores, _amount, "scores"),
}


def verdict(guard: Guard, window: Window, before: Standing, now: datetime) -> Verdict:
    """The guard's verdict at `now`."""
    measure = MEASURES[guard.metric]
    sample = measure.sample(window)
    value = measure.value(window) if sample >= guard.minimum_sample else None
    if value is None:
        return _no_data(guard, measure, sample, window, before)
    safe = _past(guard, guard.leave, value)
    clear_since = None if safe else (before.clear_since or now)
    seen = Verdict("ok", "", value, guard.enter, sample, Standing(before.broken, None, clear_since))
    if before.broken:
        return _while_broken(guard, measure, seen, value)
    if not _past(guard, guard.enter, value):
        return replace(seen, reason=f"{measure.label} {measure.show(value)}, limit {measure.show(guard.enter)}")
    return _past_enter(guard, measure, replace(seen, standing=Standing(False, before.over_since or now, None)), now)


def _past(guard: Guard, threshold: float, value: float) -> bool:
    """Whether the value lies on the bad side of a threshold. On it is on the good side."""
    return value < threshold if guard.metric in LOWER_IS_WORSE else value > threshold


def _side(guard: Guard) -> str:
    return "under" if guard.metric in LOWER_IS_WORSE else "over"


def _no_data(guard: Guard, measure: _Measure, sample: int, window: Window, before: Standing) -> Verdict:
    reason = f"{sample} {measure.of_what} in {window.seconds:.0f} s, {guard.minimum_sample} needed for a verdict"
    if before.broken:
        reason += "; the breach stays open until there are enough"
    return Verdict("no_data", reason, None, guard.enter, sample, Standing(broken=before.broken))


def _while_broken(guard: Guard, measure: _Measure, seen: Verdict, value: float) -> Verdict:
    said, leave = f"{measure.label} {measure.show(value)}", measure.show(guard.leave)
    if seen.standing.clear_since is None:
        beyond = f" {_side(guard)} {measure.show(guard.enter)}" if _past(guard, guard.enter, value) else ""
        return replace(seen, word="breach", reason=f"{said}{beyond}, ends at {leave}")
    return replace(seen, reason=f"{said}, back within {leave}", standing=replace(seen.standing, broken=False))


def _past_enter(guard: Guard, measure: _Measure, seen: Verdict, now: datetime) -> Verdict:
    assert seen.value is not None and seen.standing.over_since is not None
    reason = f"{measure.label} {measure.show(seen.value)} {_side(guard)} {measure.show(guard.enter)}"
    lasted = now - seen.standing.over_since
    if lasted < timedelta(seconds=guard.for_s):
        return replace(seen, reason=f"{reason} for {lasted.total_seconds():.0f} s, breaks after {guard.for_s:g} s")
    return replace(seen, word="breach", reason=reason, standing=Standing(broken=True))
