"""What a card watches: metrics and the guards on them. Pure."""

from typing import Literal, Self

from pydantic import Field, model_validator

from trivet.card.terms import LEVEL_MAX, Name, Part, Threshold, WindowSeconds

Metric = Literal[
    "p50_latency_ms",
    "p95_latency_ms",
    "p99_latency_ms",
    "p50_ttft_ms",
    "p95_ttft_ms",
    "p99_ttft_ms",
    "p50_inter_token_ms",
    "p95_inter_token_ms",
    "p99_inter_token_ms",
    "error_rate",
    "timeout_rate",
    "refusal_rate",
    "rate_limit_rate",
    "cold_start_rate",
    "health_events",
    "out_of_memory_events",
    "cost_per_request",
    "cost_per_hour",
    "cost_per_day",
    "cost_per_tenant_day",
    "quality",
    "quality_drift",
    "input_length_drift",
    "queue_depth",
    "kv_cache_usage",
    "gpu_utilisation",
    "cache_hit_rate",
]
LOWER_IS_WORSE: frozenset[str] = frozenset({"quality", "cache_hit_rate"})
# Shares of requests: these can burn an error budget. A percentile is the share of requests that are slower than its limit.
RATES: frozenset[str] = frozenset(
    {"error_rate", "timeout_rate", "refusal_rate", "rate_limit_rate", "cold_start_rate"}
    | {f"{p}_{what}_ms" for p in ("p50", "p95", "p99") for what in ("latency", "ttft", "inter_token")}
)  # fmt: skip


class Burn(Part):
    """Instead of one window: both windows of a pair must burn the error budget past its factor (14.4 and 6 page, 3 and 1 ticket).

    `objective` is the share of good requests over 30 days, 0.999 say. For a percentile a bad request is one slower than `enter`.
    """

    objective: float = Field(gt=0, lt=1)
    severity: Literal["page", "ticket"] = "page"


class Guard(Part):
    """One guard (守门指标): broken past `enter` for `for_s` seconds, whole again at `leave`.

    `raises_to` 0 watches and opens breaches without moving the ladder. The ladder climbs one level at a time; `at_once`
    lets this guard go straight to its level.
    """

    name: Name
    metric: Metric
    enter: Threshold
    leave: Threshold
    window_s: WindowSeconds
    minimum_sample: int = Field(ge=1, le=1_000_000)
    for_s: float = Field(0.0, ge=0, le=3600)
    raises_to: int = Field(0, ge=0, le=LEVEL_MAX)
    at_once: bool = False
    # How often it may cry wolf in a month of nothing wrong: kept by a sequential test. None: the plain threshold alone.
    false_alarms_per_month: float | None = Field(1.0, gt=0, le=1000)
    burn: Burn | None = None
    shadow: bool = False  # says what it would have done, and moves nothing
    severity: Literal["page", "ticket", "info"] | None = (
        None  # of its alert; None: page where it moves the ladder, else ticket
    )
    webhook: Name | None = (
        None  # a channel of the team's that is called when it breaks and when it is whole (retrain, reload)
    )

    @model_validator(mode="after")
    def _leave_is_on_the_safe_side(self) -> Self:
        low = self.metric in LOWER_IS_WORSE
        if (self.leave <= self.enter) if low else (self.leave >= self.enter):
            side = "above" if low else "below"
            raise ValueError(f"leave ({self.leave:g}) must lie {side} enter ({self.enter:g}), or the guard would flap")
        if self.burn and self.metric not in RATES:
            raise ValueError(f"burn: {self.metric} is no share of requests, so it has no error budget to burn")
        return self
