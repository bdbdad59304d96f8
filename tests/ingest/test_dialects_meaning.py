"""What a call says beside its tokens, whoever says it: version, region, cause of a failure, cold start, looks into caches."""

import pytest
from tests.support.spans import DURATION_NS, request_in, said

from trivet.ingest.models import OUTCOMES
from trivet.ingest.request.fact import CAUSES, LookupFact


class TestVersions:
    @pytest.mark.parametrize(
        ("model", "version"),
        [
            ("gpt-4o-mini-2024-07-18", "2024-07-18"),
            ("claude-sonnet-4-5-20250929", "20250929"),
            ("claude-3-5-sonnet-v2@20241022", "20241022"),
            ("claude-opus-4@20250514", "20250514"),
            ("eu.anthropic.claude-3-5-sonnet-20240620-v1:0", "20240620"),
            ("gemini-1.5-pro-002", "002"),
            ("gpt-4-0613", "0613"),
            ("gpt-4-1106-preview", "1106"),
            ("gpt-4o-realtime-preview-2024-10-01", "2024-10-01"),
            ("mistral-large-2407", "2407"),
            ("command-r-08-2024", "08-2024"),
            ("gemini-2.5-flash-preview-05-20", "05-20"),
            ("ft:gpt-4o-mini-2024-07-18:acme:intents:9aBc", "2024-07-18"),
            ("gpt-4-32k", ""),
            ("llama-3-70b-4096", ""),
            ("qwen3-32b", ""),
            ("o3", ""),
            ("text-embedding-3-small", ""),
        ],
    )
    def test_are_the_snapshot_in_the_name_which_stays_as_it_is(self, model, version):
        fact = request_in({"gen_ai.operation.name": "chat", "gen_ai.response.model": model})
        assert said(fact, "model", "version") == (model, version)

    def test_a_stated_one_wins_also_from_the_resource(self):
        chat = {"gen_ai.operation.name": "chat", "gen_ai.response.model": "gpt-4o-2024-08-06"}
        assert request_in(chat | {"trivet.model.version": "lora-7"}).version == "lora-7"
        assert request_in(chat, resource={"trivet.model.version": "weights-3"}).version == "weights-3"


class TestRegions:
    @pytest.mark.parametrize(
        ("attributes", "resource", "region"),
        [
            ({"trivet.region": "fra-1"}, {"cloud.region": "eu-west-1"}, "fra-1"),
            ({}, {"trivet.region": "fra-1"}, "fra-1"),
            ({}, {"cloud.region": "eu-west-1"}, "eu-west-1"),
            ({"aws.region": "us-east-1"}, {"cloud.region": "eu-west-1"}, "us-east-1"),
            ({"server.address": "bedrock-runtime.us-west-2.amazonaws.com"}, {"cloud.region": "eu-west-1"}, "us-west-2"),
            ({"server.address": "europe-west4-aiplatform.googleapis.com"}, {}, "europe-west4"),
            ({"server.address": "swedencentral.api.cognitive.microsoft.com"}, {}, "swedencentral"),
            ({"server.address": "api.openai.com"}, {}, ""),
        ],
    )
    def test_are_where_the_model_is_else_where_its_caller_is(self, attributes, resource, region):
        assert request_in({"gen_ai.operation.name": "chat"} | attributes, resource=resource).region == region


class TestCauses:
    @pytest.mark.parametrize(
        ("attributes", "message", "outcome", "cause"),
        [
            (
                {"error.type": "RateLimitError"},
                "Error code: 429 - simulated rate_limit_exceeded",
                "error",
                "rate_limit",
            ),
            ({"http.response.status_code": 429}, "", "error", "rate_limit"),
            ({"error.type": "ResourceExhausted"}, "429 quota exceeded for requests", "error", "rate_limit"),
            ({"error.type": "ThrottlingException"}, "", "error", "rate_limit"),
            (
                {"error.type": "TooManyRequestsException"},
                "Rate exceeded: ReservedFunctionConcurrentInvocationLimitExceeded",
                "error",
                "concurrency_limit",
            ),
            ({"error.type": "429"}, "the concurrency limit of this endpoint is reached", "error", "concurrency_limit"),
            ({"error.type": "ConcurrencyLimitExceeded"}, "", "error", "concurrency_limit"),
            ({"error.type": "429"}, "Reason: ConcurrentInvocationLimitExceeded", "error", "concurrency_limit"),
            ({"error.type": "RateLimitError"}, "Max parallel request limit reached", "error", "concurrency_limit"),
            ({"error.type": "torch.cuda.OutOfMemoryError"}, "", "error", "out_of_memory"),
            ({"error.type": "500"}, "CUDA out of memory. Tried to allocate 2.00 GiB", "error", "out_of_memory"),
            ({"error.type": "RuntimeError"}, "CUDA error: cudaErrorMemoryAllocation", "error", "out_of_memory"),
            ({"error.type": "ModelLoadError"}, "", "error", "model_load"),
            ({"http.response.status_code": 503}, "Model qwen3-32b is currently loading", "error", "model_load"),
            ({"error.type": "ModelNotReadyException"}, "", "error", "model_load"),
            ({"error.type": "ValueError"}, "Failed to load model from /models/q", "error", "model_load"),
            (
                {"error.type": "BadRequestError"},
                "This model's maximum context length is 8192 tokens",
                "error",
                "context_length",
            ),
            ({"error.type": "400"}, "prompt is too long: 210000 tokens > 200000 maximum", "error", "context_length"),
            ({"error.type": "ContentPolicyViolationError"}, "", "refused", "content_filter"),
            ({"gen_ai.response.finish_reasons": ["content_filter"]}, "", "refused", "content_filter"),
            ({"gen_ai.response.finish_reasons": ["refusal"]}, "", "refused", "refusal"),
            ({"trivet.outcome": "refused"}, "", "refused", "refusal"),
            ({"error.type": "openai.APITimeoutError"}, "", "timeout", "timeout"),
            ({"http.response.status_code": 504}, "", "timeout", "timeout"),
            ({"error.type": "asyncio.CancelledError"}, "", "error", "cancelled"),
            ({"http.response.status_code": 503}, "", "error", "unavailable"),
            ({"http.response.status_code": 529}, "Overloaded", "error", "unavailable"),
            ({"error.type": "openai.APIConnectionError"}, "", "error", "unavailable"),
            ({"error.type": "AuthenticationError"}, "", "error", "invalid_request"),
            ({"http.response.status_code": 404}, "", "error", "invalid_request"),
            ({"error.type": "_OTHER"}, "", "error", "other"),
            ({"trivet.outcome": "rejected", "error.type": "429"}, "", "rejected", ""),
            ({}, "", "ok", ""),
        ],
    )
    def test_say_why_a_call_did_not_end_well(self, attributes, message, outcome, cause):
        fact = request_in({"gen_ai.operation.name": "chat"} | attributes, status=2 if message else 0, message=message)
        assert (OUTCOMES[fact.outcome], CAUSES[fact.cause]) == (outcome, cause)

    def test_are_read_off_an_exception_event_too(self):
        fact = request_in(
            {"gen_ai.operation.name": "chat"},
            status=2,
            events=[
                (
                    "exception",
                    {
                        "exception.type": "openai.InternalServerError",
                        "exception.message": "Error code: 500 - CUDA out of memory",
                        "exception.stacktrace": "Traceback: RateLimitError " * 1000,
                    },
                )
            ],
        )
        assert (OUTCOMES[fact.outcome], CAUSES[fact.cause]) == ("error", "out_of_memory")


class TestColdStarts:
    @pytest.mark.parametrize(
        ("attributes", "cold_start_us"),
        [
            ({}, None),
            ({"faas.coldstart": False}, None),
            ({"faas.coldstart": True}, 0),
            ({"trivet.cold_start": True}, 0),
            ({"trivet.cold_start.duration": 1.5}, 1_500_000),
            ({"faas.coldstart": True, "trivet.cold_start.duration": 0.25}, 250_000),
            ({"trivet.cold_start": False, "trivet.cold_start.duration": 0.0}, None),
        ],
    )
    def test_say_how_long_a_call_waited(self, attributes, cold_start_us):
        assert request_in({"gen_ai.operation.name": "chat"} | attributes).cold_start_us == cold_start_us


COUNTED = {"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 100}


class TestLookups:
    @pytest.mark.parametrize(
        ("attributes", "lookups"),
        [
            ({}, []),
            ({"gen_ai.usage.cache_read.input_tokens": 60}, [("prompt", True, "")]),
            ({"gen_ai.usage.cache_read.input_tokens": 0}, [("prompt", False, "")]),
            (
                {"gen_ai.usage.cache_read.input_tokens": 0, "trivet.cache.prompt.miss_reason": "prefix_changed"},
                [("prompt", False, "prefix_changed")],
            ),
            ({"trivet.cache.prompt.hit": False}, [("prompt", False, "")]),
            ({"gen_ai.operation.name": "embeddings", "gen_ai.usage.cache_read.input_tokens": 0}, []),
            ({"trivet.cache.kv.hit": False, "trivet.cache.kv.miss_reason": "evicted"}, [("kv", False, "evicted")]),
            ({"litellm.cache_hit": "False"}, [("response", False, "")]),
            ({"litellm.cache_hit": "None"}, []),
            (
                {"gen_ai.usage.cache_read.input_tokens": 1, "trivet.cache.kv.hit": True, "litellm.cache_hit": False},
                [("prompt", True, ""), ("kv", True, ""), ("response", False, "")],
            ),
        ],
    )
    def test_of_each_kind_are_kept_apart(self, attributes, lookups):
        fact = request_in(COUNTED | attributes)
        assert [(lookup.kind, lookup.hit, lookup.reason) for lookup in fact.lookups] == lookups

    def test_a_call_that_failed_unmeasured_missed_nothing(self):
        failed = {"gen_ai.operation.name": "chat", "error.type": "500", "gen_ai.usage.cache_read.input_tokens": 0}
        assert request_in(failed).lookups == ()

    def test_a_retrieval_that_looked_into_a_cache_is_a_lookup_and_no_request(self):
        found = request_in(
            {
                "openinference.span.kind": "RETRIEVER",
                "trivet.cache.retrieval.hit": False,
                "trivet.cache.retrieval.miss_reason": "expired",
                "trivet.scenario": "search",
            },
            resource={"tenant.id": "acme"},
        )
        assert isinstance(found, LookupFact)
        assert said(found, "tenant", "scenario") == ("acme", "search")
        assert [(lookup.kind, lookup.hit, lookup.reason) for lookup in found.lookups] == [
            ("retrieval", False, "expired")
        ]
        assert found.end_us - found.start_us == DURATION_NS // 1000

    @pytest.mark.parametrize("operation", [{}, {"traceloop.span.kind": "tool"}, {"gen_ai.operation.name": "look_up"}])
    def test_so_is_any_span_that_is_no_call_and_says_it_looked(self, operation):
        assert isinstance(request_in(operation | {"trivet.cache.retrieval.hit": True}), LookupFact)

    def test_a_retrieval_that_did_not_is_a_retrieval_all_the_same(self):
        found = request_in({"gen_ai.operation.name": "retrieval", "gen_ai.request.model": "m"})
        assert said(found, "called", "callee", "lookups") == ("retrieval", "", ())


CHAT = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.response.model": "gpt-5"}


class TestServiceTier:
    @pytest.mark.parametrize(
        ("attributes", "tier"),
        [
            ({}, ""),
            ({"openai.response.service_tier": "flex"}, "flex"),
            ({"gen_ai.openai.response.service_tier": "Priority"}, "priority"),
            ({"openai.response.service_tier": "default", "openai.request.service_tier": "priority"}, ""),
            ({"openai.request.service_tier": "auto"}, ""),
            ({"gen_ai.openai.request.service_tier": "flex"}, "flex"),
            ({"trivet.service_tier": "batch", "openai.response.service_tier": "default"}, "batch"),
            ({"trivet.service_tier": "batches"}, "batch"),
            ({"openai.response.service_tier": "x" * 33}, ""),
            ({"llm.invocation_parameters": '{"service_tier": "flex"}'}, "flex"),
        ],
    )
    def test_what_answered_decides_else_what_was_asked_for(self, attributes, tier):
        assert request_in(CHAT | attributes).tier == tier


class TestToolCalls:
    @pytest.mark.parametrize(
        ("attributes", "tool"),
        [
            ({"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"}, "search"),
            ({"traceloop.span.kind": "tool", "traceloop.entity.name": "search"}, "search"),
            ({"openinference.span.kind": "TOOL", "tool.name": "search"}, "search"),
            ({"gen_ai.operation.name": "execute_tool"}, "unnamed"),
        ],
    )
    def test_a_tools_span_names_its_tool(self, attributes, tool):
        assert said(request_in(attributes), "called", "callee") == ("tool", tool)
