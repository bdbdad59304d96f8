"""A card as a form, and back."""

import pytest

from trivet.card.content import parse
from trivet.card.presets import preset, presets
from trivet.console.cards.form import body_of, carried, changed, values_of


def card(**changes):
    return preset("real-time-chat").model_dump(mode="json") | changes


def rich():
    body = card(flags={"model.route": "gpt-4o", "cache.only": True})
    body["guards"][0] |= {"burn": {"objective": 0.999, "severity": "ticket"}, "webhook": "retrain", "severity": "info"}
    body["ladder"][0] |= {
        "shares": {"tools.mode": 0.5},
        "audiences": [{"tiers": ["vip", "gold"], "tenants": ["acme, inc"], "flags": {"tools.mode": "all"}}],
    }
    return body


class TestThereAndBack:
    @pytest.mark.parametrize("name", sorted(presets()))
    def test_a_preset_is_the_same_card(self, name):
        assert parse(body_of(values_of(preset(name).model_dump(mode="json")))) == preset(name)

    def test_so_is_a_card_with_everything_in_it(self):
        assert parse(body_of(values_of(rich()))) == parse(rich())

    def test_what_the_form_has_no_field_for_is_carried_and_named(self):
        body = card(novelty={"a": 1})
        body["guards"][1]["tone"] = "kind"
        values = values_of(body)
        assert carried(values) == {"novelty": {"a": 1}, "guards/1/tone": "kind"}
        assert body_of(values)["novelty"] == {"a": 1} and body_of(values)["guards"][1]["tone"] == "kind"

    def test_a_card_that_is_whole_carries_nothing(self):
        assert carried(values_of(rich())) == {}


class TestWhatIsTyped:
    def test_stays_what_it_is_where_it_is_no_number(self):
        values = values_of(card()) | {"guards.0.enter": "1,5 s", "quality.floor": "NaN"}
        body = body_of(values)
        assert (body["guards"][0]["enter"], body["quality"]["floor"]) == ("1,5 s", "NaN")

    def test_shares_are_per_cent_and_lists_are_lines(self):
        values = values_of(card()) | {"ladder.0.probe.shares": "10 %, 50", "quality.must_be_right": "sums\n\n names "}
        body = body_of(values)
        assert body["ladder"][0]["probe"]["shares"] == [0.1, 0.5]
        assert body["quality"]["must_be_right"] == ["sums", "names"]


class TestButtons:
    def test_a_guard_is_added_at_the_end_and_another_taken_away(self):
        before = values_of(card())
        after = body_of(changed(changed(before, "add-guard"), "remove-guard.0"))
        names = [guard["name"] for guard in card()["guards"]]
        assert [guard["name"] for guard in after["guards"]] == [*names[1:], ""]

    def test_levels_are_numbered_anew_and_no_more_than_three(self):
        fewer = changed(values_of(card()), "remove-level.0")
        assert [level["level"] for level in body_of(fewer)["ladder"]] == [1, 2]
        again = changed(changed(fewer, "add-level"), "add-level")
        assert len(body_of(again)["ladder"]) == 3

    def test_an_action_comes_with_what_is_usual_and_goes_with_its_share(self):
        values = values_of(rich()) | {"ladder.0.add": "read_only"}
        added = body_of(changed(values, "add-action.ladder.0"))["ladder"][0]
        assert added["flags"]["read_only"] is False
        gone = body_of(changed(values, "remove-action.ladder.0.flags.tools.mode"))["ladder"][0]
        assert "tools.mode" not in gone["flags"] and gone["shares"] == {}

    def test_lines_and_audiences_come_and_go(self):
        values = changed(changed(values_of(card()), "add-line"), "add-audience.1")
        body = body_of(values)
        assert body["cost"]["stop_loss"][-1]["per"] == "hour" and len(body["ladder"][1]["audiences"]) == 1
        back = body_of(changed(changed(values, "remove-line.2"), "remove-audience.1.0"))
        assert len(back["cost"]["stop_loss"]) == 2 and back["ladder"][1]["audiences"] == []

    @pytest.mark.parametrize("act", ["", "drop-table", "add-action.guards.0", "remove-guard.99"])
    def test_what_is_no_button_changes_nothing(self, act):
        assert changed(values_of(card()), act) == values_of(card())
