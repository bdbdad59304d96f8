"""How far inputs and scores lie from their reference, by hand."""

import pytest

from trivet.guard.drift import Moments, drift, of_classes, of_sums


class TestMoments:
    def test_of_classes_count_each_value_by_hand(self):
        assert of_classes({1: 1, 2: 2, 5: 1}) == Moments(4, 2.5, 3.0)  # of 1, 2, 2, 5

    def test_of_sums_come_from_how_their_means_differ(self):
        """Four stretches of 100 with means 1.1, 0.9, 1.1, 0.9: each varies by 0.01 × 4 / 3, a single value 100 times that."""
        found = of_sums([(100, 110.0), (100, 90.0), (100, 110.0), (100, 90.0), (0, 0.0)])
        assert found == Moments(400, pytest.approx(1.0), pytest.approx(4 / 3))

    @pytest.mark.parametrize("found", [of_classes({}), of_sums([])])
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
