"""A span becomes a request, a look into a cache, nothing of ours, or a refusal. Pure: time and settings are arguments."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from trivet.ingest.decode.span import Span
from trivet.ingest.decode.wanted import Wanted, wanted_of
from trivet.ingest.dialect import kinds
from trivet.ingest.dialect.fields import (
    BACKEND,
    BLOCKS,
    COLD_START,
    COLD_START_US,
    CONVERSATION,
    END_USER,
    FINISH,
    GENERATION,
    LEVEL,
    OPERATION,
    OUTPUT_LIMIT,
    PARAMETERS,
    POOL,
    PROVIDER,
    REGION,
    REQUEST_MODEL,
    RESERVATION,
    RESPONSE_HIT,
    RESPONSE_ID,
    RESPONSE_MODEL,
    REVISION,
    SCENARIO,
    STREAMED,
    TENANT,
    TIER,
    TOOL,
    TTFT_US,
    VERSION,
    Said,
)
from trivet.ingest.dialect.operations import RETRIEVAL_OPERATIONS, TOOL_OPERATIONS
from trivet.ingest.dialect.shapes import flag, text, whole
from trivet.ingest.request.fact import (
    BAD_ID,
    ENDS_BEFORE_START,
    IN_THE_FUTURE,
    OK,
    REJECTED,
    RETRIEVAL,
    TOO_LONG,
    TOO_OLD,
    LookupFact,
    Refusal,
    Refused,
    RequestFact,
)
from trivet.ingest.request.fact import TOOL as TOOL_CALL
from trivet.ingest.request.identity import end_user_of, model_and_version, prompt_hash_of
from trivet.ingest.request.lookups import lookups_of, told_of
from trivet.ingest.request.outcome import ending_of
from trivet.ingest.request.tokens import tokens_of
from trivet.pricing.tier import tier_of

TRACE_ID_BYTES, SPAN_ID_BYTES = 16, 8
_NO_TRACE, _NO_SPAN = bytes(TRACE_ID_BYTES), bytes(SPAN_ID_BYTES)
LONGEST_NS = 2 * 86_400 * 10**9  # of one call; a rebuild looks this far back for calls that end in its hours

UNNAMED = "unnamed"  # a tool whose span does not name it
NO_TOKENS, NO_MODEL, UNKNOWN_OPERATION, CACHED = "no_tokens", "no_model", "unknown_operation", "cached"


@dataclass(frozen=True, slots=True)
class Rules:
    """What settings say about spans. Times are nanoseconds; `hash_key` keys hashes of prompts (empty: none are kept) and of
    end users, who are kept by `end_users`: `named`, `hashed` or `off`.
    """

    tenant_attributes: tuple[str, ...] = ("trivet.tenant",)
    scenario_attributes: tuple[str, ...] = ("trivet.scenario",)
    tokens_limit: int = 100_000_000
    future_limit_ns: int = 900 * 10**9
    past_limit_ns: int = 30 * 86_400 * 10**9
    hash_key: bytes = field(default=b"", repr=False)
    end_users: str = "named"

    @property
    def wanted(self) -> Wanted:
        """What decoding must keep for these rules."""
        return wanted_of(self.tenant_attributes, self.scenario_attributes)


@dataclass(frozen=True, slots=True)
class Normalised:
    """What an export of spans came to: `refusals` are reasons, one a span; `others` counts spans that are none of ours."""

    requests: list[RequestFact]
    lookups: list[LookupFact]
    refusals: list[str]
    others: int


def normalise_all(spans: Iterable[Span], rules: Rules, now_ns: int) -> Normalised:
    """Every span of an export, each for what it is."""
    requests: list[RequestFact] = []
    lookups: list[LookupFact] = []
    refusals: list[str] = []
    others = 0
    for span in spans:
        result = normalise(span, rules, now_ns)
        if isinstance(result, RequestFact):
            requests.append(result)
        elif result is None:
            others += 1
        elif isinstance(result, LookupFact):
            lookups.append(result)
        else:
            refusals.append(result.reason)
    return Normalised(requests, lookups, refusals, others)


def normalise(span: Span, rules: Rules, now_ns: int) -> RequestFact | LookupFact | Refusal | None:
    """What is in a span; None where it is no LLM call; a `Refusal` where it cannot be believed."""
    kind = kinds.kind_of(span.said)
    if kind == kinds.NONE:
        return None
    try:
        _check_identity(span)
        _check_times(span, rules, now_ns)
        if kind == kinds.LOOKUP:
            return _lookup(span)
        return _request(span, rules, UNKNOWN_OPERATION if kind == kinds.UNKNOWN else "")
    except Refused as refused:
        return Refusal(refused.reason)


def _check_identity(span: Span) -> None:
    if len(span.trace_id) != TRACE_ID_BYTES or len(span.span_id) != SPAN_ID_BYTES:
        raise Refused(BAD_ID)
    if span.trace_id == _NO_TRACE or span.span_id == _NO_SPAN:
        raise Refused(BAD_ID)


def _check_times(span: Span, rules: Rules, now_ns: int) -> None:
    start_ns, end_ns = span.start_ns, span.end_ns
    if end_ns < start_ns:
        raise Refused(ENDS_BEFORE_START)
    if end_ns - start_ns > LONGEST_NS:
        raise Refused(TOO_LONG)
    if start_ns < now_ns - rules.past_limit_ns:
        raise Refused(TOO_OLD)
    if end_ns > now_ns + rules.future_limit_ns:
        raise Refused(IN_THE_FUTURE)


def _lookup(span: Span) -> LookupFact:
    said = span.said
    return LookupFact(
        span.trace_id,
        span.span_id,
        span.start_ns // 1000,
        span.end_ns // 1000,
        said[TENANT] or "",
        said[SCENARIO] or "",
        said[BACKEND] or "",
        told_of(said),
        called := _called(said[OPERATION]),
        (said[TOOL] or UNNAMED) if called == TOOL_CALL else "",
    )


def _called(operation: str | None) -> str:
    return TOOL_CALL if operation in TOOL_OPERATIONS else RETRIEVAL if operation in RETRIEVAL_OPERATIONS else ""


def _request(span: Span, rules: Rules, shape: str) -> RequestFact:
    said = span.said
    _from_parameters(said)
    tokens = _, output, cache_read, _, reasoning = tokens_of(said, rules.tokens_limit)
    measured = any(tokens)
    outcome, cause = ending_of(span)
    provider = said[PROVIDER] or ""
    model, version = model_and_version(said[RESPONSE_MODEL] or said[REQUEST_MODEL] or "", provider)
    start_us, end_us = span.start_ns // 1000, span.end_ns // 1000
    streamed = said[STREAMED]
    ttft_us = None if streamed is False or outcome == REJECTED else _ttft_us(span, end_us - start_us)
    if said[RESPONSE_HIT]:
        shape = CACHED
    elif not shape:
        shape = NO_MODEL if not model else NO_TOKENS if outcome == OK and not measured else ""
    parent_id = span.parent_id
    return RequestFact(
        span.trace_id,
        span.span_id,
        parent_id if len(parent_id) == SPAN_ID_BYTES and parent_id != _NO_SPAN else None,
        start_us,
        end_us,
        said[TENANT] or "",
        said[SCENARIO] or "",
        said[BACKEND] or "",
        said[POOL] or "",
        provider,
        model,
        outcome,
        streamed if streamed is not None else ttft_us is not None,
        *tokens,
        ttft_us,
        inter_token_us(end_us - start_us, ttft_us, output + reasoning),
        said[REVISION] or 0,
        said[GENERATION],
        said[LEVEL] or 0,
        said[OUTPUT_LIMIT],
        said[CONVERSATION],
        said[FINISH],
        said[RESPONSE_ID],
        said[RESERVATION],
        prompt_hash_of(said, rules.hash_key),
        said[BLOCKS] or (),
        said[VERSION] or version,
        said[REGION] or "",
        cause,
        shape,
        said[TIER] or "",
        _cold_start_us(said),
        lookups_of(said, cache_read, measured),
        end_user_of(said[END_USER], rules.end_users, rules.hash_key) if said[END_USER] else "",
    )


def _from_parameters(said: Said) -> None:
    """What OpenInference says only in its call parameters."""
    parameters = said[PARAMETERS]
    if not parameters:
        return
    for slot, key, shape in (
        (REQUEST_MODEL, "model", text),
        (STREAMED, "stream", flag),
        (OUTPUT_LIMIT, "max_tokens", whole),
        (TIER, "service_tier", tier_of),
    ):
        if said[slot] is None and parameters.get(key) is not None:
            said[slot] = shape(parameters[key])


def _cold_start_us(said: Said) -> int | None:
    """How long a call waited for a start, 0 where it is only said that there was one, None where there was none."""
    if said[COLD_START] is False:
        return None
    waited: int | None = said[COLD_START_US]
    return waited if waited is not None else 0 if said[COLD_START] else None


def _ttft_us(span: Span, duration_us: int) -> int | None:
    """Time to the first token, as stated or by the first token's event; None where it cannot be."""
    ttft_us: int | None = span.said[TTFT_US]
    if ttft_us is None:
        if not span.first_token_ns:
            return None
        ttft_us = (span.first_token_ns - span.start_ns) // 1000
    return ttft_us if 0 <= ttft_us <= duration_us else None


def inter_token_us(duration_us: int, ttft_us: int | None, output: int) -> int | None:
    """Mean time between two output tokens, reasoning included; None where fewer than two were streamed."""
    if ttft_us is None or output < 2:
        return None
    return (duration_us - ttft_us) // (output - 1)
