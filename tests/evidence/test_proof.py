"""What a command did: before and after on the same terms, by hand, and intervals that hold what they say they hold."""

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from trivet.evidence import chance, proof
from trivet.kit import histogram
from trivet.rollup.read import Usage

START = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def bucket(number):
    return START + timedelta(seconds=10 * number)


def of(effects, measure):
    return next(each for each in effects if each.measure == measure)


def usage(n=10, cost="0", errors=0, scores=(), latency_ms=()):
    return Usage(
        requests=n, errors=errors, cost=Decimal(cost), scores=len(scores), score_total=float(sum(scores)),
        latency=histogram.of(round(ms * 1000) for ms in latency_ms),
    )  # fmt: skip


class TestTheSameTerms:
    """Acme pays 1 a call and globex 3, before and after; only how much each calls has changed."""

    def side(self, acme, globex):
        return {
            (name, bucket(k)): usage(n, str(n * price))
            for k in range(6)
            for name, n, price in (("acme", acme, 1), ("globex", globex, 3))
        }

    def test_another_mix_of_tenants_is_no_effect_of_the_command(self):
        cost = of(proof.effects(self.side(30, 10), self.side(10, 30)), "cost_per_request")
        assert (cost.before, cost.after, cost.difference) == (Decimal("2.5"), Decimal("2.5"), 0)
        assert cost.verdict == "same"

    def test_a_tenant_that_was_not_there_before_is_left_out_and_said(self):
        before = {key: each for key, each in self.side(30, 10).items() if key[0] == "acme"}
        cost = of(proof.effects(before, self.side(30, 10)), "cost_per_request")
        assert (cost.before, cost.after, cost.n_after, cost.covered) == (1, 1, 180, 0.75)


class TestByHand:
    def test_a_mean_moves_by_the_difference_and_its_interval_is_welchs(self):
        # Six buckets of 10 calls, in turn 9 and 11 a bucket before: mean 1, residuals of ±1 over 60 calls. The spread of
        # the mean is √(6 × (1/60)² × 6/5) = 0.0447; after it is 0, so Welch's freedom is 5 and t is 2.571.
        before = {("acme", bucket(k)): usage(10, "9" if k % 2 else "11") for k in range(6)}
        after = {("acme", bucket(k)): usage(10, "5") for k in range(6)}
        cost = of(proof.effects(before, after), "cost_per_request")
        assert (cost.before, cost.after, cost.difference) == (1, Decimal("0.5"), Decimal("-0.5"))
        assert float(cost.low) == pytest.approx(-0.5 - 2.571 * 0.044721, abs=2e-3)
        assert float(cost.high) == pytest.approx(-0.5 + 2.571 * 0.044721, abs=2e-3)
        assert cost.verdict == "fell"
        assert cost.change.value == -0.5 and -0.56 < cost.change.low < -0.5 < cost.change.high < -0.43

    def test_a_percentile_is_the_mixs_and_its_interval_holds_the_bin(self):
        same = {("acme", bucket(k)): usage(20, latency_ms=range(100, 2100, 100)) for k in range(6)}
        slow = of(proof.effects(same, same), "p95_latency_ms")
        assert slow.before == slow.after == pytest.approx(1900, rel=0.01)
        assert slow.low < 0 < slow.high and slow.verdict == "same"

    def test_no_error_on_either_side_is_not_told_apart_and_not_certain(self):
        none = {("acme", bucket(k)): usage(10) for k in range(6)}
        rate = of(proof.effects(none, none), "error_rate")
        # Wilson's upper end of 0 of 60: 3.84 / (60 + 3.84).
        assert (rate.before, rate.after, rate.verdict) == (0.0, 0.0, "same")
        assert rate.high == pytest.approx(3.8415 / 63.8415, rel=1e-4)

    def test_too_little_is_not_enough_whatever_it_says(self):
        few = {("acme", bucket(k)): usage(10, "1") for k in range(4)}
        many = {("acme", bucket(k)): usage(10, "100") for k in range(6)}
        cost = of(proof.effects(few, many), "cost_per_request")
        assert cost.verdict == "not_enough" and cost.before is None
        assert (cost.n_before, cost.buckets_before, cost.least) == (40, 4, 30)
        assert of(proof.effects(many, many), "quality").verdict == "not_enough"

    def test_students_t_is_the_tables(self):
        for freedom, t in ((4, 2.776), (5, 2.571), (10, 2.228), (30, 2.042), (1_000_000, 1.960)):
            assert chance.t95(freedom) == pytest.approx(t, abs=1e-2)


class TestIntervals:
    """Buckets that differ by more than chance, two tenants that are not alike, a hundred and fifty times."""

    TRIES = 150

    def simulated(self, rng, speed):
        cells = {}
        for k in range(12):
            moved = rng.normal(0, 0.1)
            for tenant, base in (("acme", 6.0), ("globex", 7.0)):
                n = int(rng.integers(15, 30))
                ms = np.exp(rng.normal(base + moved, 0.5, n)) * speed
                bad = int(rng.binomial(n, 0.08))
                cells[tenant, bucket(k)] = Usage(
                    requests=n, errors=bad, cost=Decimal(round(float(ms.sum()))),
                    latency=histogram.encode(dict(zip(*np.unique(histogram.bins_of(ms * 1000), return_counts=True), strict=True))),
                )  # fmt: skip
        return cells

    def test_they_hold_the_truth_as_often_as_they_say(self):
        seed = random.randrange(2**32)
        rng = np.random.default_rng(seed)
        held = {"error_rate": 0, "p50_latency_ms": 0, "p95_latency_ms": 0, "cost_per_request": 0}
        for _ in range(self.TRIES):
            found = proof.effects(self.simulated(rng, 1.0), self.simulated(rng, 1.0))
            for measure in held:
                each = of(found, measure)
                held[measure] += each.low <= 0 <= each.high
        # With 95 % true, fewer than 130 of 150 come once in a hundred thousand runs.
        assert min(held.values()) >= 130, f"seed {seed}: {held} of {self.TRIES}"

    def test_what_is_half_as_slow_is_told(self):
        seed = random.randrange(2**32)
        rng = np.random.default_rng(seed)
        found = proof.effects(self.simulated(rng, 1.0), self.simulated(rng, 0.5))
        assert {of(found, m).verdict for m in ("p50_latency_ms", "p95_latency_ms", "cost_per_request")} == {"fell"}, (
            seed
        )
        assert of(found, "cost_per_request").before > Fraction(3, 2) * Fraction(of(found, "cost_per_request").after)
