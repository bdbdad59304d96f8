"""Thresholds out of a scenario's own data: what was normal, with a margin, so that a new card begins near the truth. Pure.

Each number is a high quantile of what each stretch of time showed (a minute; longer where fewer calls come), so one bad hour in
a week does not become the norm.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trivet.kit.errors import Conflict

REQUESTS_MIN = 1_000
STRETCHES_MIN = 60
SAMPLE_MIN = 20  # requests of a stretch that is looked at
NORMAL = 0.99  # of the stretches lie within
LENGTHS = {60: "minutes", 600: "stretches of 10 minutes", 3600: "hours"}
BACK = 0.8  # a guard leaves at this part of where it enters
RATE_LEAST = 0.02  # below, one request of fifty would break it


class TooLittleData(Conflict):
    """Too few requests or stretches to propose from."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """What a stretch of normal service showed; None where it showed nothing of the kind."""

    requests: int
    p50_latency_ms: float | None = None
    p95_latency_ms: float | None = None
    p99_latency_ms: float | None = None
    p95_ttft_ms: float | None = None
    p95_inter_token_ms: float | None = None
    error_rate: float | None = None
    timeout_rate: float | None = None
    refusal_rate: float | None = None
    cost_per_request: float | None = None
    cost_per_hour: float | None = None
    quality: float | None = None


@dataclass(frozen=True, slots=True)
class Threshold:
    """A proposed number for a metric, what it was made of, and why."""

    metric: str
    enter: float
    leave: float
    words: str


@dataclass(frozen=True, slots=True)
class Proposal:
    """Thresholds by metric, a card in shadow with them, and what they rest on."""

    thresholds: tuple[Threshold, ...]
    card: dict[str, Any]
    requests: int
    stretches: int
    stretch_s: int
    days: int
    words: str


def _times(factor: float) -> Callable[[float], float]:
    return lambda value: value * factor


# How far beyond the normal a guard enters. A rate is also never below `RATE_LEAST`.
MARGINS: dict[str, Callable[[float], float]] = {
    "p95_latency_ms": _times(1.25), "p99_latency_ms": _times(1.25), "p50_latency_ms": _times(1.25),
    "p95_ttft_ms": _times(1.25), "p95_inter_token_ms": _times(1.25),
    "error_rate": lambda v: max(RATE_LEAST, 1.5 * v), "timeout_rate": lambda v: max(RATE_LEAST, 1.5 * v),
    "refusal_rate": lambda v: max(RATE_LEAST, 1.5 * v),
    "cost_per_request": _times(1.5), "cost_per_hour": _times(1.5),
}  # fmt: skip


def enough(stretches: Sequence[Stretch]) -> list[Stretch]:
    """Those with requests enough to be looked at."""
    return [stretch for stretch in stretches if stretch.requests >= SAMPLE_MIN]


def propose(base: Mapping[str, Any], stretches: Sequence[Stretch], days: int, stretch_s: int = 60) -> Proposal:
    """A card from `base` (JSON values) with its guards in shadow and their numbers from stretches of `stretch_s` seconds."""
    seen = enough(stretches)
    requests = sum(stretch.requests for stretch in stretches)
    length = LENGTHS.get(stretch_s, f"stretches of {stretch_s} s")
    if requests < REQUESTS_MIN or len(seen) < STRETCHES_MIN:
        raise TooLittleData(
            f"{requests:,} requests in {days} days: a proposal takes {REQUESTS_MIN:,}, and {STRETCHES_MIN} minutes, stretches of "
            f"10 minutes or hours with {SAMPLE_MIN} or more. Begin with a preset and come back."
        )
    found = {t.metric: t for metric in (*MARGINS, "quality") if (t := _threshold(metric, seen, length)) is not None}
    words = f"From {requests:,} requests in {len(seen)} {length} of {days} days at level 0."
    return Proposal(tuple(found.values()), _card(base, found), requests, len(seen), stretch_s, days, words)


def _threshold(metric: str, stretches: Sequence[Stretch], length: str) -> Threshold | None:
    values = sorted(v for stretch in stretches if (v := getattr(stretch, metric)) is not None)
    if len(values) < STRETCHES_MIN:
        return None
    if metric == "quality":
        left_out = max(1, math.floor((1 - NORMAL) * len(values)))
        low = values[left_out]
        floor = two_digits(low - 0.03 * abs(low), math.floor)
        words = f"{left_out} of {len(values)} {length} were below {low:.4g}; the floor lies 3 % lower"
        return Threshold(metric, floor, two_digits(max(low, floor + 0.02 * abs(floor) + 1e-3), math.ceil), words)
    within = min(math.ceil(NORMAL * len(values)), len(values) - 1)  # the worst one is never the norm
    high = values[within - 1]
    enter = two_digits(MARGINS[metric](high), math.ceil)
    if enter <= 0:
        return None
    words = f"{within} of {len(values)} {length} were at or below {high:.4g}; the line lies beyond with a margin"
    return Threshold(metric, enter, _below(enter), words)


def two_digits(value: float, way: Callable[[float], int]) -> float:
    """Rounded to two digits, up (`math.ceil`) or down (`math.floor`)."""
    if value == 0:
        return 0.0
    digits = 1 - math.floor(math.log10(abs(value)))
    scale = 10.0**digits
    return round(way(round(value * scale, 6)) / scale, max(0, digits))


def _below(enter: float) -> float:
    return float(f"{BACK * enter:.4g}")


def _card(base: Mapping[str, Any], found: Mapping[str, Threshold]) -> dict[str, Any]:
    """The base's promises and ladder with new numbers; of several guards on a metric the higher keep their distance."""
    guards = [_guard(guard, base["guards"], found) for guard in base["guards"]]
    card = {
        **base,
        "guards": guards,
        "latency": _latency(base["latency"], found),
        "cost": _cost(base["cost"], guards, found),
    }
    quality = found.get("quality")
    if quality:
        card["quality"] = {**base["quality"], "floor": quality.enter}
    return card


def _guard(
    guard: Mapping[str, Any], all_: Sequence[Mapping[str, Any]], found: Mapping[str, Threshold]
) -> dict[str, Any]:
    to = found.get(guard["metric"])
    if to is None:
        return {**guard, "shadow": True}
    if guard["metric"] == "quality":
        return {**guard, "shadow": True, "enter": to.enter, "leave": to.leave}
    first = min(other["enter"] for other in all_ if other["metric"] == guard["metric"])
    enter = two_digits(to.enter * guard["enter"] / first, math.ceil) if first else to.enter
    if guard["metric"].endswith("_rate"):
        enter = min(enter, 1.0)
    return {**guard, "shadow": True, "enter": enter, "leave": _below(enter)}


def _latency(base: Mapping[str, Any], found: Mapping[str, Threshold]) -> dict[str, Any]:
    parts = {"p50_ms": "p50_latency_ms", "p95_ms": "p95_latency_ms", "p99_ms": "p99_latency_ms",
             "ttft_p95_ms": "p95_ttft_ms", "inter_token_p95_ms": "p95_inter_token_ms"}  # fmt: skip
    said = {
        part: found[metric].enter for part, metric in parts.items() if metric in found and base.get(part) is not None
    }
    made = {**base, **said}
    return {**made, "timeout_ms": max(base["timeout_ms"], math.ceil(made["p95_ms"]))}


def _cost(
    base: Mapping[str, Any], guards: Sequence[Mapping[str, Any]], found: Mapping[str, Threshold]
) -> dict[str, Any]:
    parts = {"per_request": "cost_per_request", "per_hour": "cost_per_hour"}
    said = {part: plain(found[metric].enter) for part, metric in parts.items() if metric in found}
    enters = {guard["name"]: guard["enter"] for guard in guards}
    lines = [{**line, "amount": plain(enters[line["guard"]])} for line in base["stop_loss"]]
    return {**base, **said, "stop_loss": lines}


def plain(value: float) -> str:
    """As money is written: no exponent, no more than twelve places."""
    text = f"{value:.12f}".rstrip("0").rstrip(".")
    return text or "0"
