"""Histograms: within 1 %, and merging is adding."""

import math

import pytest
from tests.support.seeded import seeded

from trivet.kit import histogram


def nearest_rank(values, q):
    return sorted(values)[max(1, math.ceil(q * len(values) - 1e-9)) - 1]


class TestBins:
    def test_what_a_bin_stands_for_is_within_one_percent_of_what_is_in_it(self):
        rng = seeded()
        for _ in range(5000):
            value = round(math.exp(rng.uniform(0, math.log(10**13))))
            assert abs(histogram.value_of(histogram.bin_of(value)) - value) <= 0.010001 * value

    def test_bins_ascend_with_values(self):
        bins = [histogram.bin_of(value) for value in range(5000)]
        assert bins == sorted(bins)

    @pytest.mark.parametrize("value", [-5, 0, 1])
    def test_nothing_is_below_the_first_bin(self, value):
        assert histogram.bin_of(value) == 0

    def test_nothing_is_above_the_last_bin(self):
        assert histogram.bin_of(10**30) == histogram.BINS_MAX - 1


class TestQuantiles:
    def test_a_worked_example(self):
        # 1 ms to 100 ms: the median is the 50th, P95 the 95th
        found = histogram.quantiles_ms(histogram.of(range(1000, 101_000, 1000)))
        assert found == [pytest.approx(v, rel=0.0101) for v in (50, 90, 95, 99)]

    def test_of_nothing_are_nothing(self):
        assert histogram.quantiles_ms(b"") == [None] * 4
        assert histogram.share_above(b"", 5) is None

    def test_of_one_value_are_that_value(self):
        assert histogram.quantiles_ms(histogram.of([250_000])) == [pytest.approx(250, rel=0.01)] * 4

    def test_are_within_one_percent_of_the_sorted_values(self):
        rng = seeded()
        for _ in range(60):
            values = [round(rng.lognormvariate(12, 2)) + 1 for _ in range(rng.randrange(1, 500))]
            at = (0.01, 0.07, 0.5, 0.9, 0.95, 0.99, 1.0)
            found = histogram.quantiles_ms(histogram.of(values), at)
            for q, value_ms in zip(at, found, strict=True):
                exact = nearest_rank(values, q)
                # Within 1 %, and half a microsecond more for the three places that are shown.
                assert abs(value_ms - exact / 1000) <= 0.0101 * exact / 1000 + 0.0005


class TestMerging:
    def test_joined_bytes_are_the_histogram_of_all_values(self):
        rng = seeded()
        for _ in range(40):
            values = [rng.randrange(1, 10**8) for _ in range(rng.randrange(300))]
            cut = rng.randrange(len(values) + 1)
            joined = histogram.of(values[:cut]) + histogram.of(values[cut:])
            assert histogram.compact(joined) == histogram.of(values)
            assert histogram.total(joined) == len(values)
            assert histogram.quantiles_ms(joined) == histogram.quantiles_ms(histogram.of(values))

    def test_compacting_twice_is_compacting_once(self):
        data = histogram.of([1, 5, 5, 10**6]) * 3
        assert histogram.compact(histogram.compact(data)) == histogram.compact(data)
        assert histogram.compact(b"") == b""

    def test_a_bin_may_hold_more_than_one_record_can_say(self):
        many = histogram.encode({7: 3_000_000_000}) * 2
        assert histogram.total(histogram.compact(many)) == 6_000_000_000
        assert histogram.total(histogram.encode({7: 6_000_000_000})) == 6_000_000_000


class TestShareAbove:
    def test_counts_what_is_over_the_limit(self):
        data = histogram.of([1000] * 6 + [2000] * 3 + [9000])
        assert histogram.share_above(data, 1500) == pytest.approx(0.4)
        assert histogram.share_above(data, 10**9) == 0.0
