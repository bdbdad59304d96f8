"""What one span comes to: a request, nothing of ours, or a refusal with its reason."""

from dataclasses import dataclass

from trivet.ingest.models import OUTCOMES
from trivet.ingest.request.context import class_of

OK, ERROR, TIMEOUT, REFUSED, REJECTED = range(len(OUTCOMES))

# Why a call did not end well, where its span says; stored as the index. The outcome says how it counts, this says why.
CAUSES = (
    "", "timeout", "content_filter", "refusal", "rate_limit", "concurrency_limit", "out_of_memory", "model_load",
    "context_length", "cancelled", "unavailable", "invalid_request", "other",
)  # fmt: skip

# What a call is worth whatever the price book says: its shape. '' where the book decides; one answered from a cache of
# responses cost nothing, the others cannot be priced.
SHAPES = ("", "no_tokens", "no_model", "unknown_operation", "cached")
CACHED = SHAPES.index("cached")
NO_PRICE = "no_price"  # why a call of no such shape has none: the book has no price for it

CACHE_KINDS = ("prompt", "kv", "retrieval", "response")

# Why a span is not counted: the names in partial success, in `denial` and in Prometheus.
BAD_ID = "bad_id"
ENDS_BEFORE_START = "ends_before_start"
TOO_LONG = "too_long"
TOO_OLD = "too_old"
IN_THE_FUTURE = "in_the_future"
TOKENS_NEGATIVE = "tokens_negative"
TOKENS_NOT_A_NUMBER = "tokens_not_a_number"
TOKENS_OVER_LIMIT = "tokens_over_limit"
TOO_MANY_NEW_NAMES = "too_many_new_names"  # of one dimension in one export


@dataclass(frozen=True, slots=True)
class Refusal:
    """This span is refused by partial success; the others are kept."""

    reason: str


class Refused(Exception):
    """Carries a reason out of the depths of a span."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class CacheLookup:
    """One look into one of `CACHE_KINDS`, and why it missed where the source says."""

    kind: str
    hit: bool
    reason: str = ""


TOOL, RETRIEVAL = "tool", "retrieval"  # what a span that is no call of a model calls


@dataclass(slots=True)
class LookupFact:
    """A retrieval, or a tool's call (`callee`), as a span of its own. Identity and times as those of a request.

    `called` is `TOOL`, `RETRIEVAL`, or '' where the span only says that it looked into a cache.
    """

    trace_id: bytes
    span_id: bytes
    start_us: int
    end_us: int
    tenant: str
    scenario: str
    backend: str
    lookups: tuple[CacheLookup, ...]
    called: str = ""
    callee: str = ""


@dataclass(slots=True)
class RequestFact:
    """One LLM call. Times are microseconds since 1970, tokens disjoint kinds, names empty where the span gave none."""

    trace_id: bytes
    span_id: bytes
    parent_id: bytes | None
    start_us: int
    end_us: int
    tenant: str
    scenario: str
    backend: str
    pool: str
    provider: str
    model: str
    outcome: int
    streamed: bool
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    ttft_us: int | None
    inter_token_us: int | None
    revision: int
    generation: int | None
    level: int
    output_limit: int | None
    conversation_id: str | None
    finish_reason: str | None
    response_id: str | None
    reservation: str | None
    prompt_hash: bytes | None
    blocks: tuple[str, ...]
    version: str = ""  # of the model: its dated snapshot, weights or adapter
    region: str = ""
    cause: int = 0  # index into `CAUSES`
    shape: str = ""  # one of `SHAPES`
    tier: str = ""  # the service tier it is priced in (`pricing.tier`)
    cold_start_us: int | None = None  # 0 where the source says only that there was one
    lookups: tuple[CacheLookup, ...] = ()
    end_user: str = ""  # as named, or what stands for the name where settings say so

    @property
    def context_class(self) -> int:
        """Band of the input's length, cached tokens included: an index into `context.CLASSES`."""
        return class_of(self.input_tokens + self.cache_read_tokens + self.cache_write_tokens)

    @property
    def key(self) -> tuple[str, int, bytes, bytes]:
        """Identity, together with the tenant that a bound key decides."""
        return self.tenant, self.start_us, self.trace_id, self.span_id

    @property
    def measured(self) -> bool:
        """Whether the span said anything about tokens."""
        return bool(
            self.input_tokens
            or self.output_tokens
            or self.cache_read_tokens
            or self.cache_write_tokens
            or self.reasoning_tokens
        )
