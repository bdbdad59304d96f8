"""A span becomes a request, nothing of ours, or a refusal. Pure: time and settings come in as arguments."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from trivet.ingest.aliases import (
    ALIASES,
    FIRST_TOKEN_EVENTS,
    KNOWN_KEYS,
    LITELLM_USAGE,
    OTHER_OPERATIONS,
    PLACES,
    REQUEST_OPERATIONS,
)
from trivet.ingest.fact import (
    BAD_ID,
    ENDS_BEFORE_START,
    IN_THE_FUTURE,
    REJECTED,
    TOO_LONG,
    TOO_OLD,
    LookupFact,
    Refusal,
    Refused,
    RequestFact,
)
from trivet.ingest.identity import model_of, parameters_of, prompt_hash_of, provider_of
from trivet.ingest.outcome import finish_reason_of, outcome_of
from trivet.ingest.span import Attributes, Span, Wanted, clean
from trivet.ingest.tokens import INT32_MAX, count_of, disjoint, litellm_details

TRACE_ID_BYTES, SPAN_ID_BYTES = 16, 8
_NO_TRACE, _NO_SPAN = bytes(TRACE_ID_BYTES), bytes(SPAN_ID_BYTES)
LONGEST_NS = 2 * 86_400 * 10**9  # of one call; a rebuild looks this far back for calls that end in its hours
BLOCKS_LIMIT = 1_024  # block ids kept of one prompt
BLOCK_LIMIT = 64  # characters of one
LEVEL_MAX = 3
_TOKEN_FIELDS = ("input", "output", "cache_read", "cache_write", "reasoning")
Said = dict[str, Any]  # what a span's attributes say, by the fields of `ALIASES`
_TRUE, _FALSE = frozenset({"true", "1", "yes"}), frozenset({"false", "0", "no"})


@dataclass(frozen=True, slots=True)
class Rules:
    """What settings say about spans. Times are nanoseconds; `hash_key` keys prompt hashes (empty: none are kept)."""

    tenant_attributes: tuple[str, ...] = ("trivet.tenant",)
    scenario_attributes: tuple[str, ...] = ("trivet.scenario",)
    tokens_limit: int = 100_000_000
    future_limit_ns: int = 900 * 10**9
    past_limit_ns: int = 30 * 86_400 * 10**9
    hash_key: bytes = field(default=b"", repr=False)

    @property
    def wanted(self) -> Wanted:
        """What decoding must keep for these rules."""
        return Wanted(KNOWN_KEYS | {*self.tenant_attributes, *self.scenario_attributes}, FIRST_TOKEN_EVENTS)


def normalise(span: Span, rules: Rules, now_ns: int) -> RequestFact | LookupFact | Refusal | None:
    """The request in a span; None where the span is no LLM call; a `Refusal` where it cannot be believed."""
    try:
        said = _said(span.attributes)
        if not _is_request(said):
            return None
        _check_identity(span)
        _check_times(span, rules, now_ns)
        return _request(span, said, rules)
    except Refused as refused:
        return Refusal(refused.reason)


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
        if result is None:
            others += 1
        elif isinstance(result, RequestFact):
            requests.append(result)
        elif isinstance(result, LookupFact):
            lookups.append(result)
        else:
            refusals.append(result.reason)
    return Normalised(requests, lookups, refusals, others)


def _is_request(said: Said) -> bool:
    """By the operation where it is one we know; else (an operation of its own, or none) by having token counts."""
    operation = said.get("operation")
    if isinstance(operation, str):
        operation = operation.lower()
        if operation in REQUEST_OPERATIONS:
            return True
        if operation in OTHER_OPERATIONS:
            return False
    return "input" in said or "output" in said


def _check_identity(span: Span) -> None:
    if len(span.trace_id) != TRACE_ID_BYTES or len(span.span_id) != SPAN_ID_BYTES:
        raise Refused(BAD_ID)
    if span.trace_id == _NO_TRACE or span.span_id == _NO_SPAN:
        raise Refused(BAD_ID)


def _check_times(span: Span, rules: Rules, now_ns: int) -> None:
    if span.end_ns < span.start_ns:
        raise Refused(ENDS_BEFORE_START)
    if span.end_ns - span.start_ns > LONGEST_NS:
        raise Refused(TOO_LONG)
    if span.start_ns < now_ns - rules.past_limit_ns:
        raise Refused(TOO_OLD)
    if span.end_ns > now_ns + rules.future_limit_ns:
        raise Refused(IN_THE_FUTURE)


def _request(span: Span, said: Said, rules: Rules) -> RequestFact:
    found = span.attributes
    details = litellm_details(found.get(LITELLM_USAGE)) if LITELLM_USAGE in found else {}
    tokens = disjoint(*(count_of(said.get(kind, details.get(kind)), rules.tokens_limit) for kind in _TOKEN_FIELDS))
    finish = finish_reason_of(said.get("finish"))
    outcome = outcome_of(
        stated=said.get("outcome"),
        error=said.get("error"),
        status=span.status,
        http_status=said.get("http_status"),
        finish=finish,
        exception=span.exception,
    )
    parameters = parameters_of(said.get("invocation"))
    streamed = _truth(said.get("streamed", parameters.get("stream")))
    start_us, end_us = span.start_ns // 1000, span.end_ns // 1000
    ttft_us = (
        None if streamed is False or outcome == REJECTED else _ttft_us(said.get("ttft_s"), span, end_us - start_us)
    )
    provider = provider_of(said.get("provider"))
    request_model = said.get("request_model", parameters.get("model") or span.resource.get("gen_ai.request.model"))
    return RequestFact(
        span.trace_id,
        span.span_id,
        span.parent_id if len(span.parent_id) == SPAN_ID_BYTES and span.parent_id != _NO_SPAN else None,
        start_us,
        end_us,
        _name(span, rules.tenant_attributes),
        _name(span, rules.scenario_attributes),
        _name(span, ALIASES["backend"]),
        _name(span, ALIASES["pool"]),
        provider,
        model_of(said.get("response_model"), request_model, provider),
        outcome,
        streamed if streamed is not None else ttft_us is not None,
        *tokens,
        ttft_us,
        inter_token_us(end_us - start_us, ttft_us, tokens[1] + tokens[4]),
        _whole(said.get("revision"), INT32_MAX) or 0,
        _whole(said.get("generation"), INT32_MAX),
        _whole(said.get("level"), LEVEL_MAX) or 0,
        _whole(said.get("output_limit", parameters.get("max_tokens")), INT32_MAX),
        _text(said.get("conversation")),
        finish,
        _text(said.get("response_id")),
        _text(said.get("reservation")),
        prompt_hash_of(found, rules.hash_key),
        _blocks(said.get("blocks")),
    )


def _said(attributes: Attributes) -> Said:
    """What the attributes say, by field: of several aliases the first in order that is not empty."""
    said: Said = {}
    ranks: dict[str, int] = {}
    for key, value in attributes.items():
        place = PLACES.get(key)
        if place is None or value == "":
            continue
        what, rank = place
        if what not in ranks or rank < ranks[what]:
            said[what], ranks[what] = value, rank
    return said


def _name(span: Span, keys: tuple[str, ...]) -> str:
    """A dimension's name: each key in turn on the span, then on its resource; '' for none."""
    for key in keys:
        value = span.attributes.get(key)
        if value is None or value == "":
            value = span.resource.get(key)
        if isinstance(value, str | int) and value != "":
            return clean(str(value)).strip()
    return ""


def _text(value: Any) -> str | None:
    return clean(str(value)) if isinstance(value, str | int) and value != "" else None


def _truth(value: Any) -> bool | None:
    """True, False, or None for not said; LiteLLM says it in words."""
    if isinstance(value, bool):
        return value
    if value is None:
        return None
    word = str(value).lower()
    return True if word in _TRUE else False if word in _FALSE else None


def _whole(value: Any, most: int) -> int | None:
    """A number of a policy or a limit; what is none, or out of range, is as if it had not been said."""
    if isinstance(value, str) and len(value) < 12 and value.isascii() and value.isdigit():
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if type(value) is int and 0 <= value <= most else None


def _ttft_us(stated: Any, span: Span, duration_us: int) -> int | None:
    """Time to the first token, as stated or by the first token's event; None where it cannot be."""
    if isinstance(stated, int | float) and not isinstance(stated, bool) and stated >= 0:
        ttft_us = round(stated * 1_000_000) if stated < INT32_MAX else duration_us + 1
    elif span.first_token_ns:
        ttft_us = (span.first_token_ns - span.start_ns) // 1000
    else:
        return None
    return ttft_us if 0 <= ttft_us <= duration_us else None


def inter_token_us(duration_us: int, ttft_us: int | None, output: int) -> int | None:
    """Mean time between two output tokens, reasoning included; None where fewer than two were streamed."""
    if ttft_us is None or output < 2:
        return None
    return (duration_us - ttft_us) // (output - 1)


def _blocks(blocks: Any) -> tuple[str, ...]:
    if not isinstance(blocks, list):
        return ()
    return tuple(clean(str(block), BLOCK_LIMIT) for block in blocks[:BLOCKS_LIMIT])
