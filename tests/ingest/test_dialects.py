"""Emitters of which no payload was captured, spans written by hand after what they document, and their requests.

How to add one: rows in `dialects.NAMES`, its operations in `operations`, and an example here.
"""

import pytest
from tests.support.spans import request_in, said, tokens_of

from trivet.ingest.dialect.fields import FIELDS, SLOTS
from trivet.ingest.dialect.shapes import SHAPES
from trivet.ingest.dialect.table import NAMES
from trivet.ingest.request.fact import LookupFact, RequestFact

SECOND = 1_000_000


class TestTheTable:
    def test_names_fields_and_shapes_that_are(self):
        assert set(NAMES) | {"tenant", "scenario"} == set(SLOTS)
        assert {field.shape for field in FIELDS} <= set(SHAPES)
        assert {name.shape for names in NAMES.values() for name in names} - {""} <= set(SHAPES)

    def test_says_each_key_once_and_who_says_it(self):
        keys = [name.key for names in NAMES.values() for name in names]
        assert len(keys) == len(set(keys))
        assert all(name.convention for names in NAMES.values() for name in names)

    def test_reads_no_money(self):
        assert not [name.key for names in NAMES.values() for name in names if "cost" in name.key]


VLLM = {
    "gen_ai.usage.prompt_tokens": 1200,
    "gen_ai.usage.completion_tokens": 101,
    "gen_ai.latency.time_in_queue": 0.125,
    "gen_ai.latency.time_to_first_token": 0.5,
    "gen_ai.latency.e2e": 2.0,
    "gen_ai.request.id": "chatcmpl-9f1",
    "gen_ai.request.n": 1,
    "gen_ai.request.max_tokens": 256,
    "gen_ai.request.temperature": 0.7,
}


class TestVllm:
    """One span `llm_request` a call, without model and provider: those its resource says, where a deployment sets them."""

    def test_takes_its_model_from_the_resource(self):
        fact = request_in(
            VLLM,
            resource={"service.name": "vllm", "gen_ai.request.model": "qwen3-32b", "gen_ai.provider.name": "vllm"},
        )
        assert said(fact, "provider", "model", "shape", "scenario") == ("vllm", "qwen3-32b", "", "vllm")
        assert tokens_of(fact) == (1200, 101, 0, 0, 0)
        assert said(fact, "streamed", "ttft_us", "inter_token_us") == (True, SECOND // 2, 15_000)
        assert said(fact, "response_id", "output_limit") == ("chatcmpl-9f1", 256)

    def test_without_a_model_is_kept_unpriced(self):
        fact = request_in(VLLM, resource={"service.name": "vllm"})
        assert said(fact, "model", "shape") == ("", "no_model")


class TestSglang:
    def test_counts_cached_tokens_and_names_its_model(self):
        fact = request_in(
            {
                "gen_ai.usage.prompt_tokens": 1000,
                "gen_ai.usage.completion_tokens": 20,
                "gen_ai.usage.cached_tokens": 896,
                "gen_ai.response.model": "deepseek-v3",
                "gen_ai.response.finish_reasons": '["stop"]',
                "gen_ai.latency.time_to_first_token": 0.1,
            }
        )
        assert tokens_of(fact) == (104, 20, 896, 0, 0)
        assert said(fact, "model", "finish_reason", "ttft_us") == ("deepseek-v3", "stop", SECOND // 10)
        assert [(lookup.kind, lookup.hit) for lookup in fact.lookups] == [("prompt", True)]


VERCEL = {
    "operation.name": "ai.streamText.doStream support",
    "ai.operationId": "ai.streamText.doStream",
    "ai.model.provider": "google.generative-ai",
    "gen_ai.system": "google.generative-ai",
    "ai.model.id": "gemini-2.5-flash",
    "ai.response.model": "gemini-2.5-flash-preview-05-20",
    "ai.response.id": "r-1",
    "ai.response.finishReason": "stop",
    "ai.response.msToFirstChunk": 250.0,
    "ai.usage.inputTokens": 100,
    "ai.usage.outputTokens": 50,
    "ai.usage.cachedInputTokens": 60,
    "ai.usage.reasoningTokens": 30,
    "ai.settings.maxOutputTokens": 512,
    "ai.telemetry.metadata.sessionId": "s-1",
}


class TestVercelAiSdk:
    def test_the_inner_span_is_the_call(self):
        fact = request_in(VERCEL)
        assert said(fact, "provider", "model", "version") == ("gcp.gemini", "gemini-2.5-flash-preview-05-20", "05-20")
        assert said(fact, "response_id", "conversation_id", "output_limit") == ("r-1", "s-1", 512)
        assert said(fact, "streamed", "ttft_us") == (True, SECOND // 4)
        assert tokens_of(fact) == (40, 20, 60, 0, 30)

    def test_the_outer_span_adds_up_the_inner_ones_and_is_none(self):
        assert request_in(VERCEL | {"ai.operationId": "ai.streamText"}) is None
        tool = request_in({"ai.operationId": "ai.toolCall", "ai.toolCall.name": "search"})
        assert said(tool, "called", "callee") == ("tool", "search")

    def test_version_6_says_how_much_was_not_cached(self):
        """Anthropic's own counts: input is without the cached tokens."""
        fact = request_in(
            {
                "ai.operationId": "ai.generateText.doGenerate",
                "ai.model.provider": "anthropic.messages",
                "gen_ai.system": "anthropic.messages",
                "ai.model.id": "claude-sonnet-4-5-20250929",
                "ai.usage.inputTokens": 1010,
                "ai.usage.inputTokenDetails.noCacheTokens": 10,
                "ai.usage.inputTokenDetails.cacheReadTokens": 800,
                "ai.usage.inputTokenDetails.cacheWriteTokens": 200,
                "ai.usage.outputTokens": 5,
            }
        )
        assert tokens_of(fact) == (10, 5, 800, 200, 0)
        assert said(fact, "provider", "version") == ("anthropic", "20250929")


LANGSMITH = {
    "langsmith.span.kind": "llm",
    "langsmith.trace.session_id": "thread-1",
    "gen_ai.operation.name": "chat",
    "gen_ai.system": "anthropic",
    "gen_ai.request.model": "claude-3-5-sonnet-20240620",
    "gen_ai.usage.input_tokens": 25,
    "gen_ai.usage.output_tokens": 7,
    "gen_ai.usage.total_tokens": 32,
    "gen_ai.usage.input_token_details": '{"cache_read": 10, "audio": 0}',
    "gen_ai.usage.output_token_details": '{"reasoning": 2}',
}


class TestLangSmith:
    def test_an_llm_run_is_a_call_with_its_details_as_json(self):
        fact = request_in(LANGSMITH)
        assert tokens_of(fact) == (15, 5, 10, 0, 2)
        assert said(fact, "conversation_id", "version") == ("thread-1", "20240620")

    @pytest.mark.parametrize(
        ("kind", "operation"),
        [("chain", "chain"), ("prompt", "chat"), ("parser", "")],
    )
    def test_other_runs_are_none_whatever_their_operation_is_called(self, kind, operation):
        assert request_in(LANGSMITH | {"langsmith.span.kind": kind, "gen_ai.operation.name": operation}) is None

    @pytest.mark.parametrize(
        ("kind", "operation", "called"), [("tool", "execute_tool", "tool"), ("retriever", "embeddings", "retrieval")]
    )
    def test_tools_and_retrievers_are_calls_of_their_own_kind(self, kind, operation, called):
        fact = request_in(LANGSMITH | {"langsmith.span.kind": kind, "gen_ai.operation.name": operation})
        assert fact.called == called


class TestAgents:
    """What repeats the sums of its calls is no call, under whatever convention."""

    @pytest.mark.parametrize(
        "attributes",
        [
            {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "planner"},
            {"gen_ai.operation.name": "invoke_workflow"},
            {"traceloop.span.kind": "agent", "gen_ai.system": "openai"},
            {"openinference.span.kind": "AGENT", "llm.model_name": "gpt-4o"},
            {"agent_name": "planner", "model_name": "gpt-4o"},  # Pydantic AI before it had operations
            {"langfuse.observation.type": "span"},
            {"gen_ai.operation.name": "framework", "gen_ai.system": "spring_ai"},
        ],
    )
    def test_that_count_their_calls_tokens_are_none(self, attributes):
        assert request_in(attributes | {"gen_ai.usage.input_tokens": 900, "gen_ai.usage.output_tokens": 90}) is None

    def test_a_graph_of_langchain_is_its_calls_and_no_more(self):
        """Root workflow, agent, chain, call, tool, call: as OpenLLMetry tells it, sums on the way up."""
        usage = {"gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 10}
        call = {"llm.request.type": "chat", "gen_ai.system": "openai", "gen_ai.response.model": "gpt-4o-2024-08-06"}
        kinds = [{"traceloop.span.kind": kind} for kind in ("workflow", "agent", "task")]
        spans = [*(kind | usage for kind in kinds), call | usage, {"traceloop.span.kind": "tool"}, call | usage]
        facts = [fact for fact in map(request_in, spans) if fact is not None]
        assert [tokens_of(fact)[:2] for fact in facts if isinstance(fact, RequestFact)] == [(100, 10), (100, 10)]
        assert [said(fact, "called", "callee") for fact in facts if isinstance(fact, LookupFact)] == [
            ("tool", "unnamed")
        ]

    def test_a_call_that_names_its_agent_is_one(self):
        assert request_in({"gen_ai.operation.name": "chat", "gen_ai.agent.name": "planner"}).outcome == 0


class TestEarlierYears:
    def test_genai_1_27(self):
        fact = request_in(
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.system": "az.ai.openai",
                "gen_ai.request.model": "gpt-4o",
                "gen_ai.response.model": "gpt-4o-2024-08-06",
                "gen_ai.usage.input_tokens": 10,
                "gen_ai.usage.output_tokens": 2,
                "gen_ai.response.finish_reasons": ["length"],
                "server.address": "acme.openai.azure.com",
            },
            events=[("gen_ai.user.message", {"content": "hi"}), ("gen_ai.choice", {"finish_reason": "length"})],
        )
        assert said(fact, "provider", "model", "version", "finish_reason") == (
            "azure.ai.openai",
            "gpt-4o-2024-08-06",
            "2024-08-06",
            "length",
        )

    def test_openllmetry_before_the_conventions(self):
        fact = request_in(
            {
                "llm.request.type": "chat",
                "llm.vendor": "Anthropic",
                "gen_ai.system": "Anthropic",
                "llm.request.model": "claude-3-opus",
                "llm.response.model": "claude-3-opus-20240229",
                "llm.usage.prompt_tokens": 10,
                "llm.usage.completion_tokens": 3,
                "llm.usage.cache_read_input_tokens": 90,
                "llm.response.stop_reason": "end_turn",
                "llm.is_streaming": True,
            }
        )
        assert said(fact, "provider", "model", "streamed", "finish_reason") == (
            "anthropic",
            "claude-3-opus-20240229",
            True,
            "end_turn",
        )
        assert tokens_of(fact) == (10, 3, 90, 0, 0)

    def test_litellm_in_words(self):
        fact = request_in(
            {
                "llm.request.type": "acompletion",
                "gen_ai.system": "bedrock",
                "litellm.provider.model": "bedrock/anthropic.claude-3-5-sonnet-20240620-v1:0",
                "llm.is_streaming": "True",
                "litellm.cache_hit": "True",
                "gen_ai.usage.input_tokens": 10,
                "gen_ai.usage.output_tokens": 10,
                "server.address": "bedrock-runtime.eu-central-1.amazonaws.com",
            }
        )
        assert said(fact, "provider", "model") == ("aws.bedrock", "anthropic.claude-3-5-sonnet-20240620-v1:0")
        assert said(fact, "version", "region", "streamed") == ("20240620", "eu-central-1", True)
        assert [(lookup.kind, lookup.hit) for lookup in fact.lookups] == [("response", True)]

    def test_pydantic_ai(self):
        fact = request_in(
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.system": "google-gla",
                "gen_ai.request.model": "gemini-1.5-pro-002",
                "gen_ai.usage.input_tokens": 100,
                "gen_ai.usage.output_tokens": 20,
                "gen_ai.usage.details.cache_read_tokens": 64,
                "gen_ai.usage.details.thoughts_tokens": 15,
            }
        )
        assert tokens_of(fact) == (36, 5, 64, 0, 15)
        assert fact.version == "002"


class TestWhatProvidersCount:
    @pytest.mark.parametrize(
        ("who", "told", "disjoint"),  # told: input, output, cache_read, cache_write, reasoning, total
        [
            ("OpenAI counts both inside", (100, 50, 60, 0, 30, 150), (40, 20, 60, 0, 30)),
            ("Anthropic counts cached tokens beside, seen by size", (10, 50, 60, 40, 0, 0), (10, 50, 60, 40, 0)),
            ("and by the total", (100, 50, 60, 40, 0, 250), (100, 50, 60, 40, 0)),
            ("Gemini counts thoughts beside, seen by the total", (100, 50, 60, 0, 30, 180), (40, 50, 60, 0, 30)),
            ("both beside", (100, 50, 60, 0, 30, 240), (100, 50, 60, 0, 30)),
            ("thoughts as many as cached tokens, beside", (100, 50, 30, 0, 30, 180), (70, 50, 30, 0, 30)),
            ("a total that fits nothing tells nothing", (100, 50, 60, 0, 30, 999), (40, 20, 60, 0, 30)),
            ("more thoughts than output", (100, 50, 0, 0, 80, 0), (100, 50, 0, 0, 80)),
        ],
    )
    def test_comes_out_in_disjoint_kinds(self, who, told, disjoint):
        names = ("input", "output", "cache_read.input", "cache_write.input", "reasoning.output", "total")
        counts = {f"gen_ai.usage.{name}_tokens": count for name, count in zip(names, told, strict=True) if count}
        assert tokens_of(request_in({"gen_ai.operation.name": "chat"} | counts)) == disjoint, who


class TestUnknownShapes:
    @pytest.mark.parametrize(
        ("attributes", "shape"),
        [
            ({"gen_ai.operation.name": "house_special", "gen_ai.request.model": "m"}, "unknown_operation"),
            ({"gen_ai.operation.name": "image_generation", "gen_ai.system": "openai"}, "unknown_operation"),
            ({"gen_ai.operation.name": "house_special", "gen_ai.usage.input_tokens": 5}, "unknown_operation"),
            ({"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 5}, "no_model"),
            ({"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}, "no_tokens"),
            ({"gen_ai.system": "openai", "gen_ai.response.model": "m"}, "no_tokens"),
            (
                {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "gen_ai.usage.total_tokens": 9},
                "no_tokens",
            ),
            ({"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "error.type": "500"}, ""),
            ({"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "gen_ai.usage.output_tokens": 5}, ""),
        ],
    )
    def test_are_kept_with_the_reason_why_they_have_no_price(self, attributes, shape):
        fact = request_in(attributes)
        assert isinstance(fact, RequestFact)
        assert fact.shape == shape

    def test_what_names_no_model_and_no_provider_is_no_call(self):
        assert request_in({"gen_ai.operation.name": "house_special"}) is None
        assert request_in({"gen_ai.request.model": "mock-large"}) is None
