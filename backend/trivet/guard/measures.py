"""What a guard can measure: how each metric of a card comes out of one window of numbers. Pure.

Shares and percentiles come from requests that ended; queues, KV caches, GPUs, days and drift come as a `Reading`, made where
the data is read (`readings`). What is unknown has no value and says what is missing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from trivet.guard.sequential import Counts, Normal
from trivet.kit.histogram import quantiles_ms, total

Burned = Mapping[int, tuple[int, int]]  # by how many seconds back: requests, and how many of them were bad


@dataclass(frozen=True, slots=True)
class Silence:
    """Nothing finished for a while although work was in flight, without a gap since `since`; `words` say what.

    `quiet_since` is since when something should have finished, where that is known to the second.
    """

    since: datetime
    words: str
    quiet_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """The value of a metric that is no sum over the window's requests, in the metric's unit; None where `missing` says why.

    `sample` is what the value rests on (points, requests, tokens, scores); `words` follow the value in the reason.
    """

    value: float | None
    sample: int = 0
    missing: str = ""
    words: str = ""


@dataclass(frozen=True, slots=True)
class Window:
    """What was measured of one scenario in one window. Costs are of priced requests, in the card's currency.

    `served` is what was not turned away by a limit of ours: a ladder that rejects must not make the numbers look better.
    `counts` are the same requests second by second, exactly as ingest counted them, for guards on a share of requests.
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
    score_parts: Sequence[tuple[int, float]] = ()  # the same by bucket: how much they vary
    latency: bytes = b""
    latency_count: int = 0
    ttft: bytes = b""
    ttft_count: int = 0
    inter_token: bytes = b""
    overdue: int = 0  # of the sample: calls that still run, with the age they have
    rate_limits: int = 0
    health_events: int = 0
    cold_starts: int = 0
    out_of_memory: int = 0
    finished: bool = True  # whether anything did, under whatever revision and level
    silence: Silence | None = None
    reading: Reading | None = None
    counts: Sequence[Counts] = ()
    burned: Burned = field(default_factory=dict)  # over the lookbacks of the table of burn rates
    normal: Normal | None = None  # of the guard's share, as replay of the scenario's own history found it


@dataclass(frozen=True, slots=True)
class Measure:
    """How a metric is called, what it rests on, what it comes to and how that is written."""

    label: str
    sample: Callable[[Window], int]
    value: Callable[[Window], float | None]
    show: Callable[[float], str]
    of_what: str = "requests"
    stalls: bool = True  # whether silence breaks it: not what is spent or scored
    needs_sample: bool = True  # a sum of money, or a queue, is known however few told of it


def ms(value: float) -> str:
    return f"{value / 1000:.3g} s" if value >= 1000 else f"{value:.3g} ms"


def percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def amount(value: float) -> str:
    return f"{value:.4g}"


def count(value: float) -> str:
    return f"{value:.0f}"


def _rate(part: Callable[[Window], int]) -> Callable[[Window], float | None]:
    return lambda w: part(w) / w.served if w.served else None


def _percentile(q: float, data: Callable[[Window], bytes], what: str) -> Measure:
    def value(window: Window) -> float | None:
        return quantiles_ms(data(window), [q])[0]

    return Measure(f"P{100 * q:.0f}{what}", lambda w: total(data(w)), value, ms)


def _read(label: str, show: Callable[[float], str], of_what: str, *, needs_sample: bool = True) -> Measure:
    return Measure(
        label,
        lambda w: w.reading.sample if w.reading else 0,
        lambda w: w.reading.value if w.reading else None,
        show,
        of_what,
        stalls=False,
        needs_sample=needs_sample,
    )


def _events(label: str, number: Callable[[Window], int]) -> Measure:
    """An event is evidence without any request: a model that cannot be loaded serves none."""
    return Measure(label, lambda w: w.served + number(w), lambda w: float(number(w)), count, "requests or events")


SHARES = {0.50: "p50", 0.95: "p95", 0.99: "p99"}
PERCENTILES: dict[str, Measure] = {
    f"{name}_{metric}_ms": _percentile(q, data, what)
    for q, name in SHARES.items()
    for metric, data, what in (
        ("latency", lambda w: w.latency, ""),
        ("ttft", lambda w: w.ttft, " of the first token"),
        ("inter_token", lambda w: w.inter_token, " between two tokens"),
    )
}
MEASURES: dict[str, Measure] = {
    **PERCENTILES,
    "error_rate": Measure("error rate", lambda w: w.served, _rate(lambda w: w.errors + w.timeouts), percent),
    "timeout_rate": Measure("timeout rate", lambda w: w.served, _rate(lambda w: w.timeouts), percent),
    "refusal_rate": Measure("refusal rate", lambda w: w.served, _rate(lambda w: w.refusals), percent),
    "rate_limit_rate": Measure("rate limited", lambda w: w.served, _rate(lambda w: w.rate_limits), percent),
    "cold_start_rate": Measure("cold starts", lambda w: w.served, _rate(lambda w: w.cold_starts), percent),
    "health_events": _events("health events", lambda w: w.health_events),
    "out_of_memory_events": _events("out of memory", lambda w: w.out_of_memory),
    "cost_per_request": Measure(
        "cost per request", lambda w: w.priced, lambda w: w.cost / w.priced, amount, stalls=False
    ),
    "cost_per_hour": Measure(
        "cost per hour", lambda w: w.priced, lambda w: w.cost * 3600 / w.seconds, amount, stalls=False
    ),
    "cost_per_day": _read("cost of the day", amount, "priced requests", needs_sample=False),
    "cost_per_tenant_day": _read("cost of a tenant's day", amount, "priced requests", needs_sample=False),
    "quality": Measure(
        "quality", lambda w: w.scores, lambda w: w.score_total / w.scores, amount, "scores", stalls=False
    ),
    "quality_drift": _read("drift of quality", amount, "scores"),
    "input_length_drift": _read("drift of input length", amount, "requests"),
    "queue_depth": _read("queue", count, "gauges", needs_sample=False),
    "kv_cache_usage": _read("KV cache", percent, "gauges", needs_sample=False),
    "gpu_utilisation": _read("GPUs", percent, "points", needs_sample=False),
    "cache_hit_rate": _read("cache hits", percent, "tokens"),
}
