"""How far inputs and scores lie from their reference, by hand."""

import pytest

from trivet.guard.drift import Moments, drift, of_classes, of_sums, of_values, shares


class TestMoments:
    def test_of_values_and_of_classes_are_the_same(self):
        assert of_values([1, 2, 2, 5]) == of_classes({1: 1, 2: 2, 5: 1}) == Moments(4, 2.5, 3.0)

    def test_of_sums_come_from_how_their_means_differ(self):
        """Four stretches of 100 with means 1.1, 0.9, 1.1, 0.9: each varies by 0.01 × 4 / 3, a single value 100 times that."""
        found = of_sums([(100, 110.0), (100, 90.0), (100, 110.0), (100, 90.0), (0, 0.0)])
        assert found == Moments(400, pytest.approx(1.0), pytest.approx(4 / 3))

    @pytest.mark.parametrize("found", [of_values([]), of_classes({}), of_sums([])])
    def test_of_nothing_are_none(self, found):
        assert found == Moments(0, 0.0, 0.0)


class TestDrift:
    REFERENCE = Moments(10_000, 100.0, 400.0)  # a standard deviation of 20

    def test_is_in_standard_deviations_less_two_errors(self):
        found = drift(Moments(400, 110.0, 400.0), self.REFERENCE)
        assert found.shift == pytest.approx(0.5)
        assert found.size == pytest.approx(0.5 - 2 * (1 / 400 + 1 / 10_000) ** 0.5)

    def test_of_few_requests_is_left_to_luck(self):
        assert drift(Moments(10, 110.0, 400.0), self.REFERENCE).size == 0

    def test_goes_either_way_unless_only_down_counts(self):
        up = Moments(400, 140.0, 400.0)
        assert drift(up, self.REFERENCE).size > 1.8
        assert drift(up, self.REFERENCE, only_down=True).size == 0
        assert drift(Moments(400, 60.0, 400.0), self.REFERENCE, only_down=True).size > 1.8

    def test_without_a_reference_is_unknown(self):
        assert drift(Moments(400, 1.0, 1.0), Moments(1, 1.0, 0.0)) is None


class TestShares:
    def test_that_stay_are_no_drift(self):
        assert shares({"short": 800, "long": 200}, {"short": 8000, "long": 2000}) == pytest.approx(0, abs=1e-3)

    def test_by_hand(self):
        """80 and 20 % become 50 and 50: -0.3 ln(0.625) + 0.3 ln 2.5 is 0.416."""
        found = shares({"short": 50_000, "long": 50_000}, {"short": 80_000, "long": 20_000})
        assert found == pytest.approx(0.4159, abs=1e-3)

    def test_of_a_new_class_is_large_and_finite(self):
        assert 0.25 < shares({"a": 900, "b": 100}, {"a": 1000}) < 2

    def test_of_nothing_are_unknown(self):
        assert shares({}, {"a": 1}) is None
