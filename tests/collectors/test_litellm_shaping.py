"""A request as the policy wants it, in the dialects that the proxy hands on; and who is asking. Pure."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivet_collectors.config import ConfigError
from trivet_collectors.litellm.caller import caller_of
from trivet_collectors.litellm.context import shortened, tokens_of, tokens_of_text
from trivet_collectors.litellm.settings import settings_of
from trivet_collectors.litellm.shaping import Shapes, shape
from trivet_collectors.litellm.telling import at_end, failed, usage_of
from trivet_collectors.policy.evaluate import DEFAULTS
from trivet_collectors.policy.lane import Usage


def user(text):
    return {"role": "user", "content": text}


def assistant(text, **more):
    return {"role": "assistant", "content": text, **more}


SYSTEM = {"role": "system", "content": "be kind"}
CALLED = [
    user("what is the time?"),
    assistant(None, tool_calls=[{"id": "1", "function": {"name": "clock", "arguments": "{}"}}]),
    {"role": "tool", "tool_call_id": "1", "content": "noon"},
    assistant("noon"),
]
TALK = [SYSTEM, user("a"), assistant("b"), *CALLED, user("z")]
WEB = {"type": "function", "function": {"name": "web"}}
CLOCK = {"type": "function", "function": {"name": "clock"}}


def shaped(body, call_type="acompletion", shapes=None, **flags):
    """(the body, what was changed)."""
    named = {name.replace("__", "."): value for name, value in flags.items()}
    return body, shape(body, call_type, DEFAULTS | named, shapes or Shapes())


class TestContext:
    def test_keeps_the_systems_word_and_the_last_turns_whole(self):
        """A call of a tool and its result belong to the turn that asked for them."""
        assert shortened(TALK, 2, 0) == [SYSTEM, *CALLED, user("z")]
        assert shortened(TALK, 1, 0) == [SYSTEM, user("z")]

    def test_a_result_of_a_tool_in_the_users_name_begins_no_turn(self):
        result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": "noon"}]}
        talk = [user("old"), assistant("x"), user("time?"), assistant([{"type": "tool_use", "name": "clock"}]), result]
        assert shortened(talk, 1, 0) == talk[2:]

    def test_drops_the_oldest_turns_that_do_not_fit(self):
        talk = [SYSTEM, user("a" * 4_000), assistant("b"), user("c" * 40), assistant("d"), user("e" * 40)]
        assert shortened(talk, 0, 100) == [SYSTEM, *talk[3:]]

    def test_never_cuts_the_question_itself(self):
        assert shortened([SYSTEM, user("x" * 100_000)], 1, 10) == [SYSTEM, user("x" * 100_000)]

    @given(
        st.lists(st.sampled_from([user("q"), assistant("a"), SYSTEM]), max_size=30),
        st.integers(0, 9),
        st.integers(0, 99),
    )
    def test_what_stays_is_in_order_and_a_limit_of_none_keeps_all(self, talk, turns, tokens):
        talk = [dict(message) for message in talk]
        kept = [id(message) for message in shortened(talk, turns, tokens)]
        assert kept == [id(message) for message in talk if id(message) in set(kept)]
        assert shortened(talk, 0, 0) == talk

    def test_tokens_are_estimated_by_script(self):
        assert tokens_of_text("a" * 400) == 100
        assert tokens_of_text("推理取舍卡") == 5
        assert tokens_of({"role": "user", "content": [{"type": "image_url", "image_url": {}}]}) > 500


class TestModelAndOutput:
    def test_a_route_is_a_model_of_the_proxys(self):
        body, changed = shaped({"model": "big"}, shapes=Shapes({"small": "little"}), model__route="small")
        assert (body["model"], changed) == ("little", ("model",))

    def test_a_route_that_nobody_serves_leaves_the_call_where_it_was(self):
        body, changed = shaped({"model": "big"}, shapes=Shapes(serves=lambda _: False), model__route="small")
        assert (body["model"], changed) == ("big", ())

    @pytest.mark.parametrize(
        ("asked", "call_type", "limited"),
        [
            ({}, "acompletion", {"max_tokens": 64}),
            ({}, "aresponses", {"max_output_tokens": 64}),
            ({"max_completion_tokens": 500}, "acompletion", {"max_completion_tokens": 64}),
            ({"max_tokens": 20}, "anthropic_messages", {"max_tokens": 20}),
        ],
    )
    def test_output_is_limited_in_the_calls_own_words(self, asked, call_type, limited):
        body, _ = shaped({"messages": [user("a")], **asked}, call_type, output__max_tokens=64)
        assert body == {"messages": [user("a")], **limited}

    def test_a_call_that_generates_nothing_is_given_no_limit(self):
        assert shaped({"input": "a text"}, "aembedding", output__max_tokens=64) == ({"input": "a text"}, ())

    def test_reranking_goes_no_deeper(self):
        assert shaped({"top_n": 50}, "arerank", rerank__depth=10)[0] == {"top_n": 10}
        assert shaped({"top_n": 5}, "arerank", rerank__depth=10)[0] == {"top_n": 5}


class TestTools:
    def test_that_are_local_stay(self):
        body = {"tools": [WEB, CLOCK], "tool_choice": WEB, "messages": [user("a")]}
        body, _ = shaped(body, shapes=Shapes(local_tools=("cl*",)), tools__mode="local")
        assert (body["tools"], body["tool_choice"]) == ([CLOCK], "auto")

    @pytest.mark.parametrize("mode", ["off", "local"])
    def test_go_with_all_that_belongs_to_them(self, mode):
        body = {"tools": [WEB], "tool_choice": "auto", "parallel_tool_calls": True, "messages": [user("a")]}
        assert shaped(body, tools__mode=mode)[0] == {"messages": [user("a")]}

    def test_that_were_called_before_stay_declared_and_are_not_called_again(self):
        """Providers refuse a conversation that has calls of tools nobody declared."""
        body, _ = shaped({"tools": [CLOCK], "messages": [*CALLED, user("b")]}, tools__mode="off")
        assert (body["tools"], body["tool_choice"]) == ([CLOCK], "none")


class TestFeatures:
    def test_pictures_are_left_out(self):
        picture = {"type": "image_url", "image_url": {"url": "x"}}
        body = {"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, picture]}]}
        assert shaped(body, features__off="charts,images")[0]["messages"][0]["content"] == [
            {"type": "text", "text": "a"}
        ]

    def test_or_made_small(self):
        body = {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]}
        shaped(body, features__off="high-resolution")
        assert body["messages"][0]["content"][0]["image_url"]["detail"] == "low"

    def test_fields_that_ask_for_one_are_dropped_as_settings_say(self):
        body, changed = shaped(
            {"reasoning_effort": "high", "seed": 7}, shapes=Shapes(features={"seeds": ("seed",)}),
            features__off="reasoning,seeds",
        )  # fmt: skip
        assert (body, changed) == ({}, ("features",))

    def test_nothing_changes_under_no_policy(self):
        body = {"model": "big", "messages": TALK, "tools": [WEB], "max_tokens": 9_999, "reasoning_effort": "high"}
        assert shaped(dict(body)) == (body, ())


class TestTheCaller:
    KEY = SimpleNamespace(
        metadata={"trivet_tier": "vip"}, team_metadata={"trivet_tenant": "acme"}, team_alias="team", key_alias="key"
    )

    def test_cannot_name_another_tenant(self):
        body = {"metadata": {"trivet_tenant": "other", "trivet_tier": "vip+", "session_id": "s1"}, "user": "ann"}
        caller = caller_of(self.KEY, body, scenario="chat")
        assert (caller.tenant, caller.tier, caller.scenario, caller.session, caller.end_user) == (
            "acme", "vip", "chat", "s1", "ann",
        )  # fmt: skip

    def test_names_its_own_where_it_is_trusted(self):
        assert caller_of(self.KEY, {"metadata": {"trivet_tenant": "other"}}, trust_caller=True).tenant == "other"

    def test_is_its_team_then_its_key_then_what_the_settings_say(self):
        team = SimpleNamespace(team_alias="team", key_alias="key")
        assert caller_of(team, {}).tenant == "team"
        assert caller_of(SimpleNamespace(key_alias="key"), {}).tenant == "key"
        assert caller_of(SimpleNamespace(), {}, tenant="house").tenant == "house"


PAYLOAD = {
    "model": "openai/gpt-4o", "custom_llm_provider": "openai", "prompt_tokens": 30, "completion_tokens": 12,
    "metadata": {"usage_object": {
        "prompt_tokens_details": {"cached_tokens": 10}, "completion_tokens_details": {"reasoning_tokens": 2},
    }},
}  # fmt: skip


class TestWhatIsTold:
    def test_tokens_are_disjoint_kinds(self):
        assert usage_of(PAYLOAD) == Usage(input=20, output=10, cache_read=10, cache_write=0, reasoning=2)
        said = at_end(PAYLOAD, 0.0, "stop")
        assert (said["gen_ai.usage.input_tokens"], said["gen_ai.usage.output_tokens"]) == (30, 12)
        assert said["gen_ai.request.model"] == "gpt-4o"

    def test_an_answer_out_of_the_cache_says_so(self):
        assert at_end(PAYLOAD | {"cache_hit": True}, 0.0, None)["trivet.cache.response.hit"] is True

    @pytest.mark.parametrize(
        ("name", "status", "outcome"),
        [
            ("Timeout", 408, "timeout"),
            ("ContentPolicyViolationError", 400, "refused"),
            ("RateLimitError", 429, "error"),
        ],
    )
    def test_a_failure_is_told_for_what_it_is(self, name, status, outcome):
        error = type(name, (Exception,), {"status_code": status})()
        assert failed(error) == {"trivet.outcome": outcome, "error.type": str(status)}


GIVEN = {"TRIVET_ENDPOINT": "http://127.0.0.1:8000", "TRIVET_API_KEY": "tvt_x"}


class TestSettings:
    def test_come_from_the_environment_and_a_file(self, tmp_path):
        file = tmp_path / "trivet.toml"
        file.write_text('scenario = "chat"\nlocal_tools = ["clock"]\n[routes]\nsmall = "little"\n')
        found = settings_of(GIVEN | {"TRIVET_LITELLM_CONFIG": str(file), "TRIVET_BACKEND": "gw-1"})
        assert (found.scenario, found.backend, found.shapes.routes) == ("chat", "gw-1", {"small": "little"})

    @pytest.mark.parametrize(
        ("text", "named"),
        [
            ("reserve = 1", "reserve: must be true or false"),
            ("scenarios = 2", "scenarios: unknown key"),
            ("local_tools = 3", "local_tools: must be a list"),
            ('unreachable = "maybe"', "unreachable: must be one of open, closed"),
        ],
    )
    def test_that_are_wrong_are_named(self, tmp_path, text, named):
        file = tmp_path / "trivet.toml"
        file.write_text(text)
        with pytest.raises(ConfigError, match=named):
            settings_of(GIVEN | {"TRIVET_LITELLM_CONFIG": str(file)})

    def test_without_a_place_to_ask_there_are_none(self):
        with pytest.raises(ConfigError, match="TRIVET_ENDPOINT"):
            settings_of({})
