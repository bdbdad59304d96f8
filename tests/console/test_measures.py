"""A scenario's numbers against its card."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from trivet.card.presets import preset
from trivet.card.service import ActiveCard
from trivet.console.measures import Now, lines, shares, worst
from trivet.guard.models import GuardState
from trivet.kit import histogram
from trivet.rollup.read import Usage

AT = datetime(2026, 11, 21, 14, tzinfo=UTC)
CARD = preset("real-time-chat")  # P95 1.5 s, $0.004 a request, quality 0.8
ACTIVE = ActiveCard(1, "support-chat", 1, 1, CARD, AT, None, first=True)
USAGE = Usage(
    requests=110, errors=2, timeouts=1, refusals=5, rejections=10, unpriced_requests=20, cost=Decimal("0.16"),
    scores=4, score_total=3.6, latency=histogram.of([600_000] * 100), ttft=histogram.of([150_000] * 100),
)  # fmt: skip
NOW = Now(usage=USAGE, priced=USAGE, scored=USAGE, seconds=36, requests_per_s=3.0)


def state(guard: str, verdict: str, value: float | None = None) -> GuardState:
    return GuardState(
        scenario_id=1, guard=guard, verdict=verdict, reason=f"{guard} says {verdict}", value=value, threshold=1.0,
        sample=1, since=AT, evaluated_at=AT, revision=1,
    )  # fmt: skip


class TestNow:
    def test_rates_are_of_what_was_let_in(self):
        assert NOW.value("error_rate") == pytest.approx(0.03)
        assert NOW.value("refusal_rate") == 0.05

    def test_a_requests_cost_is_of_those_served_and_priced(self):
        assert NOW.value("cost_per_request") == Decimal("0.16") / 80

    def test_an_hours_cost_goes_on_at_the_present_rate(self):
        assert NOW.value("cost_per_hour") == Decimal(16)

    def test_nothing_measured_is_nothing_not_zero(self):
        empty = Now(Usage(), Usage(), Usage(), 30, 0)
        assert {
            empty.value(m) for m in ("quality", "p95_latency_ms", "cost_per_request", "cost_per_hour", "error_rate")
        } == {None}

    def test_what_a_guard_saw_goes_before_so_that_a_verdict_stands_beside_its_own_number(self):
        seen = NOW.beside(ACTIVE, {"p95-latency": state("p95-latency", "breach", 1620.0)})
        assert seen.value("p95_latency_ms") == 1620.0
        assert seen.value("quality") == 0.9

    def test_a_guard_without_data_leaves_the_measured_number(self):
        seen = NOW.beside(ACTIVE, {"p95-latency": state("p95-latency", "no_data")})
        assert seen.value("p95_latency_ms") == NOW.value("p95_latency_ms")


class TestLines:
    def test_a_line_has_the_number_the_target_and_the_verdict(self):
        found = {m.key: m for m in lines(CARD, NOW, {"p95-latency": state("p95-latency", "ok")})}
        p95 = found["p95_latency_ms"]
        assert (p95.now, p95.target, p95.verdict.state) == ("603 ms", "≤ 1.5 s", "ok")
        assert (found["quality"].now, found["quality"].target) == ("0.90", "≥ 0.8")
        assert (found["cost_per_request"].now, found["cost_per_request"].target) == ("$0.002000", "≤ $0.004")
        assert found["error_rate"].target == "≤ 5 %"

    def test_without_a_card_there_are_numbers_and_no_targets(self):
        found = lines(None, NOW, {})
        assert {m.target for m in found} == {""}
        assert {m.key for m in found} == {"quality", "p95_latency_ms", "p95_ttft_ms", "cost_per_request", "error_rate"}

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
