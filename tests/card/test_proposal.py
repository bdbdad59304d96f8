"""Thresholds proposed from a scenario's own days."""

import math

import pytest

from trivet.card.content import parse
from trivet.card.presets import preset, presets
from trivet.card.proposal import Stretch, TooLittleData, plain, propose, two_digits
from trivet.card.whole import complaints

BASE = preset("real-time-chat").model_dump(mode="json")


def minutes(count=100, **said):
    """Stretchs that all show the same but for the last, which is ten times worse in latency."""
    plain_ = {
        "requests": 50, "p50_latency_ms": 300.0, "p95_latency_ms": 800.0, "p95_ttft_ms": 150.0, "error_rate": 0.004,
        "timeout_rate": 0.0, "refusal_rate": 0.02, "cost_per_request": 0.0031, "cost_per_hour": 9.3, "quality": 0.91,
    }  # fmt: skip
    return [Stretch(**(plain_ | said))] * (count - 1) + [Stretch(**(plain_ | {"p95_latency_ms": 8000.0} | said))]


def guards(proposal):
    return {guard["name"]: guard for guard in proposal.card["guards"]}


class TestAProposal:
    def test_lies_beyond_what_99_of_100_minutes_showed(self):
        found = {t.metric: t for t in propose(BASE, minutes(200), 7).thresholds}
        assert (found["p95_latency_ms"].enter, found["p95_latency_ms"].leave) == (1000.0, 800.0)
        assert found["cost_per_hour"].enter == 14.0  # 9.3 × 1.5 = 13.95, up to two digits
        assert found["refusal_rate"].enter == 0.03

    @pytest.mark.parametrize("count", [60, 99, 101])
    def test_never_takes_the_worst_stretch_for_the_norm(self, count):
        found = {t.metric: t for t in propose(BASE, minutes(count), 7).thresholds}
        assert found["p95_latency_ms"].enter == 1000.0
        assert found["p95_latency_ms"].words.startswith(f"{count - 1} of {count} minutes were at or below 800;")

    def test_of_a_rate_that_hardly_is_does_not_break_at_one_request_of_fifty(self):
        found = {t.metric: t for t in propose(BASE, minutes(), 7).thresholds}
        assert (found["error_rate"].enter, found["timeout_rate"].enter) == (0.02, 0.02)

    def test_of_a_floor_lies_below(self):
        found = {t.metric: t for t in propose(BASE, minutes(), 7).thresholds}["quality"]
        assert found.enter == 0.88 and found.leave > found.enter  # 0.91 − 3 %, down to two digits

    def test_is_a_card_in_shadow_that_could_be_drafted(self):
        made = propose(BASE, minutes(200), 7)
        card = parse(made.card)
        assert list(complaints(card)) == []
        assert all(guard.shadow for guard in card.guards)
        assert card.latency.p95_ms == 1000 and card.quality.floor == 0.88

    def test_keeps_the_distance_of_several_guards_on_one_metric(self):
        found = guards(propose(BASE, minutes(200), 7))
        assert (found["p95-latency"]["enter"], found["p95-latency-high"]["enter"]) == (1000.0, 2000.0)

    def test_moves_the_stop_loss_with_its_guard(self):
        made = propose(BASE, minutes(200), 7).card
        assert made["cost"]["stop_loss"][0]["amount"] == "14"

    def test_says_on_what_it_rests(self):
        made = propose(BASE, minutes(200), 7)
        assert made.words == "From 10,000 requests in 200 minutes of 7 days at level 0."
        assert (made.requests, made.stretches, made.stretch_s, made.days) == (10_000, 200, 60, 7)

    def test_of_few_calls_a_minute_rests_on_longer_stretches_and_says_so(self):
        made = propose(BASE, minutes(), 7, 3600)
        assert made.words == "From 5,000 requests in 100 hours of 7 days at level 0."
        assert made.thresholds[0].words.startswith("99 of 100 hours were at or below 800;")

    @pytest.mark.parametrize("name", sorted(presets()))
    def test_on_any_preset_could_be_drafted(self, name):
        made = propose(preset(name).model_dump(mode="json"), minutes(), 7)
        assert list(complaints(parse(made.card))) == []

    def test_leaves_alone_what_nothing_was_seen_of(self):
        made = propose(BASE, minutes(quality=None, p95_ttft_ms=None), 7)
        assert made.card["quality"]["floor"] == BASE["quality"]["floor"]
        assert guards(made)["p95-ttft"] == guards_of(BASE)["p95-ttft"] | {"shadow": True}


def guards_of(body):
    return {guard["name"]: guard for guard in body["guards"]}


class TestTooLittle:
    @pytest.mark.parametrize("few", [minutes(10, requests=500), minutes(100, requests=5), []])
    def test_is_refused_and_says_what_it_takes(self, few):
        with pytest.raises(TooLittleData, match="a proposal takes 1,000, and 60 minutes"):
            propose(BASE, few, 7)


@pytest.mark.parametrize(
    ("value", "up", "down"),
    [(1234, 1300, 1200), (0.0123, 0.013, 0.012), (2, 2, 2), (0.1, 0.1, 0.1), (99.1, 100, 99), (0, 0, 0)],
)
def test_two_digits_are_kept(value, up, down):
    assert (two_digits(value, math.ceil), two_digits(value, math.floor)) == (up, down)


@pytest.mark.parametrize(("value", "text"), [(0.0047, "0.0047"), (14.0, "14"), (1e-13, "0"), (120.5, "120.5")])
def test_money_is_written_without_an_exponent(value, text):
    assert plain(value) == text
