"""What a call's span says. Pure: LiteLLM's logging payload in, span attributes out.

The model told is the provider's, which has a price, and not the proxy's alias.
"""

from collections.abc import Mapping
from typing import Any, Final

from trivet_collectors import semconv as sc
from trivet_collectors.litellm.caller import Caller
from trivet_collectors.policy.admission import Turned
from trivet_collectors.policy.client import attributes_of
from trivet_collectors.policy.evaluate import FlagValue
from trivet_collectors.policy.lane import Usage

Attributes = dict[str, Any]

# Kinds of calls to a model, as LiteLLM names them, and the operation that they are. No other is touched.
OPERATIONS: Final[Mapping[str, str]] = {
    "completion": "chat", "acompletion": "chat", "responses": "chat", "aresponses": "chat",
    "anthropic_messages": "chat", "aanthropic_messages": "chat",
    "text_completion": "text_completion", "atext_completion": "text_completion",
    "embedding": "embeddings", "aembedding": "embeddings", "rerank": "rerank", "arerank": "rerank",
    "generate_content": "generate_content", "agenerate_content": "generate_content",
    "generate_content_stream": "generate_content", "agenerate_content_stream": "generate_content",
    "image_generation": "generate_content", "aimage_generation": "generate_content",
}  # fmt: skip
CANCELLED: Final = "cancelled"
TIMEOUTS: Final = ("timeout",)
REFUSALS: Final = ("contentpolicy",)


def at_start(
    call_type: str, body: Mapping[str, Any], caller: Caller, backend: str, flags: Mapping[str, FlagValue]
) -> Attributes:
    """What is known when a call comes in: who, what, and the policy it runs under."""
    said: Attributes = {
        sc.GEN_AI_OPERATION_NAME: OPERATIONS[call_type],
        sc.GEN_AI_REQUEST_MODEL: str(body.get("model") or ""),
        sc.GEN_AI_REQUEST_STREAM: bool(body.get("stream")),
        sc.GEN_AI_REQUEST_MAX_TOKENS: _output_limit(body),
        sc.GEN_AI_CONVERSATION_ID: caller.session,
        sc.TRIVET_TENANT: caller.tenant,
        sc.TRIVET_SCENARIO: caller.scenario,
        sc.TRIVET_END_USER: caller.end_user,
        sc.TRIVET_BACKEND: backend,
        sc.TRIVET_SERVICE_TIER: str(body.get("service_tier") or ""),
        **attributes_of(flags),
    }
    return {name: value for name, value in said.items() if value not in ("", None)}


def _output_limit(body: Mapping[str, Any]) -> int | None:
    names = ("max_completion_tokens", "max_tokens", "max_output_tokens")
    return next((body[name] for name in names if isinstance(body.get(name), int)), None)


def turned_away(turned: Turned) -> Attributes:
    """Of a call that was not let in. A refusal by the policy is no error of the service."""
    return {sc.TRIVET_OUTCOME: sc.OUTCOME_REJECTED, sc.TRIVET_REASON: turned.kind}


def at_end(payload: Mapping[str, Any], began_s: float, finish: str | None) -> Attributes:
    """Of a call that went well; `payload` is LiteLLM's standard logging payload, `began_s` when the call came in."""
    usage = usage_of(payload)
    said: Attributes = {
        sc.TRIVET_OUTCOME: sc.OUTCOME_OK,
        sc.GEN_AI_PROVIDER_NAME: payload.get("custom_llm_provider"),
        sc.GEN_AI_REQUEST_MODEL: model_of(payload),
        sc.GEN_AI_RESPONSE_MODEL: model_of(payload),
        sc.GEN_AI_RESPONSE_ID: payload.get("id"),
        sc.GEN_AI_RESPONSE_FINISH_REASONS: [finish] if finish else None,
        sc.GEN_AI_USAGE_INPUT_TOKENS: usage.input + usage.cache_read + usage.cache_write,
        sc.GEN_AI_USAGE_OUTPUT_TOKENS: usage.output + usage.reasoning,
        sc.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS: usage.cache_read or None,
        sc.GEN_AI_USAGE_CACHE_WRITE_INPUT_TOKENS: usage.cache_write or None,
        sc.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS: usage.reasoning or None,
        sc.TRIVET_CACHE_RESPONSE_HIT: True if payload.get("cache_hit") else None,
    }
    first_s = payload.get("completionStartTime")
    if payload.get("stream") and isinstance(first_s, int | float) and first_s >= began_s:
        said[sc.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK] = first_s - began_s
    return {name: value for name, value in said.items() if value not in ("", None)}


def failed(error: BaseException) -> Attributes:
    """Of a call that failed, also after the proxy's retries and fallbacks."""
    kind = type(error).__name__
    status = getattr(error, "status_code", None)
    if any(word in kind.lower() for word in TIMEOUTS) or status in (408, 504):
        outcome = sc.OUTCOME_TIMEOUT
    elif any(word in kind.lower() for word in REFUSALS):
        outcome = sc.OUTCOME_REFUSED
    else:
        outcome = sc.OUTCOME_ERROR
    return {sc.TRIVET_OUTCOME: outcome, sc.ERROR_TYPE: str(status) if isinstance(status, int) else kind}


def cancelled() -> Attributes:
    """Of a call whose caller left, or of which nothing was heard again: no failure of the service, and of unknown cost."""
    return {sc.TRIVET_OUTCOME: sc.OUTCOME_OK, sc.GEN_AI_RESPONSE_FINISH_REASONS: [CANCELLED]}


def model_of(payload: Mapping[str, Any]) -> str:
    """The provider's name of the model, without the provider."""
    model, provider = str(payload.get("model") or ""), str(payload.get("custom_llm_provider") or "")
    return model.removeprefix(f"{provider}/") if provider else model


def usage_of(payload: Mapping[str, Any]) -> Usage:
    """Tokens by disjoint kinds. LiteLLM counts as OpenAI does: cached ones inside input, reasoning inside output."""
    metadata = payload.get("metadata")
    said = _mapping(metadata.get("usage_object") if isinstance(metadata, Mapping) else None)
    of_input, of_output = _mapping(said.get("prompt_tokens_details")), _mapping(said.get("completion_tokens_details"))
    whole_input, whole_output = _count(payload.get("prompt_tokens")), _count(payload.get("completion_tokens"))
    read = min(whole_input, _count(of_input.get("cached_tokens") or said.get("cache_read_input_tokens")))
    write = min(
        whole_input - read,
        _count(of_input.get("cache_creation_tokens") or said.get("cache_creation_input_tokens")),
    )
    reasoning = min(whole_output, _count(of_output.get("reasoning_tokens")))
    return Usage(whole_input - read - write, whole_output - reasoning, read, write, reasoning)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
