"""Each problem of a card has the field that it stands beside."""

import pytest

from trivet.card.presets import preset
from trivet.card.problems import found


def card(**changes):
    return preset("real-time-chat").model_dump(mode="json") | changes


def wrong(change):
    body = card()
    change(body)
    return dict(found(body)[1])


class TestEachProblemHasItsField:
    @pytest.mark.parametrize(
        ("change", "field", "says"),
        [
            (lambda b: b["quality"].update(floor="high"), "quality.floor", "not a number"),
            (lambda b: b["guards"][0].update(leave=2000.0), "guards.0.leave", "must lie below enter"),
            (lambda b: b["guards"][7].update(burn={"objective": 0.9}), "guards.7.burn", "no error budget to burn"),
            (lambda b: b["guards"][1].update(raises_to=3.5), "guards.1.raises_to", "not a whole number"),
            (lambda b: b["latency"].update(timeout_ms=10), "latency.timeout_ms", "shorter than the P95"),
            (lambda b: b["fallback"].update(level=3) or b["ladder"].pop(), "fallback.level", "no level 3"),
            (lambda b: b["ladder"][0]["flags"].update({"tools.mode": "some"}), "ladder.0.flags.tools.mode", "is one of"),
            (lambda b: b["ladder"][0].update(flags={}), "ladder.0.flags", "without actions"),
            (lambda b: b["ladder"][1]["probe"].update(shares=[0.5, 0.1]), "ladder.1.probe.shares", "shares grow"),
            (lambda b: b["cost"].update(per_day="a lot"), "cost.per_day", "decimal string"),
            (lambda b: b["cost"]["stop_loss"][0].update(guard="nobody"), "cost.stop_loss.0.guard", "names no guard"),
            (lambda b: b["latency"].update(ttft_p95_ms=None), "guards.2.metric", "latency.ttft_p95_ms"),
        ],
    )  # fmt: skip
    def test_so_that_a_form_can_show_it_there(self, change, field, says):
        assert says in wrong(change)[field]

    def test_all_of_them_are_told_and_not_the_first_alone(self):
        assert set(wrong(lambda b: (b["quality"].update(floor="x"), b["guards"][3].update(enter=-1.0)))) == {
            "quality.floor", "guards.3.enter",
        }  # fmt: skip

    def test_a_card_without_any_is_there(self):
        made, problems = found(card())
        assert made == preset("real-time-chat") and problems == []
