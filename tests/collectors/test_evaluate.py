"""What applies to a tenant in a scenario, from a document alone."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trivet_collectors.policy.document import DocumentRefusedError, checked, went_back
from trivet_collectors.policy.evaluate import DEFAULTS, evaluate, flag, resolve

NOW = datetime(2026, 11, 21, 7, 5, tzinfo=UTC)
CHAT = {"targetingKey": "zeta", "scenario": "support-chat"}
ACME = {**CHAT, "targetingKey": "acme"}

# The contract's own example, word for word.
DOCUMENT: dict[str, Any] = json.loads("""
{"backend": "demo-1", "issued_at": "2026-11-21T07:00:00Z", "valid_until": "2026-11-21T07:10:00Z",
 "scenarios": {"support-chat": {
   "generation": 7, "revision": 2, "level": 1,
   "flags": {"context.max_turns": 6, "output.max_tokens": 256, "tools.mode": "local"},
   "cause": "P95 2.1 s over 1.5 s", "until": "2026-11-21T07:30:00Z", "then": {"level": 0, "flags": {}},
   "fallback": {"level": 2, "flags": {"read_only": true}},
   "tenants": {"acme": {"level": 0, "flags": {"admission": "reject", "admission.message": "back soon",
                        "admission.retry_after_s": 60}, "until": null, "then": {"level": 0, "flags": {}}}}}}}
""")


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-21T{text}Z")


class TestAScenario:
    def test_gives_its_flags_over_the_defaults_and_says_its_generation(self) -> None:
        assert evaluate(DOCUMENT, CHAT, NOW) == {
            **DEFAULTS,
            "degrade.level": 1,
            "policy.generation": 7,
            "policy.revision": 2,
            "context.max_turns": 6,
            "output.max_tokens": 256,
            "tools.mode": "local",
        }

    def test_that_the_document_does_not_name_has_the_defaults(self) -> None:
        assert evaluate(DOCUMENT, {"scenario": "search"}, NOW) == DEFAULTS
        assert flag(DOCUMENT, "degrade.level", {"scenario": "search"}, NOW) == (0, "UNKNOWN", "normal")

    def test_of_a_context_that_names_none_has_the_defaults(self) -> None:
        assert evaluate(DOCUMENT, {}, NOW) == DEFAULTS

    @pytest.mark.parametrize(("when", "level"), [("07:29:59", 1), ("07:30:00", 0), ("09:00:00", 0)])
    def test_takes_then_from_the_instant_until_is_reached(self, when: str, level: int) -> None:
        flags = evaluate(DOCUMENT, CHAT, at(when))
        assert flags["degrade.level"] == level
        assert flags["output.max_tokens"] == (256 if level else 0)
        assert flags["policy.generation"] == 7

    def test_answers_in_the_time_zone_of_the_caller_alike(self) -> None:
        from datetime import timezone

        there = at("07:30:00").astimezone(timezone(timedelta(hours=9)))
        assert evaluate(DOCUMENT, CHAT, there) == evaluate(DOCUMENT, CHAT, at("07:30:00"))


class TestATenantsOverride:
    def test_is_merged_over_the_scenarios_flags(self) -> None:
        flags = evaluate(DOCUMENT, ACME, NOW)
        assert (flags["admission"], flags["admission.retry_after_s"]) == ("reject", 60)
        assert (flags["output.max_tokens"], flags["tools.mode"]) == (256, "local")

    def test_cannot_lower_the_level_whose_flags_still_apply(self) -> None:
        assert evaluate(DOCUMENT, ACME, NOW)["degrade.level"] == 1

    def test_can_raise_the_level_of_its_tenant_alone(self) -> None:
        document = {"scenarios": {"s": {"level": 0, "tenants": {"acme": {"level": 2, "flags": {"read_only": True}}}}}}
        assert evaluate(document, {"scenario": "s", "targetingKey": "acme"}, NOW)["degrade.level"] == 2
        assert evaluate(document, {"scenario": "s", "targetingKey": "zeta"}, NOW)["degrade.level"] == 0

    def test_that_has_ended_leaves_the_scenario_as_it_is(self) -> None:
        override = {"level": 0, "flags": {"admission": "reject"}, "until": "2026-11-21T07:05:00Z", "then": {"level": 0}}
        document = {"scenarios": {"s": {"level": 0, "tenants": {"acme": override}}}}
        assert flag(document, "admission", {"scenario": "s", "targetingKey": "acme"}, NOW) == (
            "admit",
            "STATIC",
            "normal",
        )


class TestTheTimeLimit:
    @pytest.mark.parametrize(
        ("stale", "when", "level"),
        [(False, "07:05:00", 1), (True, "07:05:00", 1), (False, "07:11:00", 1), (True, "07:11:00", 2)],
    )
    def test_brings_the_fallback_only_to_who_cannot_reach_trivet(self, stale: bool, when: str, level: int) -> None:
        assert evaluate(DOCUMENT, CHAT, at(when), stale=stale)["degrade.level"] == level

    def test_keeps_a_tenant_that_was_cut_off_cut_off(self) -> None:
        flags = evaluate(DOCUMENT, ACME, at("07:11:00"), stale=True)
        assert (flags["admission"], flags["read_only"], flags["degrade.level"]) == ("reject", True, 2)

    def test_without_a_fallback_keeps_the_last_state(self) -> None:
        document = {"valid_until": "2026-11-21T07:00:00Z", "scenarios": {"s": {"level": 3}}}
        assert evaluate(document, {"scenario": "s"}, NOW, stale=True)["degrade.level"] == 3

    def test_says_why(self) -> None:
        assert "could not be reached" in resolve(DOCUMENT, CHAT, at("07:11:00"), stale=True).cause


class TestOneFlag:
    def test_comes_with_reason_and_variant(self) -> None:
        assert flag(DOCUMENT, "output.max_tokens", CHAT, NOW) == (256, "TARGETING_MATCH", "level-1")

    def test_named_policy_is_all_of_them(self) -> None:
        assert flag(DOCUMENT, "policy", CHAT, NOW)[0] == evaluate(DOCUMENT, CHAT, NOW)

    def test_that_does_not_exist_is_a_key_error(self) -> None:
        with pytest.raises(KeyError):
            flag(DOCUMENT, "no.such.flag", CHAT, NOW)

    def test_at_level_0_without_override_is_static(self) -> None:
        assert flag(DOCUMENT, "admission", CHAT, at("08:00:00")) == ("admit", "STATIC", "normal")

    def test_that_is_a_float_stays_one_when_json_says_an_integer(self) -> None:
        document = {"scenarios": {"s": {"flags": {"admission.limit_rps": 5}}}}
        value = evaluate(document, {"scenario": "s"}, NOW)["admission.limit_rps"]
        assert (value, type(value)) == (5.0, float)


# --- Any document of the right shape ------------------------------------------------------------------------------------
said = {
    int: st.integers(0, 10**6),
    bool: st.booleans(),
    str: st.text(max_size=8),
    float: st.floats(0, 1e6) | st.integers(0, 9),
}
settable = {k: v for k, v in DEFAULTS.items() if k not in ("degrade.level", "policy.generation", "policy.revision")}
flag_sets = st.fixed_dictionaries({}, optional={key: said[type(value)] for key, value in settable.items()})
instants = st.none() | st.integers(-3600, 3600).map(lambda s: (NOW + timedelta(seconds=s)).isoformat())
states = st.fixed_dictionaries({"level": st.integers(0, 3), "flags": flag_sets})
desired = st.builds(lambda s, u, t: {**s, "until": u, "then": t}, states, instants, st.none() | states)
scenarios = st.builds(
    lambda d, g, r, f, t: {**d, "generation": g, "revision": r, "fallback": f, "tenants": t},
    desired,
    st.integers(0, 99),
    st.integers(0, 99),
    st.none() | states,
    st.dictionaries(st.sampled_from(["acme", "zeta"]), desired, max_size=2),
)
documents = st.builds(
    lambda v, s: {"backend": "b", "valid_until": v, "scenarios": s},
    instants,
    st.dictionaries(st.sampled_from(["chat", "code"]), scenarios, max_size=2),
)
contexts = st.fixed_dictionaries(
    {"scenario": st.sampled_from(["chat", "code", "none"]), "targetingKey": st.sampled_from(["acme", "zeta", None])}
)


class TestAnyDocument:
    @settings(max_examples=200)
    @given(documents, contexts, st.booleans())
    def test_answers_every_flag_with_its_type(self, document: Any, context: Any, stale: bool) -> None:
        flags = evaluate(checked(document, "b"), context, NOW, stale=stale)
        assert {key: type(value) for key, value in flags.items()} == {k: type(v) for k, v in DEFAULTS.items()}

    @settings(max_examples=200)
    @given(documents, contexts, st.booleans())
    def test_is_left_as_it_was_and_answers_the_same_again(self, document: Any, context: Any, stale: bool) -> None:
        before = json.dumps(document, sort_keys=True)
        first = evaluate(document, context, NOW, stale=stale)
        assert evaluate(document, context, NOW, stale=stale) == first
        assert json.dumps(document, sort_keys=True) == before

    @settings(max_examples=200)
    @given(documents, contexts)
    def test_survives_the_wire(self, document: Any, context: Any) -> None:
        assert evaluate(json.loads(json.dumps(document)), context, NOW) == evaluate(document, context, NOW)

    @settings(max_examples=200)
    @given(documents, contexts)
    def test_gives_a_tenant_no_lower_a_level_than_its_scenario(self, document: Any, context: Any) -> None:
        alone = evaluate(document, {**context, "targetingKey": None}, NOW)
        assert evaluate(document, context, NOW)["degrade.level"] >= alone["degrade.level"]

    @settings(max_examples=200)
    @given(documents, contexts)
    def test_tells_the_stale_no_less_than_the_others_before_its_time_limit(self, document: Any, context: Any) -> None:
        document["valid_until"] = (NOW + timedelta(seconds=1)).isoformat()
        assert evaluate(document, context, NOW, stale=True) == evaluate(document, context, NOW, stale=False)


class TestADocumentThatCannotBeReliedOn:
    @pytest.mark.parametrize(
        ("document", "complaint"),
        [
            ([], "document is not an object"),
            ({"backend": "other"}, "another backend"),
            ({"valid_until": "soon"}, "valid_until is not an RFC 3339 instant"),
            ({"valid_until": "2026-11-21T07:00:00"}, "valid_until is not an RFC 3339 instant"),
            ({"scenarios": {"s": None}}, "scenarios.s is not an object"),
            ({"scenarios": {"s": {"level": "2"}}}, "scenarios.s.level is not a count"),
            ({"scenarios": {"s": {"level": True}}}, "scenarios.s.level is not a count"),
            ({"scenarios": {"s": {"generation": -1}}}, "scenarios.s.generation is not a count"),
            ({"scenarios": {"s": {"flags": {"cache.only": 1}}}}, "cache.only has the wrong type"),
            ({"scenarios": {"s": {"then": {"flags": 3}}}}, "scenarios.s.then.flags is not an object"),
            ({"scenarios": {"s": {"fallback": {"level": None}}}}, "scenarios.s.fallback.level is not a count"),
            ({"scenarios": {"s": {"tenants": {"acme": {"until": 5}}}}}, "scenarios.s.tenants.acme.until"),
        ],
    )
    def test_is_refused_by_name(self, document: Any, complaint: str) -> None:
        with pytest.raises(DocumentRefusedError, match=complaint):
            checked(document, "demo-1")

    def test_is_not_one_that_says_more_than_we_know(self) -> None:
        document = {"scenarios": {"s": {"flags": {"new.flag": [1]}, "new_part": 1}}, "new": 1}
        assert checked(document, "demo-1") is document
        assert evaluate(document, {"scenario": "s"}, NOW)["new.flag"] == [1]

    def test_nor_one_whose_generation_went_back_which_is_only_said(self) -> None:
        assert went_back(DOCUMENT, {"scenarios": {"support-chat": {"generation": 6}, "new": {}}}) == ["support-chat"]
        assert went_back(DOCUMENT, DOCUMENT) == []
