"""What one guard says of one window, case by case."""

from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
from tests.support.seeded import seeded

from trivet.card.content import LOWER_IS_WORSE, Guard, Metric
from trivet.guard.decide import MEASURES, Standing, Window, verdict
from trivet.guard.sequential import Counts
from trivet.kit.histogram import of, total

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)


def guard(metric="p95_latency_ms", enter=1500.0, leave=1200.0, for_s=0.0, least=10):
    return Guard(
        name="g", metric=metric, enter=enter, leave=leave, window_s=30, minimum_sample=least, for_s=for_s, raises_to=1
    )


def latencies(ms, count=20):
    data = of([round(ms * 1000)] * count)
    return Window(seconds=30, served=count, latency=data, latency_count=total(data))


def ago(seconds):
    return NOW - timedelta(seconds=seconds)


class TestALatencyGuard:
    @pytest.mark.parametrize(
        ("ms", "before", "word", "broken"),
        [
            (900, Standing(), "ok", False),
            (1400, Standing(), "ok", False),  # between leave and enter: not broken, not calm
            (2100, Standing(), "breach", True),
            (1400, Standing(broken=True), "breach", True),  # broken until it is back within leave
            (2100, Standing(broken=True), "breach", True),
            (1100, Standing(broken=True), "ok", False),
        ],
    )
    def test_enters_and_leaves_at_different_thresholds(self, ms, before, word, broken):
        found = verdict(guard(), latencies(ms), before, NOW)
        assert (found.word, found.standing.broken) == (word, broken)

    def test_says_why_with_numbers(self):
        assert verdict(guard(), latencies(2100), Standing(), NOW).reason == (
            "P95 2.09 s over 1.5 s: 20 of 20 took over 1.5 s where 1 may; chance of this by luck under 1 in a billion"
        )
        assert verdict(guard(), latencies(800), Standing(), NOW).reason == "P95 798 ms, limit 1.5 s"
        assert "ends at 1.2 s" in verdict(guard(), latencies(1400), Standing(broken=True), NOW).reason

    def test_that_breaks_while_most_of_the_window_was_well_says_since_when(self):
        data = of([300_000] * 192 + [2_500_000] * 8)
        counts = [Counts(ago(s), 8, 8 if s == 1 else 0) for s in range(25, 0, -1)]
        seen = Window(seconds=30, served=200, latency=data, latency_count=200, counts=counts)
        assert verdict(guard(), seen, Standing(), NOW).reason == (
            "since 07:59:59 UTC 8 of 8 took over 1.5 s where 0.4 may; chance of this by luck under 1 in a billion;"
            " P95 300 ms in all 30 s, limit 1.5 s"
        )

    def test_keeps_since_when_it_is_clear(self):
        assert verdict(guard(), latencies(900), Standing(), NOW).standing.clear_since == NOW
        assert verdict(guard(), latencies(900), Standing(clear_since=ago(9)), NOW).standing.clear_since == ago(9)
        assert verdict(guard(), latencies(1400), Standing(clear_since=ago(9)), NOW).standing.clear_since is None


class TestAGuardThatWaits:
    def test_breaks_only_once_the_limit_was_passed_for_that_long(self):
        waits = guard(for_s=5)
        first = verdict(waits, latencies(2100), Standing(), NOW)
        assert (first.word, first.standing.over_since) == ("ok", NOW)
        assert first.reason.startswith("P95 2.09 s over 1.5 s for 0 s, breaks after 5 s: 20 of 20 took over 1.5 s")
        assert verdict(waits, latencies(2100), Standing(over_since=ago(4.9)), NOW).word == "ok"
        assert verdict(waits, latencies(2100), Standing(over_since=ago(5)), NOW).word == "breach"

    def test_starts_again_when_the_limit_was_kept_in_between(self):
        assert verdict(guard(for_s=5), latencies(900), Standing(over_since=ago(4)), NOW).standing.over_since is None


class TestTooLittleData:
    def test_is_a_state_of_its_own(self):
        found = verdict(guard(), latencies(9000, count=9), Standing(), NOW)
        assert (found.word, found.value, found.sample) == ("no_data", None, 9)
        assert found.reason == "9 requests in 30 s, 10 needed for a verdict"

    def test_neither_ends_a_breach_nor_counts_as_calm(self):
        found = verdict(guard(), latencies(1, count=3), Standing(broken=True, clear_since=ago(60)), NOW)
        assert found.standing == Standing(broken=True)
        assert "stays open" in found.reason

    @pytest.mark.parametrize("metric", sorted(MEASURES))
    def test_of_nothing_at_all_divides_by_nothing(self, metric):
        enter, leave = (0.8, 0.9) if metric in LOWER_IS_WORSE else (0.5, 0.4)
        assert verdict(guard(metric, enter, leave, least=1), Window(seconds=30), Standing(), NOW).word == "no_data"

    def test_is_counted_in_what_the_metric_is_of(self):
        rated = guard("quality", 0.8, 0.85)
        found = verdict(rated, Window(seconds=300, served=500, scores=3, score_total=0.1), Standing(), NOW)
        assert found.reason == "3 scores in 300 s, 10 needed for a verdict"


class TestEachMetric:
    def test_that_a_card_can_guard_is_measured(self):
        assert set(MEASURES) == set(get_args(Metric))

    SEEN = Window(
        seconds=30, served=100, errors=6, timeouts=4, refusals=3, priced=50, cost=0.5, scores=10, score_total=7.0,
        ttft=of([300_000] * 10), ttft_count=10,
    )  # fmt: skip

    @pytest.mark.parametrize(
        ("metric", "value", "sample"),
        [
            ("error_rate", 0.10, 100),
            ("timeout_rate", 0.04, 100),
            ("refusal_rate", 0.03, 100),
            ("cost_per_request", 0.01, 50),
            ("cost_per_hour", 60.0, 50),
            ("quality", 0.7, 10),
        ],
    )
    def test_is_what_its_catalogue_entry_says(self, metric, value, sample):
        enter, leave = (0.8, 0.9) if metric == "quality" else (1e6, 1e5)
        found = verdict(guard(metric, enter, leave), self.SEEN, Standing(), NOW)
        assert found.value == pytest.approx(value)
        assert found.sample == sample

    def test_the_first_token_is_a_percentile_too(self):
        found = verdict(guard("p95_ttft_ms", 200, 150), self.SEEN, Standing(), NOW)
        assert found.word == "breach" and found.value == pytest.approx(300, rel=0.011)

    def test_quality_breaks_under_its_floor_and_is_whole_above_leave(self):
        floor = guard("quality", enter=0.8, leave=0.85)

        def scored(mean):
            return Window(seconds=300, scores=100, score_total=100 * mean)

        assert verdict(floor, scored(0.8), Standing(), NOW).word == "ok"
        assert verdict(floor, scored(0.5), Standing(), NOW).word == "breach"
        assert verdict(floor, scored(0.82), Standing(broken=True), NOW).word == "breach"
        assert verdict(floor, scored(0.86), Standing(broken=True), NOW).word == "ok"
        assert verdict(floor, scored(0.79), Standing(), NOW).reason == (
            "quality 0.79 under 0.8; not yet a breach, it could be luck: 100 scores lost 21 points where 20 may be lost"
        )


class TestAtRest:
    """Run again with the seed it prints."""

    def test_a_guard_within_its_limit_never_breaks_whatever_comes(self):
        random, standing = seeded(), Standing()
        for second in range(2_000):
            seen = latencies(random.uniform(1, 1480), count=random.choice([0, 5, 20]))
            found = verdict(guard(for_s=random.choice([0, 3])), seen, standing, NOW + timedelta(seconds=second))
            assert found.word != "breach" and not found.standing.broken
            standing = found.standing

    def test_a_value_between_leave_and_enter_never_flaps(self):
        random = seeded()
        for broken in (True, False):
            standing = Standing(broken=broken)
            for second in range(1_000):
                seen = latencies(random.uniform(1215, 1480), count=random.choice([0, 20]))
                standing = verdict(guard(), seen, standing, NOW + timedelta(seconds=second)).standing
                assert standing.broken is broken
