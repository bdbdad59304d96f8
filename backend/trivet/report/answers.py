"""The answers of `/requests`, `/interactions`, `/signals`, `/engines` and `/caches`, as the OpenAPI document tells them."""

from typing import Literal

from pydantic import Field

from trivet.kit.answer import Amount, Answer, Page


class Tokens(Answer):
    """Disjoint kinds: none is part of another."""

    input: int
    output: int
    cache_read: int
    cache_write: int
    reasoning: int


class RequestItem(Answer):
    """One request. `cost` is null where it has no price, and `unpriced_reason` says why."""

    trace_id: str
    span_id: str
    tenant_id: int
    tenant: str
    scenario: str
    model: str
    provider: str
    backend: str
    pool: str
    model_version: str
    region: str
    started_at: str
    ended_at: str
    duration_ms: float
    ttft_ms: float | None
    outcome: Literal["ok", "error", "timeout", "refused", "rejected"]
    cause: str | None = Field(description="Why it failed, where its source says.")
    streamed: bool
    context_class: str = Field(description="The band of its input's length.")
    tokens: Tokens
    cost: Amount | None
    price_id: int | None
    unpriced_reason: str | None
    repeats: str | None = Field(description="Span id of the request that is billed for the same call.")
    level: int
    revision: int
    generation: int | None
    conversation_id: str | None
    response_id: str | None
    finish_reason: str | None


class Requests(Page):
    items: list[RequestItem]


class Interaction(Answer):
    """A conversation or a trace. Requests that repeat a call are in `repeats` and in no other number."""

    kind: Literal["conversation", "trace"]
    id: str
    tenants: list[str]
    scenarios: list[str]
    models: list[str]
    levels: list[int]
    requests: int
    errors: int
    timeouts: int
    refusals: int
    rejections: int
    tokens: Tokens
    cost: list[Amount] = Field(description="By currency.")
    unpriced_requests: int
    repeats: int
    started_at: str
    ended_at: str
    duration_ms: float = Field(description="From the first start to the last end.")
    requests_left_out: bool = Field(description="It has more than 1,000 requests: the newest are added up.")


class InteractionWhole(Interaction):
    items: list[RequestItem]


class Interactions(Page):
    items: list[Interaction]


class SignalItem(Answer):
    """One metric of one group: of a gauge `mean` and `last` say how it is, of a counter `total` how much more there was."""

    metric: str
    tenant: str | None = Field(None, description="This and the next six: only where grouped by.")
    scenario: str | None = None
    model: str | None = None
    provider: str | None = None
    backend: str | None = None
    pool: str | None = None
    detail: str | None = None
    bucket: str | None = Field(None, description="Where a grain was asked for: its start.")
    unit: str | None
    kind: Literal["gauge", "counter", "histogram"] | None
    samples: int
    total: float
    mean: float | None
    least: float | None
    most: float | None
    last: float | None
    last_at: str | None
    latency_ms: dict[str, float | None] | None = Field(None, description="Percentiles of a histogram.")


class Signals(Page):
    items: list[SignalItem]


class Engine(Answer):
    """One serving backend: gauges of the last 90 s, null where it says none; counts of the last hour."""

    backend: str
    running: float | None
    waiting: float | None
    concurrency_limit: float | None
    kv_cache_usage: float | None = Field(description="0 to 1; of several, the fullest.")
    prefix_cache_hit_rate: float | None = Field(description="0 to 1.")
    preemptions: int
    cold_starts: int
    cold_start_wait_s: float
    health: dict[str, int] = Field(description="Events by kind.")


class Engines(Page):
    items: list[Engine]


class MissReason(Answer):
    reason: str
    misses: int


class Cache(Answer):
    """Looks of the last hour into caches of one kind."""

    kind: str
    lookups: int
    hits: int
    hit_rate: float | None
    miss_reasons: list[MissReason] = Field(description="The commonest.")


class Caches(Page):
    items: list[Cache]
