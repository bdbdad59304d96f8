"""A share over its limit, or luck: by hand, under the null for a long time, and in bursts."""

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from tests.support.seeded import seeded

from trivet.card.content import Guard
from trivet.guard.sequential import MONTH_S, Counts, Normal, clumped, evidence, needed, tolerated

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def guard(metric="p95_latency_ms", enter=1500.0, **more):
    return Guard(name="g", metric=metric, enter=enter, leave=enter / 2, window_s=60, minimum_sample=5, **more)


def at(second):
    return NOON + timedelta(seconds=second)


def bad_of(n, bad, **more):
    return [Counts(NOON, n, bad, **more)]


class TestWhatIsTolerated:
    @pytest.mark.parametrize(
        ("metric", "enter", "share"),
        [
            ("p50_latency_ms", 900, 0.5),
            ("p95_ttft_ms", 900, 0.05),
            ("p99_inter_token_ms", 90, 0.01),
            ("error_rate", 0.03, 0.03),
            ("cost_per_hour", 5, None),
            ("health_events", 1, None),
        ],
    )
    def test_is_what_a_percentile_leaves_or_a_rates_limit(self, metric, enter, share):
        assert tolerated(guard(metric, enter)) == share

    def test_of_quality_is_what_a_score_may_lose(self):
        floor = Guard(name="q", metric="quality", enter=0.8, leave=0.9, window_s=60, minimum_sample=5)
        assert tolerated(floor) == pytest.approx(0.2)

    def test_is_a_plain_threshold_without_a_budget(self):
        assert tolerated(guard(false_alarms_per_month=None)) is None


class TestHowMuchIsEnough:
    def test_is_a_month_of_seconds_over_the_budget(self):
        assert needed(1) == pytest.approx(math.log(2_592_000))
        assert needed(30) == pytest.approx(math.log(86_400))

    @pytest.mark.parametrize(
        ("metric", "enter", "calls"),
        [
            ("p95_latency_ms", 1500, 6),
            ("p99_latency_ms", 1500, 4),
            ("p50_latency_ms", 1500, 24),
            ("error_rate", 0.1, 8),
        ],
    )
    def test_takes_few_calls_where_all_are_bad(self, metric, enter, calls):
        assert evidence(guard(metric, enter), bad_of(calls, calls)).enough
        assert not evidence(guard(metric, enter), bad_of(calls - 1, calls - 1)).enough

    def test_by_hand(self):
        """Odds of 1.5, 2.5, 5, 12, 40 and 400 times 1/19 are shares of 7.3, 11.6, 20.8, 38.7, 67.8 and 95.5 %."""
        shares = [m / (19 + m) for m in (1.5, 2.5, 5, 12, 40, 400)]
        mixed = sum((q / 0.05) ** 4 * ((1 - q) / 0.95) ** 6 for q in shares) / 6
        found = evidence(guard(), bad_of(10, 4))
        assert (found.n, found.bad, found.allowed) == (10, 4, pytest.approx(0.5))
        assert found.strength == pytest.approx(math.log(mixed))
        assert found.luck == pytest.approx(1 / mixed)

    def test_tells_of_the_requests_since_it_began(self):
        counts = [Counts(at(second), 10, 0) for second in range(50)] + [Counts(at(50), 10, 9)]
        found = evidence(guard(), counts)
        assert (found.n, found.bad, found.since) == (10, 9, at(50)) and found.enough

    def test_of_nothing_is_nothing(self):
        assert evidence(guard(), []).strength == 0
        assert not evidence(guard(), bad_of(1000, 0)).enough


class TestMoreEvidence:
    """Run again with the seed it prints."""

    def test_never_weakens_it(self):
        random = seeded()
        for _ in range(300):
            counts = [Counts(at(s), n := random.randint(0, 9), random.randint(0, n)) for s in range(20)]
            second = random.randrange(20)
            worse = list(counts)
            worse[second] = Counts(at(second), counts[second].n + 1, counts[second].bad + 1)
            assert evidence(guard(), worse).strength >= evidence(guard(), counts).strength - 1e-9

    def test_of_a_smaller_budget_needs_more(self):
        few, many = guard(false_alarms_per_month=0.1), guard(false_alarms_per_month=100)
        assert evidence(few, bad_of(9, 5)).needed > evidence(many, bad_of(9, 5)).needed


class TestWithNothingWrong:
    """A budget of a thousand alarms a month, so that some are allowed for: read every second, at the very limit."""

    BUDGET, SECONDS, WINDOW = 1000.0, 30_000, 60

    def alarms(self, draw):
        watched = guard("error_rate", 0.05, false_alarms_per_month=self.BUDGET)
        counts, alarms, quiet_until = [], 0, 0
        for second in range(self.SECONDS):
            n, bad, more = draw()
            counts.append(Counts(at(second), n, bad, **more))
            if bad and second >= quiet_until and evidence(watched, counts[-self.WINDOW :]).enough:
                alarms, quiet_until = alarms + 1, second + self.WINDOW
                counts.clear()
        return alarms

    def most(self):
        expected = self.BUDGET * self.SECONDS / MONTH_S
        return expected + 4 * math.sqrt(expected)  # a Poisson count is beyond that once in 20,000

    def test_alarms_keep_the_budget(self):
        random = np.random.default_rng(seeded().getrandbits(32))

        def draw():
            n = int(random.poisson(6))
            return n, int(random.binomial(n, 0.05)), {}

        assert self.alarms(draw) <= self.most()

    def test_bursts_of_one_tenant_or_trace_do_not_break_it(self):
        """One second in forty brings ten requests of one tenant of forty, of one trace, which all fail or all do not."""
        random = np.random.default_rng(seeded().getrandbits(32))

        def draw():
            n = int(random.poisson(6))
            bad = int(random.binomial(n, 0.05))
            burst = 10 if random.random() < 0.025 else 0
            failed = burst if random.random() < 0.05 else 0
            squares = {"by_trace": bad + failed**2, "by_tenant": bad + failed**2}
            together = n + n * (n - 1) // 40 + burst**2
            return n + burst, bad + failed, squares | {"served_by_tenant": together}

        assert self.alarms(draw) <= self.most()


class TestRequestsThatFailTogether:
    def test_of_one_trace_count_once(self):
        alone = bad_of(20, 20, by_trace=20)
        together = bad_of(20, 20, by_trace=400)
        assert evidence(guard(), alone).enough and not evidence(guard(), together).enough
        assert clumped(together) == 20

    def test_of_one_tenant_of_fifty_are_a_clump(self):
        usual = [Counts(at(s), 20, 0, 0, 0, 28) for s in range(30)]  # 20 requests of fifty tenants: eight pairs of one
        burst = Counts(at(30), 20, 20, 20, 400, 400)
        assert clumped([*usual, burst]) > 5
        assert not evidence(guard(), [*usual, burst]).enough

    def test_of_the_only_tenant_are_none(self):
        counts = [Counts(at(s), 5, 0, 0, 0, 25) for s in range(30)] + [Counts(at(30), 10, 10, 10, 100, 100)]
        assert clumped(counts) == pytest.approx(1)
        assert evidence(guard(), counts).enough

    def test_of_all_tenants_alike_are_none(self):
        everybody = [Counts(at(s), 20, 20, 20, 28, 28) for s in range(5)]
        assert clumped(everybody) == pytest.approx(1)


class TestWhatReplayFound:
    TENTH = staticmethod(lambda: [Counts(at(s), 10, 1) for s in range(12)])  # 10 % where 5 % may

    def test_finds_a_rise_sooner(self):
        known, unknown = evidence(guard(), self.TENTH(), Normal(0.005)), evidence(guard(), self.TENTH())
        assert known.strength > unknown.strength and known.usual == pytest.approx(0.005)

    def test_breaks_nothing_that_stays_within_the_limit(self):
        """4 % for two minutes where 0.5 % is usual: surely a rise, and no breach of 5 %."""
        counts = [Counts(at(s), 25, 1) for s in range(120)]
        found = evidence(guard(), counts, Normal(0.005))
        assert found.strength > found.needed and not found.enough

    def test_that_bad_ones_bunch_weakens_it(self):
        assert evidence(guard(), bad_of(8, 8), Normal(0.05, 1.0)).enough
        assert not evidence(guard(), bad_of(8, 8), Normal(0.05, 3.0)).enough

    def test_is_never_more_lenient_than_the_limit(self):
        assert evidence(guard(), bad_of(8, 8), Normal(0.4)).usual == 0.05
