"""What a guard's metric counts in a group of requests: of how many (`n`), and how much of it was bad. Pure.

Whatever a metric is, its excess is linear in the two: bad − reference × n. So the excess of groups adds up to that of all.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from trivet.card.watched import Guard
from trivet.guard.sequential import TOLERATED
from trivet.kit import histogram
from trivet.rollup.read import Usage

Count = Callable[[Usage], Fraction]
LOAD = "this gauge names no requests, so tokens beyond their rate before stand for who brought the load"
NAMELESS = "what this guard reads names neither tenant nor model, so nobody can be said to carry it"


@dataclass(frozen=True, slots=True)
class Kind:
    """How a metric is counted.

    `of` is what `n` counts, `unit` what `bad` counts. `binary`: each of `n` is bad or not, so chance can be told apart.
    `in_time`: a sum whose reference is a rate in time and not a share. `note` says what stands for what.
    """

    n: Count
    bad: Count
    of: str
    unit: str
    binary: bool = False
    in_time: bool = False
    money: bool = False
    note: str = ""


def kind_of(guard: Guard) -> Kind | None:
    """How this guard's metric is counted in requests; None where requests do not tell."""
    if guard.metric[:4] in ("p50_", "p95_", "p99_"):
        return _slower(guard)
    return KINDS.get(guard.metric)


def allowed(guard: Guard) -> Fraction | None:
    """The `bad` of one `n` (in time: of one second) that the guard lets pass; None where its limit is none of these."""
    if guard.metric[:4] in ("p50_", "p95_", "p99_"):
        return Fraction(str(TOLERATED[guard.metric[:3]]))
    enter = Fraction(str(guard.enter))
    if guard.metric in ("quality", "cache_hit_rate"):
        return 1 - enter
    if guard.metric == "cost_per_hour":
        return enter / 3600
    return enter if guard.metric in _BY_REQUEST else None


def _slower(guard: Guard) -> Kind:
    """A percentile over its limit is a share of requests that are slower than that."""
    measure = next(name for name in ("latency", "ttft", "inter_token") if name in guard.metric)
    limit_us = round(guard.enter * 1000)
    return Kind(
        lambda u: Fraction(max(0, histogram.total(getattr(u, measure)))),
        lambda u: Fraction(above(getattr(u, measure), limit_us)),
        "requests",
        "slower than the limit",
        binary=True,
    )


def above(data: bytes, limit_us: int) -> int:
    """How many values of a histogram lie above a limit, to the bin's precision."""
    return int(np.maximum(histogram.counts(data)[histogram.bin_of(limit_us) + 1 :], 0).sum())


def served(usage: Usage) -> Fraction:
    """Requests that were let in."""
    return Fraction(max(0, usage.served))


def priced(usage: Usage) -> Fraction:
    """Requests that were let in and have a price."""
    return Fraction(usage.priced)


def _cost(usage: Usage) -> Fraction:
    return Fraction(usage.cost)


def _prompt(usage: Usage) -> Fraction:
    return Fraction(usage.input_tokens + usage.cache_read_tokens)


def _unscored(usage: Usage) -> Fraction:
    return usage.scores - Fraction(str(round(usage.score_total, 9)))


_SPEND = Kind(priced, _cost, "priced requests", "spent", in_time=True, money=True)
_LOADED = Kind(served, lambda u: Fraction(u.tokens), "requests", "tokens", in_time=True, note=LOAD)
_QUALITY = Kind(lambda u: Fraction(u.scores), _unscored, "scores", "points lost")
_BY_REQUEST = frozenset({"error_rate", "timeout_rate", "refusal_rate", "cost_per_request"})
KINDS: Mapping[str, Kind] = {
    "error_rate": Kind(served, lambda u: Fraction(u.errors + u.timeouts), "requests", "failed", binary=True),
    "timeout_rate": Kind(served, lambda u: Fraction(u.timeouts), "requests", "timed out", binary=True),
    "refusal_rate": Kind(served, lambda u: Fraction(u.refusals), "requests", "were refused", binary=True),
    "cost_per_request": Kind(priced, _cost, "priced requests", "spent", money=True),
    "cost_per_hour": _SPEND,
    "cost_per_day": _SPEND,
    "cost_per_tenant_day": _SPEND,
    "quality": _QUALITY,
    "quality_drift": _QUALITY,
    "cache_hit_rate": Kind(_prompt, lambda u: Fraction(u.input_tokens), "prompt tokens", "not found in a cache"),
    "input_length_drift": Kind(served, _prompt, "requests", "prompt tokens"),
    "queue_depth": _LOADED,
    "kv_cache_usage": _LOADED,
    "gpu_utilisation": _LOADED,
}
