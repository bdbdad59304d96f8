"""A comparison that may be looked at as often as one likes is wrong no more often than it says."""

import math

import numpy as np
import pytest

from trivet.kit.fair import Estimate, difference, ratio

LOOKS = range(3, 121, 3)


def looks(rng, new, old, *, per=(10, 190)):
    """The difference of two shares at each look, as stretches come in."""
    bad = [rng.binomial(n, p, LOOKS.stop) for n, p in zip(per, (new, old), strict=True)]
    ours, theirs = ([(int(x), n) for x in found] for found, n in zip(bad, per, strict=True))
    for k in LOOKS:
        one, other = ratio(ours[:k], of_share=True), ratio(theirs[:k], of_share=True)
        yield difference(one, other, margin=0.02, alpha=0.01)


class TestARatio:
    def test_of_nothing_is_none(self):
        assert ratio([]) is None and ratio([(0.0, 0.0)]) is None

    def test_is_the_sum_over_the_sum_and_stretches_without_anything_do_not_count(self):
        found = ratio([(1, 10), (3, 10), (0, 0)])
        assert (found.value, found.n, found.stretches) == (0.2, 20, 2)
        # residuals −1 and 1, squared and summed over 20², times 2 / 1
        assert found.variance == pytest.approx(2 / 400 * 2)

    def test_of_one_stretch_is_not_known_to_any_width_unless_it_is_a_share(self):
        assert ratio([(5.0, 10)]).variance == math.inf
        assert ratio([(5, 10)], of_share=True).variance == pytest.approx(0.5 * 0.5 / 10)

    def test_a_share_without_any_is_not_known_to_be_none(self):
        assert ratio([(0, 50), (0, 50)], of_share=True).variance > 0

    def test_that_comes_in_bursts_is_known_less_well(self):
        steady, bursts = ratio([(2, 20)] * 10, of_share=True), ratio([(20, 20), *[(0, 20)] * 9], of_share=True)
        assert steady.value == bursts.value and bursts.variance > 5 * steady.variance


class TestADifference:
    def test_holds_its_word_at_all_looks_together(self):
        rng = np.random.default_rng(20261121)
        wrong = sum(any(d.low > 0 or d.high < 0 for d in looks(rng, 0.05, 0.05)) for _ in range(100))
        assert wrong <= 3

    def test_finds_what_is_worse_and_what_is_not(self):
        rng = np.random.default_rng(20261121)
        found = [any(d.low > 0 for d in looks(rng, 0.20, 0.02)) for _ in range(20)]
        assert all(found)
        assert all(d[-1].high <= 0.02 for d in (list(looks(rng, 0.01, 0.01, per=(100, 1000))) for _ in range(5)))

    def test_of_what_is_not_known_has_no_bounds(self):
        known, unknown = Estimate(1.0, 0.1, 10, 5), Estimate(2.0, math.inf, 10, 1)
        found = difference(unknown, known, margin=1, alpha=0.05)
        assert (found.value, found.low, found.high) == (1.0, -math.inf, math.inf)

    def test_of_two_that_are_known_exactly_is_exact(self):
        found = difference(Estimate(3.0, 0.0, 10, 5), Estimate(1.0, 0.0, 10, 5), margin=1, alpha=0.05)
        assert (found.low, found.high) == (2.0, 2.0)
