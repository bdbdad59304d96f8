"""Which operations are one call to a model, and which are around such calls: data, in lower case."""

from typing import Final

REQUEST_OPERATIONS: Final = frozenset(
    {"chat", "text_completion", "generate_content", "embeddings"}  # the conventions
    | {"completion", "embedding", "rerank"}  # OpenLLMetry
    | {"llm", "reranker"}  # OpenInference, LangSmith
    | {"generation"}  # Langfuse
    | {"chat.completions", "text.completions"}  # Semantic Kernel
    # LiteLLM puts its function's name here
    | {"acompletion", "atext_completion", "aembedding", "arerank", "responses", "aresponses", "anthropic_messages"}
    | {"agenerate_content", "generate_content_stream", "agenerate_content_stream"}
    # Vercel AI SDK: the outer spans (`ai.generateText`) add up what these say
    | {"ai.generatetext.dogenerate", "ai.streamtext.dostream", "ai.generateobject.dogenerate"}
    | {"ai.streamobject.dostream", "ai.embed.doembed", "ai.embedmany.doembed", "ai.rerank.dorerank"}
)

# A call that reads no prompt as a conversation does: an absent cache hit says nothing about it.
WITHOUT_PROMPT_CACHE: Final = frozenset(
    {"embeddings", "embedding", "aembedding", "rerank", "arerank", "reranker"}
    | {"ai.embed.doembed", "ai.embedmany.doembed", "ai.rerank.dorerank"}
)

RETRIEVAL_OPERATIONS: Final = frozenset({"retrieval", "retriever"})

TOOL_OPERATIONS: Final = frozenset({"execute_tool", "tool", "ai.toolcall"})

# Spans around calls: they repeat their children's tokens, so they never count.
OTHER_OPERATIONS: Final = (
    RETRIEVAL_OPERATIONS
    | TOOL_OPERATIONS
    | frozenset(
        {"invoke_agent", "create_agent", "invoke_workflow", "fetch_response", "plan", "handoff"}
        | {"agent_step", "agent", "chain", "guardrail", "evaluator", "prompt", "workflow", "task"}
        | {"parser", "span", "event", "run", "chat_history"}  # LangSmith, Langfuse
        | {"create_memory", "search_memory", "update_memory", "upsert_memory", "delete_memory"}
        | {f"{verb}_memory_store" for verb in ("create", "search", "update", "upsert", "delete")}
        | {"ai.generatetext", "ai.streamtext", "ai.generateobject", "ai.streamobject"}
        | {"ai.embed", "ai.embedmany", "ai.rerank"}
        | {"framework", "vectordb"}  # OpenLIT, Spring AI
        | {"unknown"}
    )
)
