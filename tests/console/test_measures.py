"""A scenario's numbers against its card."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from trivet.card.presets import preset
from trivet.console.measures import Now, lines, shares, worst
from trivet.guard.models import GuardState
from trivet.kit import histogram
from trivet.rollup.read import Usage

AT = datetime(2026, 11, 21, 14, tzinfo=UTC)
CARD = preset("real-time-chat")  # P95 1.5 s, $0.004 a request, quality 0.8
USAGE = Usage(
    requests=110, errors=2, timeouts=1, refusals=5, rejections=10, unpriced_requests=20, cost=Decimal("0.16"),
    scores=4, score_total=3.6, latency=histogram.of([600_000] * 100), ttft=histogram.of([150_000] * 100),
)  # fmt: skip
NOW = Now(usage=USAGE, priced=USAGE, scored=USAGE, requests_per_s=3.0, priced_per_s=2.5)


def state(guard: str, verdict: str, value: float | None = None) -> GuardState:
    return GuardState(
        scenario_id=1, guard=guard, verdict=verdict, reason=f"{guard} says {verdict}", value=value, threshold=1.0,
        sample=1, since=AT, evaluated_at=AT, revision=1,
    )  # fmt: skip


def line(metric: str, now: Now = NOW):
    return next(m for m in lines(CARD, now, {}) if m.key == metric)


class TestNow:
    def test_rates_are_of_what_was_let_in(self):
        assert NOW.value("error_rate") == pytest.approx(0.03)
        assert NOW.value("refusal_rate") == 0.05

    def test_a_requests_cost_is_of_those_served_and_priced(self):
        assert NOW.value("cost_per_request") == Decimal("0.16") / 80

    def test_an_hours_cost_is_a_requests_cost_as_often_as_they_come(self):
        assert NOW.value("cost_per_hour") == Decimal("0.002") * Decimal("2.5") * 3600

    def test_an_hours_cost_does_not_fall_because_a_change_is_young(self):
        """Degraded 2 s ago: two requests have finished since, 3.4 come each second as before."""
        two = Usage(requests=2, cost=Decimal("0.002"))
        young = Now(usage=two, priced=two, scored=Usage(), requests_per_s=3.4, priced_per_s=3.4)
        assert young.value("cost_per_hour") == Decimal("12.24")

    def test_nothing_measured_is_nothing_not_zero(self):
        empty = Now(Usage(), Usage(), Usage(), 0, 0)
        assert {
            empty.value(m) for m in ("quality", "p95_latency_ms", "cost_per_request", "cost_per_hour", "error_rate")
        } == {None}


class TestLines:
    def test_a_line_has_the_number_the_target_and_the_verdict(self):
        found = {m.key: m for m in lines(CARD, NOW, {"p95-latency": state("p95-latency", "ok")})}
        p95 = found["p95_latency_ms"]
        assert (p95.now, p95.target, p95.verdict.state) == ("603 ms", "≤ 1.5 s", "ok")
        assert (found["quality"].now, found["quality"].target) == ("0.90", "≥ 0.80")
        assert (found["cost_per_request"].now, found["cost_per_request"].target) == (
            "$0.002000", "≤ $0.004, guard $0.008",
        )  # fmt: skip
        assert found["error_rate"].target == "≤ 5 %"

    def test_without_a_card_there_are_numbers_and_no_targets(self):
        found = lines(None, NOW, {})
        assert {m.target for m in found} == {""}
        assert {m.key for m in found} == {"quality", "p95_latency_ms", "p95_ttft_ms", "cost_per_request", "error_rate"}

    def test_a_stop_loss_stands_beside_the_target_that_it_is_not(self):
        assert line("cost_per_hour").target == "≤ $40, stop-loss $60"

    def test_a_number_is_no_fact_until_enough_was_measured_under_what_governs(self):
        assert line("p95_latency_ms").proven
        assert not line("p95_latency_ms", replace(NOW, from_before=True)).proven
        assert not line("p95_latency_ms", replace(NOW, usage=replace(USAGE, latency=histogram.of([1] * 19)))).proven
        assert not line("quality").proven  # four scores, twenty needed

    def test_what_is_past_its_target_says_so_whether_or_not_a_guard_watches_it(self):
        slow = replace(NOW, usage=replace(USAGE, ttft=histogram.of([3_370_000] * 100)))
        unwatched = CARD.model_copy(update={"guards": tuple(g for g in CARD.guards if g.metric != "p95_ttft_ms")})
        found = {m.key: m for m in lines(unwatched, slow, {})}["p95_ttft_ms"]
        assert (found.over, found.verdict) == (True, None)
        assert not line("p95_ttft_ms").over
        assert line("quality", replace(NOW, scored=Usage(scores=4, score_total=3.19))).over

    def test_of_several_guards_on_one_number_the_broken_one_speaks(self):
        found = lines(
            CARD,
            NOW,
            {"p95-latency": state("p95-latency", "breach"), "p95-latency-high": state("p95-latency-high", "ok")},
        )
        assert next(m for m in found if m.key == "p95_latency_ms").verdict.guard == "p95-latency"
        assert worst([]) is None


class TestShares:
    def test_they_are_parts_of_the_cards_allowance(self):
        quality, latency, cost = shares(CARD, NOW)
        assert quality == pytest.approx(0.8 / 0.9)
        assert latency == pytest.approx(0.4, rel=0.01)
        assert cost == 0.5

    def test_without_a_card_there_is_no_allowance(self):
        assert shares(None, NOW) == (None, None, None)

    def test_without_data_a_leg_has_no_share(self):
        assert shares(CARD, replace(NOW, scored=Usage()))[0] is None
