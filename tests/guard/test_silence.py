"""What silence says: no data where nothing is in flight, a stall where work is and nothing of it finishes."""

from datetime import UTC, datetime, timedelta

import pytest

from trivet.card.content import Guard
from trivet.guard.decide import Silence, Standing, Window, verdict
from trivet.kit.histogram import of

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
BY_STALL = Standing(broken=True, by_stall=True)


def ago(seconds):
    return NOW - timedelta(seconds=seconds)


def guard(metric="p95_latency_ms", for_s=0.0):
    enter, leave = (0.8, 0.9) if metric == "quality" else (1500, 1200)
    return Guard(name="g", metric=metric, enter=enter, leave=leave, window_s=30, minimum_sample=5, for_s=for_s)


def silence(seconds):
    return Window(seconds=30, finished=False, silence=Silence(ago(seconds), "5 run and 2 wait"))


def answered(ms, count=20):
    return Window(seconds=30, served=count, latency=of([ms * 1000] * count), latency_count=count)


class TestSilence:
    def test_with_nothing_in_flight_is_no_data(self):
        found = verdict(guard(), Window(seconds=30, finished=False), Standing(), NOW)
        assert (found.word, found.standing.broken) == ("no_data", False)

    def test_of_a_whole_window_with_work_in_flight_is_a_stall_and_breaks(self):
        found = verdict(guard(), silence(30), Standing(), NOW)
        assert (found.word, found.value, found.standing.broken) == ("stall", None, True)
        assert found.reason == "nothing finished in 30 s while 5 run and 2 wait"

    def test_of_less_is_told_and_breaks_nothing(self):
        found = verdict(guard(), silence(29), Standing(), NOW)
        assert (found.word, found.standing.broken) == ("no_data", False)
        assert found.reason.endswith("5 run and 2 wait, a stall once that lasts 30 s")

    def test_waits_for_as_long_as_the_guard_does(self):
        waits = guard(for_s=5)
        first = verdict(waits, silence(30), Standing(), NOW)
        assert (first.word, first.standing.over_since, first.standing.broken) == ("no_data", NOW, False)
        assert verdict(waits, silence(34), Standing(over_since=ago(4)), NOW).word == "no_data"
        assert verdict(waits, silence(35), Standing(over_since=ago(5)), NOW).word == "stall"

    @pytest.mark.parametrize("metric", ["quality", "cost_per_request", "cost_per_hour"])
    def test_breaks_no_guard_of_what_is_spent_or_scored(self, metric):
        assert verdict(guard(metric), silence(300), Standing(), NOW).word == "no_data"

    @pytest.mark.parametrize(
        "metric", ["error_rate", "timeout_rate", "p95_ttft_ms", "rate_limit_rate", "health_events"]
    )
    def test_breaks_each_guard_of_what_is_served(self, metric):
        assert verdict(guard(metric), silence(30), Standing(), NOW).word == "stall"

    def test_says_nothing_where_enough_was_measured_all_the_same(self):
        window = Window(seconds=30, latency=of([9_000_000] * 6), latency_count=6, overdue=6, finished=False,
                        silence=Silence(ago(60), "6 run"))  # fmt: skip
        found = verdict(guard(), window, Standing(), NOW)
        assert found.word == "breach" and found.reason.startswith("P95 8.98 s with 6 still running over 1.5 s: 6 of 6")


class TestAStall:
    def test_goes_on_while_the_silence_does(self):
        assert verdict(guard(), silence(90), BY_STALL, NOW).word == "stall"

    def test_ends_when_requests_finish_again(self):
        found = verdict(guard(), answered(1400), BY_STALL, NOW)
        assert (found.word, found.standing.broken) == ("ok", False)
        assert found.reason == "requests finish again: P95 1.4 s, limit 1.5 s"

    def test_ends_even_where_they_are_too_few_for_a_verdict(self):
        found = verdict(guard(), answered(1400, count=1), BY_STALL, NOW)
        assert (found.word, found.standing.broken) == ("no_data", False)
        assert found.reason == "requests finish again; 1 requests in 30 s, 5 needed for a verdict"

    def test_becomes_a_breach_where_they_finish_too_slowly(self):
        found = verdict(guard(), answered(2000), BY_STALL, NOW)
        assert found.word == "breach" and found.standing.broken

    def test_does_not_end_because_what_was_in_flight_has_gone(self):
        found = verdict(guard(), Window(seconds=30, finished=False), BY_STALL, NOW)
        assert (found.word, found.standing) == ("no_data", BY_STALL)

    def test_of_a_guard_that_a_number_broke_leaves_it_to_the_number_to_heal_it(self):
        found = verdict(guard(), silence(60), Standing(broken=True), NOW)
        assert (found.word, found.standing.by_stall) == ("stall", False)
        assert verdict(guard(), answered(1400), found.standing, NOW).word == "breach"
