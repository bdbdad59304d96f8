"""Counters and histograms by how much they grew: what was counted is counted once, whatever restarts in between."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.collectors.pages import page

from trivet_collectors import semconv
from trivet_collectors.pipeline.histogram import Spread, Spreads, merged, point
from trivet_collectors.receivers.growth import Growth


def growth(*texts: str, histogram: str | None = None) -> list[Any]:
    """What each page after the first has grown by: of counter c by label, or of a histogram's only series."""
    counted = Growth(["c_total"], [histogram] if histogram else [])
    found: list[Any] = []
    for text in texts:
        counters, histograms = counted.over(page(text))
        if histogram is None:
            found.append({labels.get("of", ""): value for labels, value in counters.of("c_total")})
        else:
            found.append([(h.count, h.total, dict(h.at_most)) for h in histograms.get(histogram, [])])
    return found[1:]


class TestACounter:
    def test_begins_where_it_is_first_seen(self) -> None:
        assert growth("c_total 100\n", "c_total 103\n", "c_total 103\n") == [{"": 3}, {"": 0}]

    def test_that_fell_was_reset_and_what_it_says_is_new(self) -> None:
        assert growth("c_total 100\n", "c_total 7\n", "c_total 9\n") == [{"": 7}, {"": 2}]

    def test_that_turns_up_later_was_born_since(self) -> None:
        assert growth('c_total{of="a"} 5\n', 'c_total{of="a"} 6\nc_total{of="b"} 1\n') == [{"a": 1, "b": 1}]

    def test_that_was_left_out_once_is_not_counted_anew(self) -> None:
        a, b = 'c_total{of="a"} 5\n', 'c_total{of="b"} 5\n'
        assert growth(a + b, a, a + b) == [{"a": 0}, {"a": 0, "b": 0}]

    def test_of_a_process_that_started_anew_is_new_though_it_did_not_fall(self) -> None:
        before, after = "process_start_time_seconds 100\nc_total 5\n", "process_start_time_seconds 200\nc_total 8\n"
        assert growth(before, after, after) == [{"": 8}, {"": 0}]

    @given(st.lists(st.tuples(st.integers(0, 50), st.booleans()), min_size=1, max_size=20))
    def test_adds_up_to_what_was_counted(self, steps: list[tuple[int, bool]]) -> None:
        """Each step counts on, or restarts first; a process says when it started."""
        value, started, counted = 10, 1, 0
        texts = [f"process_start_time_seconds {started}\nc_total {value}\n"]
        for more, restarts in steps:
            value, started = (more, started + 1) if restarts else (value + more, started)
            counted += more
            texts.append(f"process_start_time_seconds {started}\nc_total {value}\n")
        assert sum(grown.get("", 0) for grown in growth(*texts)) == counted


def histogram(count: int, total: float, **at_most: int) -> str:
    lines = [f'h_bucket{{le="{bound.removeprefix("b")}"}} {below}' for bound, below in at_most.items()]
    return "\n".join(
        ["# TYPE h histogram", *lines, f'h_bucket{{le="+Inf"}} {count}', f"h_sum {total}", f"h_count {count}", ""]
    )


class TestAHistogram:
    def test_grows_by_bucket(self) -> None:
        texts = histogram(4, 4.0, b1=2, b2=3), histogram(9, 10.0, b1=3, b2=7)
        assert growth(*texts, histogram="h") == [[(5, 6.0, {1.0: 1, 2.0: 4})]]

    def test_is_reset_as_a_whole_when_any_part_fell(self) -> None:
        texts = histogram(4, 4.0, b1=4, b2=4), histogram(5, 9.0, b1=1, b2=5)
        assert growth(*texts, histogram="h") == [[(5, 9.0, {1.0: 1, 2.0: 5})]]

    def test_becomes_a_point_with_one_count_a_bucket(self) -> None:
        made = point(Spread(semconv.TRIVET_TTFT, {}, 5, 6.0, {2.0: 4, 1.0: 1}), 10, 20)
        assert (made.count, made.total, made.bounds, made.buckets) == (5, 6.0, (1.0, 2.0), (1, 3, 1))
        assert (made.start_ns, made.end_ns, made.least, made.most) == (10, 20, None, None)

    def test_with_other_bounds_is_added_at_those_in_common(self) -> None:
        """Below 2 lie 3 of the one and 5 of the other, whatever else either knows."""
        one = Spread(semconv.TRIVET_TTFT, {}, 4, 4.0, {1.0: 1, 2.0: 3})
        other = Spread(semconv.TRIVET_TTFT, {}, 6, 9.0, {2.0: 5, 3.0: 6})
        both = merged(one, other)
        assert (both.count, both.total, both.at_most) == (10, 13.0, {2.0: 8})

    def test_of_several_scrapes_is_one_point_between_two_sendings(self) -> None:
        held = Spreads(100, series_max=1)
        one = Spread(semconv.TRIVET_TTFT, {"a": "1"}, 1, 0.5, {1.0: 1})
        held.add([one], 110)
        held.add([one, Spread(semconv.TRIVET_TTFT, {"a": "2"}, 1, 0.5, {1.0: 1})], 120)
        (made,) = held.take(130)
        assert (made.count, made.total, made.start_ns, made.end_ns, held.refused) == (2, 1.0, 100, 120, 1)
        assert held.take(140) == []
