"""What changed between two cards, by field and in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivet.card.diff import changes, said
from trivet.card.presets import preset, presets


def body(name="real-time-chat"):
    return preset(name).model_dump(mode="json")


def words(before, after):
    return [change.words for change in changes(before, after)]


class TestTheSameCard:
    @pytest.mark.parametrize("name", sorted(presets()))
    def test_has_no_difference(self, name):
        assert changes(body(name), body(name)) == []

    def test_is_the_same_with_whole_numbers_written_otherwise(self):
        other = body()
        other["guards"][0]["enter"] = 1500
        assert changes(body(), other) == []


class TestAChange:
    def test_of_a_guard_is_named_by_the_guard(self):
        other = body()
        other["guards"][0] |= {"enter": 1200.0, "leave": 1000.0}
        assert words(body(), other) == [
            "guards.p95-latency.enter: 1500 → 1200",
            "guards.p95-latency.leave: 1200 → 1000",
        ]

    def test_of_the_order_of_guards_is_none(self):
        other = body()
        other["guards"].reverse()
        assert changes(body(), other) == []

    def test_of_a_level_is_named_by_its_number(self):
        other = body()
        other["ladder"][1]["flags"]["context.max_turns"] = 2
        del other["ladder"][1]["flags"]["features.off"]
        assert words(body(), other) == [
            "ladder.2.flags.context.max_turns: 3 → 2",
            "ladder.2.flags.features.off: gone, was images,charts",
        ]

    def test_of_lists_and_truths_and_nothing_is_said_as_people_say_it(self):
        other = body()
        other["quality"]["must_be_right"] = ["prices", "dates"]
        other["latency"]["p50_ms"] = None
        other["rollback"]["automatic"] = False
        assert words(body(), other) == [
            "quality.must_be_right: facts about the user's own account; safety → prices; dates",
            "latency.p50_ms: 600 → nothing",
            "rollback.automatic: yes → no",
        ]

    def test_that_adds_a_guard_says_all_of_it(self):
        other = body()
        other["guards"].append(other["guards"][0] | {"name": "mine"})
        (change,) = changes(body(), other)
        assert (change.field, change.before, change.after["name"]) == ("guards.mine", None, "mine")
        assert change.words.startswith("guards.mine: new, name mine, metric p95_latency_ms, enter 1500")


class TestAnyTwoCards:
    @given(st.sampled_from(sorted(presets())), st.sampled_from(sorted(presets())))
    def test_differ_in_as_many_fields_one_way_as_the_other(self, one, other):
        there, back = changes(body(one), body(other)), changes(body(other), body(one))
        assert {(c.field, str(c.before), str(c.after)) for c in there} == {
            (c.field, str(c.after), str(c.before)) for c in back
        }


@pytest.mark.parametrize(
    ("value", "words"), [(0.05, "0.05"), (3.0, "3"), ([], "nothing"), ("", "nothing"), (True, "yes")]
)
def test_a_value_is_said_as_a_sentence_can_hold_it(value, words):
    assert said(value) == words
