"""What a span comes to, rule by rule."""

import math

import pytest

from trivet.ingest.decode.span import TEXT_LIMIT, Span
from trivet.ingest.dialect.shapes import BLOCK_LIMIT, BLOCKS_LIMIT
from trivet.ingest.dialect.vocabulary import nothing_said
from trivet.ingest.models import OUTCOMES
from trivet.ingest.request.fact import Refusal, RequestFact
from trivet.ingest.request.normalise import Rules, normalise

NOW_NS = 1_795_240_400 * 10**9
S = 10**9
RULES = Rules(("trivet.tenant", "tenant.id"), ("trivet.scenario", "service.name"), hash_key=b"a key")
CHAT = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o"}


def span(*, start_ns=NOW_NS - 3 * S, end_ns=NOW_NS - S, attributes=CHAT, resource=None, rules=RULES, **given):
    ranked = nothing_said()
    for memo, values in ((rules.wanted.resource, resource or {}), (rules.wanted.span, attributes)):
        for key, value in values.items():
            ranked.add(memo.say(key, value))
    fields = {"trace_id": b"t" * 16, "span_id": b"s" * 8, "parent_id": b"", "status": 0} | given
    return Span(start_ns=start_ns, end_ns=end_ns, said=ranked.said, **fields)


def request(attributes=None, *, rules=RULES, **given) -> RequestFact:
    made = normalise(span(attributes=CHAT | (attributes or {}), rules=rules, **given), rules, NOW_NS)
    assert isinstance(made, RequestFact), made
    return made


def refusal(attributes=None, **given) -> str:
    made = normalise(span(attributes=CHAT | (attributes or {}), **given), RULES, NOW_NS)
    assert isinstance(made, Refusal), made
    return made.reason


class TestWhichSpansAreRequests:
    @pytest.mark.parametrize(
        "attributes",
        [
            {"gen_ai.operation.name": "chat"},
            {"gen_ai.operation.name": "embeddings"},
            {"gen_ai.operation.name": "text_completion"},
            {"gen_ai.operation.name": "generate_content"},
            {"llm.request.type": "chat"},
            {"llm.request.type": "acompletion"},
            {"openinference.span.kind": "LLM"},
            {"openinference.span.kind": "EMBEDDING"},
            {"gen_ai.usage.prompt_tokens": 3, "gen_ai.latency.time_to_first_token": 0.1},
            {"gen_ai.operation.name": "house_special", "gen_ai.usage.input_tokens": 5},
        ],
    )
    def test_a_call_to_a_model_is_one(self, attributes):
        assert isinstance(normalise(span(attributes=attributes), RULES, NOW_NS), RequestFact)

    @pytest.mark.parametrize(
        "attributes",
        [
            {},
            {"http.request.method": "POST"},
            {"gen_ai.request.model": "mock-large"},
            {"gen_ai.operation.name": "invoke_agent", "gen_ai.usage.input_tokens": 900},
            {"gen_ai.operation.name": "invoke_workflow", "gen_ai.usage.output_tokens": 900},
            {"traceloop.span.kind": "workflow", "gen_ai.usage.input_tokens": 900},
            {"openinference.span.kind": "CHAIN", "llm.token_count.prompt": 900},
            {"openinference.span.kind": "AGENT", "llm.token_count.prompt": 900},
            {"gen_ai.operation.name": "house_special"},
        ],
    )
    def test_what_is_around_calls_is_none_though_it_repeats_their_tokens(self, attributes):
        assert normalise(span(attributes=attributes), RULES, NOW_NS) is None

    def test_a_span_that_is_none_of_ours_is_never_refused(self):
        odd = span(attributes={"gen_ai.usage.total_tokens": -1}, trace_id=b"", start_ns=0, end_ns=0)
        assert normalise(odd, RULES, NOW_NS) is None


class TestTokens:
    @pytest.mark.parametrize(
        ("told", "disjoint"),  # input, output, cache_read, cache_write, reasoning
        [
            ((100, 50, 0, 0, 0), (100, 50, 0, 0, 0)),
            ((100, 50, 60, 0, 0), (40, 50, 60, 0, 0)),
            ((100, 50, 60, 40, 0), (0, 50, 60, 40, 0)),
            ((100, 50, 0, 0, 30), (100, 20, 0, 0, 30)),
            ((10, 50, 60, 40, 0), (10, 50, 60, 40, 0)),  # raw Anthropic counts: input is exclusive of cached
            ((100, 50, 0, 0, 80), (100, 50, 0, 0, 80)),  # reasoning told apart from output
            ((0, 0, 0, 0, 0), (0, 0, 0, 0, 0)),
        ],
    )
    def test_come_out_as_disjoint_kinds(self, told, disjoint):
        names = ("input", "output", "cache_read.input", "cache_write.input", "reasoning.output")
        fact = request({f"gen_ai.usage.{name}_tokens": count for name, count in zip(names, told, strict=True)})
        kinds = (
            fact.input_tokens,
            fact.output_tokens,
            fact.cache_read_tokens,
            fact.cache_write_tokens,
            fact.reasoning_tokens,
        )
        assert kinds == disjoint

    @pytest.mark.parametrize(("value", "count"), [(33, 33), (33.0, 33), ("33", 33), ("", 0), (0, 0)])
    def test_a_count_may_come_as_number_or_text(self, value, count):
        assert request({"gen_ai.usage.input_tokens": value}).input_tokens == count

    @pytest.mark.parametrize(
        ("value", "reason"),
        [
            (-1, "tokens_negative"),
            (-(2**63), "tokens_negative"),
            (-0.5, "tokens_not_a_number"),
            ("-5", "tokens_negative"),
            (math.nan, "tokens_not_a_number"),
            (math.inf, "tokens_over_limit"),
            (-math.inf, "tokens_negative"),
            (1.5, "tokens_not_a_number"),
            ("many", "tokens_not_a_number"),
            ("٣٣", "tokens_not_a_number"),
            (True, "tokens_not_a_number"),
            ([1], "tokens_not_a_number"),
            (100_000_001, "tokens_over_limit"),
            (2**63 - 1, "tokens_over_limit"),
            ("9" * 5000, "tokens_over_limit"),
            (1e300, "tokens_over_limit"),
        ],
    )
    @pytest.mark.parametrize("kind", ["input_tokens", "output_tokens", "cache_read.input_tokens"])
    def test_a_count_that_cannot_be_one_refuses_the_span(self, kind, value, reason):
        assert refusal({f"gen_ai.usage.{kind}": value}) == reason

    def test_the_limit_never_goes_beyond_what_a_column_holds(self):
        huge = Rules(tokens_limit=10**15)
        made = normalise(span(attributes=CHAT | {"gen_ai.usage.input_tokens": 2**31}), huge, NOW_NS)
        assert made == Refusal("tokens_over_limit")

    def test_newer_names_win_over_older(self):
        fact = request({"gen_ai.usage.prompt_tokens": 1, "gen_ai.usage.input_tokens": 2, "llm.token_count.prompt": 3})
        assert fact.input_tokens == 2


class TestTimes:
    @pytest.mark.parametrize(
        ("start_ns", "end_ns", "reason"),
        [
            (NOW_NS, NOW_NS - 1, "ends_before_start"),
            (NOW_NS - 31 * 86_400 * S, NOW_NS - 31 * 86_400 * S + 1, "too_old"),
            (NOW_NS - 2 * 86_400 * S - 1, NOW_NS, "too_long"),
            (0, NOW_NS, "too_long"),
            (0, 0, "too_old"),
            (NOW_NS, NOW_NS + 901 * S, "in_the_future"),
            (2**64 - 1, 2**64 - 1, "in_the_future"),
        ],
    )
    def test_that_cannot_be_refuse_the_span(self, start_ns, end_ns, reason):
        assert refusal(start_ns=start_ns, end_ns=end_ns) == reason

    def test_a_call_may_take_no_time_and_clocks_may_differ_a_little(self):
        assert request(start_ns=NOW_NS + 800 * S, end_ns=NOW_NS + 800 * S).start_us == NOW_NS // 1000 + 800 * 10**6

    def test_a_streamed_call_has_time_to_first_token_and_between_tokens(self):
        fact = request(
            {
                "gen_ai.request.stream": True,
                "gen_ai.response.time_to_first_chunk": 0.5,
                "gen_ai.usage.output_tokens": 16,
            }
        )
        assert fact.streamed
        assert fact.ttft_us == 500_000
        assert fact.inter_token_us == 1_500_000 // 15

    @pytest.mark.parametrize("ttft_s", [-0.1, math.nan, math.inf, 1e300, 5.0, "soon", True])
    def test_a_time_to_first_token_that_cannot_be_is_none(self, ttft_s):
        fact = request({"gen_ai.response.time_to_first_chunk": ttft_s, "gen_ai.usage.output_tokens": 16})
        assert (fact.ttft_us, fact.inter_token_us) == (None, None)

    def test_a_call_that_was_not_streamed_has_none(self):
        fact = request({"gen_ai.request.stream": False, "gen_ai.server.time_to_first_token": 0.1})
        assert (fact.streamed, fact.ttft_us) == (False, None)

    def test_one_token_has_no_time_between(self):
        fact = request({"gen_ai.response.time_to_first_chunk": 0.5, "gen_ai.usage.output_tokens": 1})
        assert (fact.streamed, fact.inter_token_us) == (True, None)


class TestOutcome:
    @pytest.mark.parametrize(
        ("attributes", "status", "outcome"),
        [
            ({}, 0, "ok"),
            ({}, 1, "ok"),
            ({}, 2, "error"),
            ({"error.type": "RateLimitError"}, 2, "error"),
            ({"http.response.status_code": 429}, 0, "error"),
            ({"error.type": "429"}, 2, "error"),
            ({"http.response.status_code": 200}, 0, "ok"),
            ({"error.type": "openai.APITimeoutError"}, 2, "timeout"),
            ({"error.type": "timeout"}, 0, "timeout"),
            ({"error.type": "DEADLINE_EXCEEDED"}, 2, "timeout"),
            ({"http.response.status_code": 504}, 2, "timeout"),
            ({"error.type": "408"}, 2, "timeout"),
            ({"gen_ai.response.finish_reasons": ["content_filter"]}, 0, "refused"),
            ({"gen_ai.response.finish_reasons": ["refusal"]}, 0, "refused"),
            ({"gen_ai.response.finish_reasons": '["SAFETY"]'}, 0, "refused"),
            ({"error.type": "ContentPolicyViolationError"}, 2, "refused"),
            ({"gen_ai.response.finish_reasons": ["error"]}, 0, "error"),
            ({"gen_ai.response.finish_reasons": ["stop", "content_filter"]}, 0, "ok"),
            ({"gen_ai.response.finish_reasons": ["length"]}, 0, "ok"),
            ({"trivet.outcome": "rejected", "error.type": "429"}, 2, "rejected"),
            ({"trivet.outcome": "ok"}, 2, "ok"),
            ({"trivet.outcome": "refused"}, 0, "refused"),
            ({"trivet.outcome": "splendid"}, 2, "error"),
        ],
    )
    def test_is_what_the_span_says_of_it(self, attributes, status, outcome):
        assert OUTCOMES[request(attributes, status=status).outcome] == outcome

    def test_an_exception_event_is_an_error_and_names_a_timeout(self):
        assert OUTCOMES[request(exception="openai.RateLimitError").outcome] == "error"
        assert OUTCOMES[request(exception="httpx.ReadTimeout").outcome] == "timeout"

    def test_a_rejected_call_never_reached_a_model_and_has_no_first_token(self):
        assert request({"trivet.outcome": "rejected", "gen_ai.response.time_to_first_chunk": 0.1}).ttft_us is None


class TestNames:
    def test_the_tenant_is_the_first_attribute_in_order_on_span_then_resource(self):
        assert request({"tenant.id": "b"}, resource={"trivet.tenant": "a"}).tenant == "a"
        assert request({"trivet.tenant": "b"}, resource={"trivet.tenant": "a"}).tenant == "b"
        assert request({"trivet.tenant": ""}, resource={"tenant.id": "c"}).tenant == "c"
        assert request().tenant == ""

    def test_the_scenario_falls_back_to_the_service(self):
        assert request(resource={"service.name": "shop"}).scenario == "shop"
        assert request({"trivet.scenario": "checkout"}, resource={"service.name": "shop"}).scenario == "checkout"

    @pytest.mark.parametrize(
        ("attributes", "provider", "model"),
        [
            ({"gen_ai.response.model": "gpt-4o-2024-08-06"}, "openai", "gpt-4o-2024-08-06"),
            ({}, "openai", "gpt-4o"),
            ({"gen_ai.provider.name": "gemini"}, "gcp.gemini", "gpt-4o"),
            ({"litellm.provider.model": "openai/o3", "gen_ai.response.model": "alias"}, "openai", "o3"),
            ({"gen_ai.provider.name": "azure", "litellm.provider.model": "azure/x"}, "azure.ai.openai", "x"),
            ({"gen_ai.provider.name": "groq", "gen_ai.response.model": "meta-llama/l4"}, "groq", "meta-llama/l4"),
        ],
    )
    def test_the_priced_model_is_the_one_that_answered(self, attributes, provider, model):
        fact = request(attributes)
        assert (fact.provider, fact.model) == (provider, model)

    @pytest.mark.parametrize("name", ["a\0b", "a\ud800b"])
    def test_what_postgres_cannot_store_becomes_a_replacement_character(self, name):
        fact = request({"trivet.tenant": name, "gen_ai.conversation.id": name, "gen_ai.request.model": name})
        assert fact.tenant == fact.conversation_id == fact.model == "a\N{REPLACEMENT CHARACTER}b"

    def test_overlong_texts_are_cut(self):
        fact = request({"trivet.tenant": "x" * 10_000, "gen_ai.response.id": "y" * 10_000})
        assert len(fact.tenant) == len(fact.response_id) == TEXT_LIMIT

    def test_ids_that_are_none_refuse_the_span(self):
        for bad in (b"", b"short", bytes(16), b"x" * 17):
            assert refusal(trace_id=bad) == "bad_id"
        for bad in (b"", bytes(8), b"x" * 9):
            assert refusal(span_id=bad) == "bad_id"

    def test_a_parent_is_kept_where_there_is_one(self):
        assert request(parent_id=b"p" * 8).parent_id == b"p" * 8
        assert request(parent_id=b"").parent_id is None
        assert request(parent_id=bytes(8)).parent_id is None


class TestPolicy:
    def test_revision_generation_and_level_come_as_number_or_text(self):
        fact = request({"trivet.policy.revision": 3, "trivet.policy.generation": "7", "trivet.degrade.level": 2.0})
        assert (fact.revision, fact.generation, fact.level) == (3, 7, 2)

    @pytest.mark.parametrize("value", [-1, "x", 2**40, 1.5, True, [1]])
    def test_what_is_no_number_is_as_if_it_had_not_been_said(self, value):
        fact = request({"trivet.policy.revision": value, "trivet.policy.generation": value})
        assert (fact.revision, fact.generation, fact.level) == (0, None, 0)

    def test_generation_0_was_said(self):
        assert request({"trivet.policy.generation": 0}).generation == 0


class TestPrompt:
    def test_equal_prompts_have_equal_hashes_and_a_key_makes_them_ours(self):
        one, same = (request({"gen_ai.input.messages": '[{"content": "hello"}]'}) for _ in range(2))
        other = request({"gen_ai.input.messages": '[{"content": "bye"}]'})
        elsewhere = request({"gen_ai.input.messages": '[{"content": "hello"}]'}, rules=Rules(hash_key=b"another"))
        assert one.prompt_hash == same.prompt_hash
        assert len({one.prompt_hash, other.prompt_hash, elsewhere.prompt_hash}) == 3

    def test_without_a_prompt_or_without_a_key_there_is_no_hash(self):
        assert request().prompt_hash is None
        assert request({"gen_ai.input.messages": "x"}, rules=Rules()).prompt_hash is None

    def test_blocks_are_kept_within_bounds(self):
        fact = request({"trivet.prompt.blocks": ["a" * 1000, "b\0"] + ["c"] * 5000})
        assert len(fact.blocks) == BLOCKS_LIMIT
        assert fact.blocks[:2] == ("a" * BLOCK_LIMIT, "b\N{REPLACEMENT CHARACTER}")
        assert request({"trivet.prompt.blocks": "not a list"}).blocks == ()
