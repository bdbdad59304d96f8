"""Many samples into few points, running totals into increments: worked by hand, and by property."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivet_collectors import semconv
from trivet_collectors.pipeline.aggregate import Aggregator
from trivet_collectors.pipeline.increments import Increments
from trivet_collectors.pipeline.point import Point
from trivet_collectors.pipeline.reading import Reading

S = 1_000_000_000
CARD = {"hw.id": "GPU-a"}


def power(watts: float, card: str = "GPU-a") -> Reading:
    return Reading(semconv.HW_POWER, watts, {"hw.id": card})


def energy(joules: float) -> Reading:
    return Reading(semconv.HW_ENERGY, joules, CARD)


class TestAPoint:
    def test_is_count_sum_minimum_and_maximum_of_its_samples(self) -> None:
        aggregator = Aggregator(start_ns=100 * S)
        for n, watts in enumerate([300.0, 100.0, 200.0]):
            aggregator.add([power(watts)], (101 + n) * S)
        assert aggregator.take(110 * S) == [Point(semconv.HW_POWER, CARD, 100 * S, 103 * S, 3, 600.0, 100.0, 300.0)]

    def test_begins_where_the_one_before_was_taken(self) -> None:
        aggregator = Aggregator(start_ns=100 * S)
        aggregator.add([power(1)], 105 * S)
        aggregator.take(110 * S)
        aggregator.add([power(2)], 112 * S)
        assert [(p.start_ns, p.end_ns, p.total) for p in aggregator.take(120 * S)] == [(110 * S, 112 * S, 2)]

    def test_does_not_begin_after_its_end_when_the_clock_was_set_back(self) -> None:
        aggregator = Aggregator(start_ns=100 * S)
        aggregator.add([power(1)], 40 * S)
        (point,) = aggregator.take(50 * S)
        assert (point.start_ns, point.end_ns) == (40 * S, 40 * S)

    def test_is_of_one_series(self) -> None:
        aggregator = Aggregator(0)
        aggregator.add([power(1), power(2, "GPU-b"), energy(3)], S)
        assert [(p.metric.name, p.attributes["hw.id"], p.total) for p in aggregator.take(2 * S)] == [
            ("hw.power", "GPU-a", 1),
            ("hw.power", "GPU-b", 2),
            ("hw.energy", "GPU-a", 3),
        ]

    def test_is_not_there_for_a_series_that_was_not_read(self) -> None:
        aggregator = Aggregator(0)
        aggregator.add([power(1)], S)
        aggregator.take(2 * S)
        assert aggregator.take(3 * S) == []

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_leaves_out_what_is_no_number_and_counts_it(self, value: float) -> None:
        aggregator = Aggregator(0)
        aggregator.add([power(1), power(value)], S)
        assert [p.count for p in aggregator.take(2 * S)] == [1]
        assert aggregator.refused == 1

    def test_is_refused_past_the_limit_of_series_and_the_others_go_on(self) -> None:
        aggregator = Aggregator(0, series_max=2)
        aggregator.add([power(1, "a"), power(2, "b"), power(3, "c"), power(4, "a")], S)
        assert [(p.attributes["hw.id"], p.total) for p in aggregator.take(2 * S)] == [("a", 5), ("b", 2)]
        assert aggregator.refused == 1

    @given(st.lists(st.lists(st.integers(-1000, 1000), min_size=1), min_size=1))
    def test_taken_whenever_adds_up_to_the_same(self, rounds: list[list[int]]) -> None:
        aggregator, points = Aggregator(0), []
        for values in rounds:
            aggregator.add([power(value) for value in values], S)
            points += aggregator.take(S)
        flat = [value for values in rounds for value in values]
        assert sum(p.count for p in points) == len(flat)
        assert sum(p.total for p in points) == sum(flat)
        assert min(p.least for p in points if p.least is not None) == min(flat)
        assert max(p.most for p in points if p.most is not None) == max(flat)


class TestIncrements:
    def grown(self, *totals: float) -> list[float]:
        increments = Increments()
        return [reading.value for total in totals for reading in increments.over([energy(total)])]

    def test_begin_with_the_second_total(self) -> None:
        assert self.grown(5000) == []
        assert self.grown(5000, 5007, 5007, 5010) == [7, 0, 3]

    def test_are_never_negative_and_do_not_guess_what_a_new_beginning_hides(self) -> None:
        assert self.grown(5000, 5007, 2, 4) == [7, 2]

    @given(st.lists(st.integers(0, 10**15), min_size=1))
    def test_of_what_only_grows_add_up_to_how_much_it_grew(self, totals: list[int]) -> None:
        totals.sort()
        assert sum(self.grown(*totals)) == totals[-1] - totals[0]

    @given(st.lists(st.integers(0, 100)))
    def test_of_anything_are_never_negative(self, totals: list[int]) -> None:
        assert all(value >= 0 for value in self.grown(*totals))

    def test_forget_the_oldest_series_past_their_limit(self) -> None:
        increments = Increments(series_max=2)
        for card in ("a", "b", "a", "c"):  # b is the one that was not seen for longest
            assert list(increments.over([power(1, card)])) in ([], [power(0, card)])
        assert list(increments.over([power(3, "a")])) == [power(2, "a")]
        assert list(increments.over([power(3, "b")])) == []
