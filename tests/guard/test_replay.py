"""What a scenario's history says of its guard."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from tests.support.seeded import seeded

from trivet.card.content import Guard
from trivet.guard.replay import replayed
from trivet.guard.sequential import Counts

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
GUARD = Guard(name="g", metric="error_rate", enter=0.05, leave=0.02, window_s=60, minimum_sample=5)


def hour(bad, n=5):
    """One hour of `n` requests a second, of which `bad` by second fail."""
    return [Counts(NOON + timedelta(seconds=s), n, int(failed)) for s, failed in enumerate(bad)]


class TestHistory:
    """Run again with the seed it prints."""

    def random(self):
        return np.random.default_rng(seeded().getrandbits(32))

    def test_that_is_calm_says_what_is_usual_and_widens_nothing(self):
        found = replayed(GUARD, [hour(self.random().binomial(5, 0.01, 3600))])
        assert found.normal.usual == pytest.approx(0.01, abs=0.005)
        assert (found.normal.widening, found.alarms, found.n, found.seconds) == (1.0, 0, 18_000, 3600)

    def test_whose_failures_bunch_unseen_widens_until_none_is_left(self):
        """Once in five minutes every request of two seconds fails: within the limit, and each looks like a dead model."""
        bad = self.random().binomial(5, 0.005, 3600)
        bad[150::300] = bad[151::300] = 5
        found = replayed(GUARD, [hour(bad)])
        assert found.alarms > 0 and found.left == 0 and found.normal.widening > 1

    def test_with_a_true_fault_is_not_blamed_on_the_guard(self):
        bad = self.random().binomial(5, 0.01, 3600)
        bad[1000:2000] = 3
        found = replayed(GUARD, [hour(bad)])
        assert (found.alarms, found.normal.widening) == (0, 1.0)

    def test_at_the_limit_is_usual_no_further_than_the_limit(self):
        assert replayed(GUARD, [hour(self.random().binomial(5, 0.2, 3600))]).normal.usual == 0.05

    def test_of_a_few_requests_says_nothing(self):
        assert replayed(GUARD, [hour([0] * 90)]) is None

    def test_of_a_guard_without_a_test_says_nothing(self):
        assert replayed(GUARD.model_copy(update={"false_alarms_per_month": None}), [hour([0] * 3600)]) is None
