"""A new card is checked as a whole: it can be left, it is measured, and each level costs less than the one below."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivet.card.content import parse
from trivet.card.order import loosened
from trivet.card.presets import preset, presets
from trivet.card.whole import checked, complaints
from trivet.demo import cards as demo
from trivet.kit.errors import Invalid


def body(**changes):
    return preset("real-time-chat").model_dump(mode="json") | changes


def level(number, **changes):
    """The chat card with a level changed; `flags` are laid over the level's."""
    card = body()
    step = card["ladder"][number - 1]
    step["flags"] |= changes.pop("flags", {})
    step |= changes
    return card


def without(number, flag):
    card = body()
    del card["ladder"][number - 1]["flags"][flag]
    return card


def refusal(card, prices=None):
    with pytest.raises(Invalid) as refused:
        checked(card, prices)
    return refused.value


class TestCardsOfOurOwn:
    @pytest.mark.parametrize("name", sorted(presets()))
    def test_a_preset_could_be_drafted(self, name):
        assert list(complaints(preset(name))) == []

    @pytest.mark.parametrize("name", sorted(demo.SCENARIOS))
    def test_a_card_of_the_demo_could_be_drafted(self, name):
        assert list(complaints(parse(demo.body(name)))) == []

    def test_so_could_the_bad_revision_of_the_story(self):
        assert list(complaints(parse(demo.bad_body()))) == []


class TestALadderThatCannotBeLeft:
    def test_is_refused_where_no_guard_moves_it_and_it_waits_for_metrics(self):
        card = body()
        card["guards"] = [guard | {"raises_to": 0} for guard in card["guards"]]
        refused = refusal(card)
        assert refused.field == "ladder.0.way_back"
        assert "no guard moves the ladder" in refused.detail and "manual" in refused.detail

    @pytest.mark.parametrize("way", ["manual", "regression_passed", "next_budget_day"])
    def test_is_none_where_something_else_ends_each_level(self, way):
        card = body()
        card["guards"] = [guard | {"raises_to": 0} for guard in card["guards"]]
        card["ladder"] = [step | {"way_back": way} for step in card["ladder"]]
        assert checked(card).ladder[0].way_back == way

    def test_guards_in_shadow_count_for_they_will_move_it(self):
        card = body()
        card["guards"] = [guard | {"shadow": True} for guard in card["guards"]]
        checked(card)

    def test_is_refused_where_a_level_lets_too_little_in_to_be_measured(self):
        # 20 requests in 30 s are 0.67 a second
        refused = refusal(level(3, flags={"admission.limit_rps": 0.5}))
        assert refused.field == "ladder.2.flags.admission.limit_rps"
        assert "Allow 0.67 or more" in refused.detail

    def test_a_level_that_a_person_ends_may_let_in_as_little_as_it_likes(self):
        checked(level(3, flags={"admission.limit_rps": 0.5}, way_back="manual"))


class TestAGuardNobodyMeasures:
    @pytest.mark.parametrize(
        ("metric", "target"), [("p95_ttft_ms", "ttft_p95_ms"), ("p99_inter_token_ms", "inter_token_p95_ms")]
    )
    def test_is_one_of_a_stream_that_nobody_promised(self, metric, target):
        card = body()
        card["latency"][target] = None
        card["guards"] = [g for g in card["guards"] if g["metric"] not in ("p95_ttft_ms", "p95_inter_token_ms")]
        card["guards"].append(card["guards"][0] | {"name": "streams", "metric": metric})
        refused = refusal(card)
        assert refused.field == "guards.streams.metric" and target in refused.detail

    def test_is_one_of_a_tenants_day_without_a_limit_for_it(self):
        card = body()
        card["cost"]["per_tenant_day"] = None
        card["guards"].append(card["guards"][0] | {"name": "tenant", "metric": "cost_per_tenant_day"})
        assert refusal(card).field == "guards.tenant.metric"


class TestALevelThatCostsMoreThanTheOneBelow:
    @pytest.mark.parametrize(
        ("flags", "flag", "says"),
        [
            ({"output.max_tokens": 600}, "output.max_tokens", "600, where the level below allows 512"),
            ({"tools.mode": "all"}, "tools.mode", "all, where the level below says local"),
            ({"features.off": "images"}, "features.off", "charts would come back"),
        ],
    )
    def test_is_refused_with_the_flag_named(self, flags, flag, says):
        refused = refusal(level(2, flags=flags))
        assert refused.field == f"ladder.1.flags.{flag}"
        assert says in refused.detail

    @pytest.mark.parametrize("flag", ["context.max_turns", "model.route", "features.off"])
    def test_is_one_that_leaves_out_what_the_one_below_says(self, flag):
        assert refusal(without(3, flag)).field == f"ladder.2.flags.{flag}"

    def test_goes_for_what_level_0_does_too(self):
        assert refusal(body(flags={"output.max_tokens": 100})).field == "ladder.0.flags.output.max_tokens"

    def test_where_only_the_cache_answers_it_does_not_matter_what_a_model_would_be_asked(self):
        card = level(3, flags={"cache.only": True})
        for flag in ("context.max_turns", "output.max_tokens", "model.route"):
            del card["ladder"][2]["flags"][flag]
        checked(card)

    def test_models_are_compared_where_both_have_a_price(self):
        card = level(2, flags={"model.route": "tiny"})
        card["ladder"][2]["flags"]["model.route"] = "huge"
        prices = {"tiny": Decimal("0.3"), "huge": Decimal(30)}
        assert refusal(card, prices).field == "ladder.2.flags.model.route"
        checked(card, {"tiny": Decimal("0.3")})
        checked(card, {"tiny": Decimal("0.3"), "huge": Decimal("0.2")})

    def test_is_one_that_acts_for_fewer_conversations(self):
        card = body()
        card["ladder"][1]["shares"] = {"tools.mode": 0.5}
        assert refusal(card).field == "ladder.1.shares.tools.mode"

    @given(st.integers(0, 5000), st.integers(0, 5000))
    def test_a_limit_is_loosened_when_it_grows_or_goes(self, below, above):
        loose = bool(list(loosened({"output.max_tokens": below}, {"output.max_tokens": above}, {})))
        assert loose == (below > 0 and (above == 0 or above > below))


class TestAKeptCard:
    def test_is_still_read_where_a_new_one_would_be_refused(self):
        assert parse(level(2, flags={"output.max_tokens": 600})).level(2).flags["output.max_tokens"] == 600

    def test_of_which_several_things_are_wrong_says_how_many(self):
        assert "(1 more)" in refusal(level(2, flags={"output.max_tokens": 600, "tools.mode": "all"})).detail
