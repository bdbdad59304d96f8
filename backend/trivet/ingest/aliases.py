"""Which attribute says what, and which spans are requests: data, tried in the order written.

First the GenAI conventions of today, then what emitters still send. Sources: OpenTelemetry GenAI semantic conventions
(Development, 2026), OpenLLMetry, OpenInference, OpenLIT, LiteLLM, vLLM and SGLang as seen on the wire.
"""

from trivet_collectors import semconv as sc

ALIASES: dict[str, tuple[str, ...]] = {
    "operation": (sc.GEN_AI_OPERATION_NAME, "llm.request.type", "openinference.span.kind", "traceloop.span.kind"),
    "provider": (sc.GEN_AI_PROVIDER_NAME, "gen_ai.system", "llm.provider", "llm.system"),
    # LiteLLM's response model is the proxy's alias, also after a degrade: what it called upstream is the priced model.
    "response_model": ("litellm.provider.model", sc.GEN_AI_RESPONSE_MODEL, "llm.response.model"),
    "request_model": (sc.GEN_AI_REQUEST_MODEL, "llm.request.model", "llm.model_name", "embedding.model_name"),
    "input": (
        sc.GEN_AI_USAGE_INPUT_TOKENS,
        "gen_ai.usage.prompt_tokens",
        "llm.usage.prompt_tokens",
        "llm.token_count.prompt",
        "ai.usage.promptTokens",
    ),
    "output": (
        sc.GEN_AI_USAGE_OUTPUT_TOKENS,
        "gen_ai.usage.completion_tokens",
        "llm.usage.completion_tokens",
        "llm.token_count.completion",
        "ai.usage.completionTokens",
    ),
    "cache_read": (
        sc.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS,
        "gen_ai.usage.cache_read_input_tokens",
        "gen_ai.usage.prompt_tokens_details.cached_tokens",
        "gen_ai.usage.cached_tokens",
        "llm.token_count.prompt_details.cache_read",
        "ai.usage.cachedInputTokens",
    ),
    "cache_write": (
        sc.GEN_AI_USAGE_CACHE_WRITE_INPUT_TOKENS,
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens",
        "gen_ai.usage.prompt_tokens_details.cache_creation_tokens",
        "llm.token_count.prompt_details.cache_write",
    ),
    "reasoning": (
        sc.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS,
        "gen_ai.usage.reasoning_tokens",
        "llm.usage.reasoning_tokens",
        "gen_ai.usage.completion_tokens_details.reasoning_tokens",
        "llm.token_count.completion_details.reasoning",
        "ai.usage.reasoningTokens",
    ),
    "finish": (
        sc.GEN_AI_RESPONSE_FINISH_REASONS,
        "gen_ai.response.finish_reason",
        "llm.response.finish_reason",
        "llm.response.stop_reason",
        "llm.finish_reason",
    ),
    "streamed": (sc.GEN_AI_REQUEST_STREAM, "gen_ai.is_streaming", "llm.is_streaming", "litellm.request.streaming"),
    "ttft_s": (
        sc.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK,
        "gen_ai.latency.time_to_first_token",
        "gen_ai.server.time_to_first_token",
    ),
    "output_limit": (sc.GEN_AI_REQUEST_MAX_TOKENS, "llm.request.max_tokens"),
    "conversation": (
        sc.GEN_AI_CONVERSATION_ID,
        "session.id",
        "langfuse.session.id",
        "traceloop.association.properties.session_id",
    ),
    "response_id": (sc.GEN_AI_RESPONSE_ID,),
    "error": (sc.ERROR_TYPE,),
    "http_status": ("http.response.status_code", "error.code", "litellm.provider.error.code"),
    "invocation": ("llm.invocation_parameters", "embedding.invocation_parameters"),
    "backend": (sc.TRIVET_BACKEND,),
    "pool": (sc.TRIVET_POOL,),
    "reservation": (sc.TRIVET_RESERVATION,),
    "revision": (sc.TRIVET_POLICY_REVISION,),
    "generation": (sc.TRIVET_POLICY_GENERATION,),
    "level": (sc.TRIVET_DEGRADE_LEVEL,),
    "outcome": (sc.TRIVET_OUTCOME,),
    "blocks": (sc.TRIVET_PROMPT_BLOCKS,),
}

# Prompts, where an application chose to send them: only a keyed hash of these is kept, never the text.
PROMPT_CONTENT = ("gen_ai.system_instructions", "gen_ai.input.messages", "gen_ai.prompt", "input.value")

# LiteLLM's own record of the usage, a Python repr: read where the span has no attribute for a kind.
LITELLM_USAGE = "metadata.usage_object"

# Attribute -> (what it says, its place in the order).
PLACES = {key: (what, rank) for what, keys in ALIASES.items() for rank, key in enumerate(keys)}

KNOWN_KEYS = frozenset(PLACES) | {*PROMPT_CONTENT, LITELLM_USAGE}

# The event a streaming instrumentation adds when the first token arrives.
FIRST_TOKEN_EVENTS = frozenset(
    {"gen_ai.content.completion.chunk", "llm.content.completion.chunk", "First Token Stream Event"}
)

# Names of one call to a model, in lower case. LiteLLM puts its function's name here (`acompletion`).
REQUEST_OPERATIONS = frozenset(
    {"chat", "text_completion", "generate_content", "embeddings"}  # the conventions
    | {"completion", "embedding", "rerank"}  # OpenLLMetry
    | {"llm", "reranker"}  # OpenInference
    | {"acompletion", "atext_completion", "aembedding", "arerank", "responses", "aresponses", "anthropic_messages"}
)

# Spans around calls: they repeat their children's tokens, so they never count.
OTHER_OPERATIONS = frozenset(
    {"invoke_agent", "create_agent", "invoke_workflow", "execute_tool", "fetch_response", "retrieval", "plan"}
    | {"agent_step", "agent", "chain", "tool", "retriever", "guardrail", "evaluator", "prompt", "workflow", "task"}
    | {"create_memory", "search_memory", "update_memory", "upsert_memory", "delete_memory"}
    | {f"{verb}_memory_store" for verb in ("create", "search", "update", "upsert", "delete")}
    | {"unknown"}
)

# Providers under the names that older conventions and LiteLLM give them -> the name in today's conventions.
PROVIDERS = {
    "vertex_ai": "gcp.vertex_ai",
    "gemini": "gcp.gemini",
    "az.ai.inference": "azure.ai.inference",
    "az.ai.openai": "azure.ai.openai",
    "azure": "azure.ai.openai",
    "azure_ai": "azure.ai.inference",
    "bedrock": "aws.bedrock",
    "xai": "x_ai",
    "mistral": "mistral_ai",
    "moonshot": "moonshot_ai",
    "watsonx": "ibm.watsonx.ai",
    "ibm.watson.ai": "ibm.watsonx.ai",
    "mistralai": "mistral_ai",
}
