"""Which attribute says what, for every emitter: data. A new emitter is new rows here (and operations in `operations`).

Each field lists the names it goes by, the first that a span gives counts. Names of the GenAI conventions of today come
first, older ones and those of single emitters after them, but where an emitter is known to put something else under the
convention's name. `since` and `until` are versions of the convention or emitter, '' where not known. `shape` reads the
value (`shapes.SHAPES`), where it is not the one of its field (`fields.FIELDS`).

Sources: OpenTelemetry GenAI semantic conventions (Development, 2026) and what OpenLLMetry, OpenInference, OpenLIT, LiteLLM,
vLLM, SGLang, the Vercel AI SDK, LangSmith and Pydantic AI put on the wire. What emitters say a call cost
(`gen_ai.usage.cost`, `litellm.cost.total`) is not read: money comes from the price book.
"""

from dataclasses import dataclass
from typing import Final

from trivet_collectors import semconv as sc

GENAI, OTEL, OURS = "GenAI", "OpenTelemetry", "Trivet"
OPENINFERENCE, OPENLLMETRY, OPENLIT = "OpenInference", "OpenLLMetry", "OpenLIT"
LITELLM, VLLM, SGLANG = "LiteLLM", "vLLM", "SGLang"
VERCEL, LANGSMITH, PYDANTIC, LANGFUSE = "Vercel AI SDK", "LangSmith", "Pydantic AI", "Langfuse"


@dataclass(frozen=True, slots=True)
class Name:
    """One attribute key under which a convention says a field."""

    key: str
    convention: str
    since: str = ""
    until: str = ""
    shape: str = ""


NAMES: Final[dict[str, tuple[Name, ...]]] = {
    # --- What was called ----------------------------------------------------------------------------------------------
    "operation": (
        Name("langsmith.span.kind", LANGSMITH),  # its gen_ai.operation.name calls a retriever "embeddings"
        Name(sc.GEN_AI_OPERATION_NAME, GENAI, since="1.27"),
        Name("ai.operationId", VERCEL, since="3.3"),
        Name("llm.request.type", OPENLLMETRY),
        Name("openinference.span.kind", OPENINFERENCE),
        Name("traceloop.span.kind", OPENLLMETRY),
        Name("langfuse.observation.type", LANGFUSE, since="3"),
    ),
    "agent": (
        Name("gen_ai.agent.name", GENAI, since="1.31"),
        Name("agent_name", PYDANTIC),
        Name("gen_ai.workflow.name", GENAI, since="1.40"),
    ),
    "provider": (
        Name(sc.GEN_AI_PROVIDER_NAME, GENAI, since="1.37"),
        Name("ai.model.provider", VERCEL, shape="dotted_provider"),  # its gen_ai.system says the same, dots and all
        Name("gen_ai.system", GENAI, until="1.36"),
        Name("llm.provider", OPENINFERENCE),
        Name("llm.system", OPENINFERENCE),
    ),
    # LiteLLM's response model is the proxy's alias, also after a degrade: what it called upstream is the priced model.
    "response_model": (
        Name("litellm.provider.model", LITELLM),
        Name(sc.GEN_AI_RESPONSE_MODEL, GENAI),
        Name("llm.response.model", OPENLLMETRY, until="0.20"),
        Name("ai.response.model", VERCEL),
    ),
    "request_model": (
        Name(sc.GEN_AI_REQUEST_MODEL, GENAI),
        Name("llm.request.model", OPENLLMETRY, until="0.20"),
        Name("llm.model_name", OPENINFERENCE),
        Name("embedding.model_name", OPENINFERENCE),
        Name("reranker.model_name", OPENINFERENCE),
        Name("ai.model.id", VERCEL),
        Name("model_name", PYDANTIC),
        Name("litellm.model_group", LITELLM),
    ),
    "version": (Name(sc.TRIVET_MODEL_VERSION, OURS),),
    "region": (
        Name(sc.TRIVET_REGION, OURS),
        Name("aws.region", OTEL),
        Name("server.address", OTEL, shape="region_of_host"),  # where the model is; the next is where its caller is
        Name("cloud.region", OTEL),
    ),
    "parameters": (
        Name("llm.invocation_parameters", OPENINFERENCE),
        Name("embedding.invocation_parameters", OPENINFERENCE),
    ),
    "output_limit": (
        Name(sc.GEN_AI_REQUEST_MAX_TOKENS, GENAI),
        Name("llm.request.max_tokens", OPENLLMETRY, until="0.20"),
        Name("ai.settings.maxOutputTokens", VERCEL, since="5"),
        Name("ai.settings.maxTokens", VERCEL, until="4"),
    ),
    # --- Tokens: as told; `tokens` makes them disjoint ----------------------------------------------------------------
    "input": (
        Name(sc.GEN_AI_USAGE_INPUT_TOKENS, GENAI, since="1.27"),
        Name("gen_ai.usage.prompt_tokens", GENAI, until="1.26"),  # vLLM and SGLang still
        Name("llm.usage.prompt_tokens", OPENLLMETRY, until="0.20"),
        Name("llm.token_count.prompt", OPENINFERENCE),
        Name("ai.usage.inputTokens", VERCEL, since="5"),
        Name("ai.usage.promptTokens", VERCEL, until="4"),
        Name("ai.usage.tokens", VERCEL),  # of an embedding
    ),
    "output": (
        Name(sc.GEN_AI_USAGE_OUTPUT_TOKENS, GENAI, since="1.27"),
        Name("gen_ai.usage.completion_tokens", GENAI, until="1.26"),
        Name("llm.usage.completion_tokens", OPENLLMETRY, until="0.20"),
        Name("llm.token_count.completion", OPENINFERENCE),
        Name("ai.usage.outputTokens", VERCEL, since="5"),
        Name("ai.usage.completionTokens", VERCEL, until="4"),
    ),
    "cache_read": (
        Name(sc.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS, GENAI, since="1.40"),
        Name("gen_ai.usage.cache_read_input_tokens", OPENLLMETRY, until="0.50"),
        Name("gen_ai.usage.prompt_tokens_details.cached_tokens", OPENLIT),
        Name("gen_ai.usage.cached_tokens", SGLANG),
        Name("gen_ai.usage.details.cache_read_tokens", PYDANTIC),
        Name("gen_ai.usage.details.cache_read_input_tokens", PYDANTIC),
        Name("llm.usage.cache_read_input_tokens", OPENLLMETRY, until="0.40"),
        Name("llm.token_count.prompt_details.cache_read", OPENINFERENCE),
        Name("ai.usage.inputTokenDetails.cacheReadTokens", VERCEL, since="6"),
        Name("ai.usage.cachedInputTokens", VERCEL, since="5"),
    ),
    "cache_write": (
        Name(sc.GEN_AI_USAGE_CACHE_WRITE_INPUT_TOKENS, GENAI, since="1.42"),
        Name("gen_ai.usage.cache_creation.input_tokens", GENAI, since="1.40", until="1.41"),
        Name("gen_ai.usage.cache_creation_input_tokens", OPENLLMETRY, until="0.50"),
        Name("gen_ai.usage.prompt_tokens_details.cache_creation_tokens", OPENLIT),
        Name("gen_ai.usage.details.cache_write_tokens", PYDANTIC),
        Name("gen_ai.usage.details.cache_creation_input_tokens", PYDANTIC),
        Name("llm.usage.cache_creation_input_tokens", OPENLLMETRY, until="0.40"),
        Name("llm.token_count.prompt_details.cache_write", OPENINFERENCE),
        Name("ai.usage.inputTokenDetails.cacheWriteTokens", VERCEL, since="6"),
    ),
    "reasoning": (
        Name(sc.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS, GENAI, since="1.42"),
        Name("gen_ai.usage.reasoning_tokens", OPENLLMETRY),
        Name("llm.usage.reasoning_tokens", OPENLLMETRY, until="0.40"),
        Name("gen_ai.usage.completion_tokens_details.reasoning_tokens", OPENLIT),
        Name("gen_ai.usage.details.reasoning_tokens", PYDANTIC),
        Name("gen_ai.usage.details.thoughts_tokens", PYDANTIC),
        Name("llm.token_count.completion_details.reasoning", OPENINFERENCE),
        Name("ai.usage.outputTokenDetails.reasoningTokens", VERCEL, since="6"),
        Name("ai.usage.reasoningTokens", VERCEL, since="5"),
    ),
    # Never added: they tell whether the cached and reasoning tokens are inside the two counts above.
    "total": (
        Name("gen_ai.usage.total_tokens", OPENLLMETRY),
        Name("llm.usage.total_tokens", OPENLLMETRY, until="0.40"),
        Name("llm.token_count.total", OPENINFERENCE),
        Name("ai.usage.totalTokens", VERCEL, since="5"),
    ),
    "uncached": (Name("ai.usage.inputTokenDetails.noCacheTokens", VERCEL, since="6"),),
    "input_details": (
        Name("gen_ai.usage.input_token_details", LANGSMITH, shape="json_details"),
        Name("metadata.usage_object", LITELLM, until="1"),  # a Python repr: its v1 spans have them nowhere else
    ),
    "output_details": (Name("gen_ai.usage.output_token_details", LANGSMITH, shape="json_details"),),
    # --- How it went --------------------------------------------------------------------------------------------------
    "streamed": (
        Name(sc.GEN_AI_REQUEST_STREAM, GENAI, since="1.40"),
        Name("gen_ai.is_streaming", OPENLLMETRY),
        Name("llm.is_streaming", LITELLM, until="1"),
        Name("litellm.request.streaming", LITELLM, since="2"),
        Name("langsmith.request.streaming", LANGSMITH),
    ),
    "ttft_us": (
        Name(sc.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK, GENAI, since="1.40"),
        Name("gen_ai.latency.time_to_first_token", VLLM),
        Name("gen_ai.server.time_to_first_token", OPENLIT),
        Name("gen_ai.client.operation.time_to_first_chunk", VERCEL, since="7"),
        Name("ai.response.msToFirstChunk", VERCEL, shape="milliseconds"),
        Name("ai.stream.msToFirstChunk", VERCEL, until="3", shape="milliseconds"),
    ),
    "finish": (
        Name(sc.GEN_AI_RESPONSE_FINISH_REASONS, GENAI),
        Name("gen_ai.response.finish_reason", OPENLLMETRY),
        Name("llm.response.finish_reason", OPENLLMETRY, until="0.20"),
        Name("llm.response.stop_reason", OPENLLMETRY, until="0.20"),
        Name("llm.finish_reason", OPENINFERENCE),
        Name("ai.response.finishReason", VERCEL),
        Name("ai.finishReason", VERCEL, until="3"),
    ),
    "outcome": (Name(sc.TRIVET_OUTCOME, OURS),),
    "error": (Name(sc.ERROR_TYPE, OTEL),),
    "http_status": (
        Name("http.response.status_code", OTEL),
        Name("http.status_code", OTEL, until="1.20"),
        Name("error.code", LITELLM, until="1"),
        Name("litellm.provider.error.code", LITELLM, since="2"),
    ),
    "error_message": (
        Name("error.message", OTEL),
        Name("exception.message", OTEL),
        Name("litellm.provider.error.message", LITELLM, since="2"),
    ),
    "response_id": (
        Name(sc.GEN_AI_RESPONSE_ID, GENAI),
        Name("ai.response.id", VERCEL),
        Name("gen_ai.request.id", VLLM),  # what it answers with as the response's id
    ),
    "conversation": (
        Name(sc.GEN_AI_CONVERSATION_ID, GENAI),
        Name("session.id", OPENINFERENCE),
        Name("langfuse.session.id", LANGFUSE),
        Name("traceloop.association.properties.session_id", OPENLLMETRY),
        Name("langsmith.trace.session_id", LANGSMITH),
        Name("ai.telemetry.metadata.sessionId", VERCEL),
    ),
    # What answered decides, else what was asked for: it has a price of its own.
    "tier": (
        Name(sc.TRIVET_SERVICE_TIER, OURS),  # a batch: nobody else says that a call was part of one
        Name("openai.response.service_tier", GENAI, since="1.37"),
        Name("gen_ai.openai.response.service_tier", GENAI, until="1.36"),
        Name("openai.request.service_tier", GENAI, since="1.37"),
        Name("gen_ai.openai.request.service_tier", GENAI, until="1.36"),
    ),
    "tool": (
        Name("gen_ai.tool.name", GENAI, since="1.31"),
        Name("tool.name", OPENINFERENCE),
        Name("ai.toolCall.name", VERCEL),
        Name("traceloop.entity.name", OPENLLMETRY),  # of a span of kind "tool": the only ones whose tool is asked for
    ),
    "cold_start": (Name(sc.TRIVET_COLD_START, OURS), Name(sc.FAAS_COLDSTART, OTEL)),
    "cold_start_us": (Name(sc.TRIVET_COLD_START_DURATION, OURS),),
    # --- Looks into caches, beside the counts of cached tokens --------------------------------------------------------
    "prompt_hit": (Name(sc.TRIVET_CACHE_PROMPT_HIT, OURS),),
    "prompt_miss": (Name(sc.TRIVET_CACHE_PROMPT_MISS_REASON, OURS),),
    "kv_hit": (Name(sc.TRIVET_CACHE_KV_HIT, OURS),),
    "kv_miss": (Name(sc.TRIVET_CACHE_KV_MISS_REASON, OURS),),
    "retrieval_hit": (Name(sc.TRIVET_CACHE_RETRIEVAL_HIT, OURS),),
    "retrieval_miss": (Name(sc.TRIVET_CACHE_RETRIEVAL_MISS_REASON, OURS),),
    "response_hit": (Name(sc.TRIVET_CACHE_RESPONSE_HIT, OURS), Name("litellm.cache_hit", LITELLM)),
    "response_miss": (Name(sc.TRIVET_CACHE_RESPONSE_MISS_REASON, OURS),),
    # --- Trivet's own -------------------------------------------------------------------------------------------------
    "backend": (Name(sc.TRIVET_BACKEND, OURS),),
    "pool": (Name(sc.TRIVET_POOL, OURS),),
    "reservation": (Name(sc.TRIVET_RESERVATION, OURS),),
    "end_user": (
        Name(sc.TRIVET_END_USER, OURS),
        Name("enduser.id", OTEL),
        Name("user.id", OTEL),
        Name("langfuse.user.id", LANGFUSE),
        Name("gen_ai.user", OPENLLMETRY),
        Name("llm.user", OPENLLMETRY),
        Name("traceloop.association.properties.user_id", OPENLLMETRY),
        Name("ai.telemetry.metadata.userId", VERCEL),
    ),
    "revision": (Name(sc.TRIVET_POLICY_REVISION, OURS),),
    "generation": (Name(sc.TRIVET_POLICY_GENERATION, OURS),),
    "level": (Name(sc.TRIVET_DEGRADE_LEVEL, OURS),),
    "blocks": (Name(sc.TRIVET_PROMPT_BLOCKS, OURS),),
    # --- The prompt, where an application chose to send it: only a keyed hash is kept, never the text -----------------
    "instructions": (Name("gen_ai.system_instructions", GENAI, since="1.37"),),
    "messages": (Name("gen_ai.input.messages", GENAI, since="1.37"), Name("ai.prompt.messages", VERCEL)),
    "prompt": (Name("gen_ai.prompt", GENAI, until="1.26"),),
    "prompt_value": (Name("input.value", OPENINFERENCE),),
}

# Events that mark the first token of a stream.
FIRST_TOKEN_EVENTS: Final = frozenset(
    {
        "gen_ai.content.completion.chunk",  # OpenLLMetry
        "llm.content.completion.chunk",  # OpenLLMetry, older
        "First Token Stream Event",  # OpenInference
        "ai.stream.firstChunk",  # Vercel AI SDK
        "new_token",  # LangSmith
    }
)
