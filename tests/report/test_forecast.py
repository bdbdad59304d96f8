"""Where a month leads: facts stay facts, weekends are known, a burst is no habit, and too little history has no interval."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trivet.kit.interval import Interval
from trivet.report.compare import Limit, previous
from trivet.report.forecast import forecast, month_end
from trivet.report.quadrant import Point, quadrants

MONDAY = date(2026, 11, 23)
WEEK = [100.0, 100.0, 100.0, 100.0, 100.0, 30.0, 20.0]


class TestDaysToCome:
    def test_go_on_as_the_week_goes(self):
        told = forecast(WEEK * 10, 7)
        assert told.total == pytest.approx(550, rel=0.02)
        assert told.steps[6] < 0.35 * told.steps[0]

    def test_do_not_repeat_a_single_burst(self):
        history = WEEK * 10
        history[64] = 3_000
        assert forecast(history, 7).total == pytest.approx(550, rel=0.1)

    def test_follow_a_rise_but_not_for_ever(self):
        history = [value * (1 + day / 70) for day, value in enumerate(WEEK * 10)]
        told = forecast(history, 28)
        flat, straight = (
            sum(history[-7:]) * 4,
            sum(value * (1 + day / 70) for day, value in enumerate(WEEK * 14, 0) if day >= 70),
        )
        assert flat < told.total < straight

    def test_after_a_fall_are_in_doubt_by_what_was_usual_not_by_next_to_nothing(self):
        """Sixteen a day, then seven: the trend of the week of the fall told nearly nothing for the days after it."""
        history = [13.0, *[16.0, 17.0] * 5, 13.0, *[8.0, 8.0, 3.0, 4.0, 8.0, 8.0, 7.0] * 2, 8.0, 8.0]
        told = forecast(history, 9)
        assert told.low is not None and told.high is not None
        assert told.low <= told.total <= told.high < 9 * 17  # no more than it cost before the fall

    def test_of_little_history_are_told_without_an_interval(self):
        told = forecast([10.0, 12.0], 3)
        assert (told.low, told.high, told.errors) == (None, None, 0)
        assert 30 < told.total < 36
        assert forecast([], 3).total == 0

    def test_lie_within_the_interval_about_as_often_as_it_says(self):
        random = Random(11)
        values = [value * random.lognormvariate(0, 0.25) for value in WEEK * 30]
        hits = []
        for origin in range(70, 203, 3):
            told = forecast(values[:origin], 7)
            hits.append(told.low <= sum(values[origin : origin + 7]) <= told.high)
        assert 0.65 <= sum(hits) / len(hits) <= 1

    @settings(max_examples=30)
    @given(st.lists(st.floats(0, 1e9), max_size=90), st.integers(1, 31))
    def test_of_what_never_was_negative_are_not_either(self, history, horizon):
        told = forecast(history, horizon)
        assert len(told.steps) == horizon and min(told.steps) >= 0
        assert told.low is None or 0 <= told.low <= told.total <= told.high


class TestAMonthsEnd:
    def test_is_what_was_spent_and_what_is_expected_of_the_days_left(self):
        """Eight days of 10.00; today has cost 4.00 so far and counts whole: 84 spent, 6 of today and two days of 10 to come."""
        told = month_end([Decimal(10)] * 8, Decimal(84), MONDAY, 3, Decimal(4))
        assert (told.spent, told.expected, told.total) == (84, 26, 110)
        assert told.days == tuple((MONDAY + timedelta(days=n), Decimal("10.000000")) for n in range(3))
        assert (told.low, told.high) == (None, None)

    def test_takes_today_at_what_it_has_cost_where_that_is_more(self):
        assert month_end([Decimal(10)] * 8, Decimal(105), MONDAY, 1, Decimal(25)).total == 105

    def test_that_is_over_is_a_fact(self):
        told = month_end([Decimal(10)] * 30, Decimal(300), MONDAY, 0, Decimal(0))
        assert (told.total, told.expected, told.days) == (300, 0, ())


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


class TestTheIntervalBefore:
    @pytest.mark.parametrize(
        ("start", "end", "before"),
        [
            ("2026-11-01", "2026-12-01", ("2026-10-01", "2026-11-01")),
            ("2026-03-01", "2026-04-01", ("2026-02-01", "2026-03-01")),
            ("2026-10-01", "2027-01-01", ("2026-07-01", "2026-10-01")),
            ("2026-11-01", "2026-11-21T14:00", ("2026-10-01", "2026-10-21T14:00")),
            ("2026-11-01", "2026-11-21T14:20:10", ("2026-10-01", "2026-10-21T15:00")),
            ("2026-03-01", "2026-03-31", ("2026-02-01", "2026-03-01")),
            ("2026-11-05", "2026-11-12", ("2026-10-29", "2026-11-05")),
            ("2026-11-01", "2026-12-05", ("2026-09-28", "2026-11-01")),
        ],
    )
    def test_is_as_many_months_the_same_days_or_as_long(self, start, end, before):
        assert previous(Interval(at(start), at(end))) == Interval(at(before[0]), at(before[1]))


class TestABudget:
    def test_of_windows_counts_by_the_share_that_lies_inside(self):
        """310 a month until the 15th, 620 from then on: a term holds for windows that begin under it, November's at 300."""
        terms = ((at("2026-09-01"), Decimal(300)), (at("2026-12-01"), None))
        limit = Limit("cost_centre", 1, "USD", "month", "UTC", terms)
        assert limit.within(Interval(at("2026-11-01"), at("2026-11-11"))) == 100
        assert limit.within(Interval(at("2026-11-16"), at("2026-12-10"))) == 150  # it ended in December
        assert limit.within(Interval(at("2026-12-05"), at("2026-12-10"))) is None

    def test_of_days_in_another_zone_begins_at_its_midnight(self):
        limit = Limit("tenant", 0, "EUR", "day", "Europe/Berlin", ((at("2026-01-01"), Decimal(24)),))
        assert limit.within(Interval(at("2026-10-25T22:00"), at("2026-10-25T23:00"))) == Decimal("0.96")  # of 25 hours


class TestQuadrants:
    def test_are_cut_at_the_medians(self):
        points = [
            Point("a", 100, Decimal(10)),
            Point("b", 50, Decimal(1)),
            Point("c", 10, Decimal(4)),
            Point("d", 5, Decimal("0.1")),
        ]
        found = quadrants([*points, Point("unused", 0, Decimal(3))])
        assert {p.point.key: p.quadrant for p in found.points} == {
            "a": "high volume, high cost",
            "b": "high volume, low cost",
            "c": "low volume, high cost",
            "d": "low volume, low cost",
        }
        assert (found.volume, found.unit_cost, found.left_out) == (30, Decimal(60_000), 1)

    def test_need_two_points(self):
        assert quadrants([Point("a", 1, Decimal(1))]) is None
