"""A card is checked whole; what is wrong is named by its field."""

import pytest

from trivet.card.content import Card, parse
from trivet.card.presets import catalogue, preset, presets
from trivet.kit.errors import Invalid
from trivet.paths import shipped
from trivet_collectors.policy.evaluate import DEFAULTS

KINDS = ("real-time-chat", "content-creation", "code-assistant", "rag", "offline-batch", "edge", "multimodal")


def body():
    return preset("real-time-chat").model_dump(mode="json")


def changed(path, value):
    """The chat preset with one value changed, at a path such as `guards.0.leave`."""
    card = body()
    *parents, last = [int(part) if part.isdigit() else part for part in path.split("/")]
    at = card
    for part in parents:
        at = at[part]
    at[last] = value
    return card


class TestThePresets:
    def test_are_the_seven_kinds_of_scenario(self):
        assert set(presets()) == set(KINDS)

    @pytest.mark.parametrize("name", KINDS)
    def test_survive_the_way_through_json(self, name):
        card = preset(name)
        assert parse(card.model_dump(mode="json")) == card

    @pytest.mark.parametrize("name", KINDS)
    def test_guard_every_leg_and_have_three_levels(self, name):
        card = preset(name)
        metrics = {guard.metric for guard in card.guards}
        assert metrics >= {
            "p95_latency_ms", "error_rate", "timeout_rate", "refusal_rate", "cost_per_request", "quality",
        }  # fmt: skip
        assert [level.level for level in card.ladder] == [1, 2, 3]

    def test_hold_what_practice_says_of_their_kind(self):
        assert {name: card.latency.ttft_p95_ms for name, card in presets().items()} == {
            "real-time-chat": 200, "content-creation": 500, "code-assistant": 100, "rag": 500, "offline-batch": None,
            "edge": None, "multimodal": 300,
        }  # fmt: skip
        assert preset("edge").latency.p95_ms == 10 and preset("code-assistant").latency.p95_ms == 500

    def test_no_preset_of_that_name_is_refused_with_those_there_are(self):
        with pytest.raises(Invalid, match="rag"):
            preset("realtime")


class TestTheCatalogue:
    def test_names_every_metric_that_a_card_can_guard(self):
        from typing import get_args

        from trivet.card.content import Metric

        assert set(catalogue()) == set(get_args(Metric))

    @pytest.mark.parametrize("metric", sorted(catalogue()))
    def test_has_a_runbook_for_each(self, metric):
        text = (shipped("alerts").parent / catalogue()[metric].runbook).read_text("utf-8")
        assert metric in text and "## First look" in text and "## Way back" in text

    def test_has_no_runbook_without_a_guard(self):
        assert {file.stem for file in (shipped("alerts") / "runbooks").glob("*.md")} == set(catalogue())

    def test_knows_which_way_is_worse(self):
        from trivet.card.content import LOWER_IS_WORSE

        assert {m for m, kind in catalogue().items() if kind.worse == "lower"} == LOWER_IS_WORSE


class TestALevel:
    def test_overlays_the_base_flags(self):
        card = parse(changed("flags", {"model.route": "large", "rerank.depth": 20}))
        assert card.flags_at(0) == {"model.route": "large", "rerank.depth": 20}
        assert card.flags_at(2)["model.route"] == "small"
        assert card.flags_at(2)["rerank.depth"] == 20

    def test_takes_a_whole_number_for_a_float_flag(self):
        card = parse(changed("ladder/2/flags/admission.limit_rps", 3))
        assert type(card.flags_at(3)["admission.limit_rps"]) is float


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("path", "value", "field"),
        [
            ("quality/floor", "high", "quality.floor"),
            ("latency/p95_ms", -1, "latency.p95_ms"),
            ("cost/per_day", 600, "cost.per_day"),
            ("cost/per_day", "a lot", "cost.per_day"),
            ("cost/per_day", "-1", "cost.per_day"),
            ("cost/per_day", "0.0000000000001", "cost.per_day"),
            ("cost/currency", "dollars", "cost.currency"),
            ("guards/0/metric", "vibes", "guards.0.metric"),
            ("guards/0/leave", 1500, "guards.0"),
            ("guards/0/enter", float("nan"), "guards.0.enter"),
            ("guards/12/leave", 0.7, "guards.12"),
            ("guards/0/window_s", 0, "guards.0.window_s"),
            ("guards/0/window_s", 25, "guards.0.window_s"),
            ("quality/window_s", 25, "quality.window_s"),
            ("guards", [], "guards"),
            ("ladder/0/flags", {}, "ladder.0"),
            ("ladder/0/flags", {"context.max_turns": "three"}, "ladder.0.flags"),
            ("ladder/0/flags", {"context.max_turns": True}, "ladder.0.flags"),
            ("ladder/0/flags", {"context.max_turns": -3}, "ladder.0.flags"),
            ("ladder/0/flags", {"no.such.flag": 1}, "ladder.0.flags"),
            ("ladder/0/flags", {"policy.generation": 9}, "ladder.0.flags"),
            ("ladder/0/flags", {"tools.mode": "sometimes"}, "ladder.0.flags"),
            ("ladder/0/flags", {"admission": "reject"}, "ladder.0"),
            ("ladder/0/flags", {"admission": "limit"}, "ladder.0"),
            ("ladder/0/recover_after_s", 0, "ladder.0.recover_after_s"),
            ("ladder", [], "ladder"),
            ("fallback/level", 7, "fallback.level"),
            ("surprise", 1, "surprise"),
        ],
    )
    def test_the_wrong_field_is_named(self, path, value, field):
        with pytest.raises(Invalid) as refused:
            parse(changed(path, value))
        assert refused.value.field == field
        assert refused.value.detail.startswith(field)

    @pytest.mark.parametrize(
        ("path", "value", "words"),
        [
            ("ladder/1/level", 3, "without a gap"),
            ("guards/1/name", "p95-latency", "name of its own"),
            ("guards/12/enter", 0.7, "one quality floor"),
            ("cost/stop_loss/0/guard", "error-rate", "names no guard"),
            ("cost/stop_loss/0/amount", "61", "enters at 60"),
            ("latency/timeout_ms", 100, "shorter than the P95"),
        ],
    )
    def test_a_card_that_does_not_hold_together_says_where(self, path, value, words):
        with pytest.raises(Invalid, match=words):
            parse(changed(path, value))

    @pytest.mark.parametrize("text", ["a\0b", "half \ud800 of a pair"])
    def test_a_text_that_no_database_can_keep(self, text):
        with pytest.raises(Invalid, match="card: "):
            parse(changed("latency/on_timeout", text))

    def test_a_guard_that_raises_to_a_level_the_ladder_lacks(self):
        card = body()
        card["ladder"] = card["ladder"][:1]
        with pytest.raises(Invalid, match=r"raises_to: the ladder has no level 2"):
            parse(card)

    @pytest.mark.parametrize("nonsense", [None, [], "card", 7, {}])
    def test_what_is_no_card_at_all(self, nonsense):
        with pytest.raises(Invalid):
            parse(nonsense)

    def test_a_card_never_changes_once_made(self):
        with pytest.raises(ValueError, match="frozen"):
            preset("rag").fallback.level = 2


def test_every_flag_a_preset_sets_is_one_that_clients_know():
    used = {key for card in presets().values() for level in card.ladder for key in level.flags}
    assert used <= set(DEFAULTS)
    assert isinstance(preset("rag"), Card)


class TestEveryNumberHasAnEnd:
    @pytest.mark.parametrize(
        "path",
        [
            "quality/floor", "quality/min_sample", "quality/window_s", "latency/p50_ms", "latency/p95_ms",
            "latency/ttft_p95_ms", "latency/timeout_ms", "guards/0/enter", "guards/0/leave", "guards/0/window_s",
            "guards/0/minimum_sample", "guards/0/for_s", "guards/0/raises_to", "ladder/0/level", "ladder/0/min_stay_s",
            "ladder/0/recover_after_s", "rollback/within_s", "fallback/level", "fallback/valid_s",
        ],
    )  # fmt: skip
    @pytest.mark.parametrize("value", [1e20, 10**20, 10**400, float("inf"), float("nan"), -1e20])
    def test_beyond_it_the_card_is_refused_by_field(self, path, value):
        with pytest.raises(Invalid) as refused:
            parse(changed(path, value))
        assert refused.value.field == path.replace("/", ".")

    @pytest.mark.parametrize("path", ["cost/per_request", "cost/per_hour", "cost/per_day", "cost/per_tenant_day"])
    def test_so_has_money(self, path):
        with pytest.raises(Invalid, match="10\\^15"):
            parse(changed(path, "1" + "0" * 15))

    @pytest.mark.parametrize(
        ("flag", "value"),
        [("output.max_tokens", 10**400), ("admission.limit_rps", 1e300), ("admission.limit_rps", 10**400)],
    )
    def test_so_has_a_flag(self, flag, value):
        with pytest.raises(Invalid, match="at most"):
            parse(changed("flags", {flag: value}))

    def test_so_has_a_flags_text(self):
        with pytest.raises(Invalid, match="at most 500 characters"):
            parse(changed("flags", {"model.route": "x" * 501}))
