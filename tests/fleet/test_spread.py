"""Prices paid for months, as hours that add up to them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivet.fleet.spread import HOUR, hours_of_month, later, of_month, spread

START = datetime(2026, 11, 15, 9, tzinfo=UTC)


def hours(start, end):
    while start < end:
        yield start
        start += HOUR


class TestSpread:
    def test_an_hour_of_an_even_month_is_the_plain_quotient(self):
        # 7,200 over 10 months is 720 a month; 15 November to 15 December has 720 hours: 1 an hour
        assert spread(Decimal(7200), START, 10, START) == Decimal(1)

    def test_a_longer_month_has_cheaper_hours(self):
        # 15 December to 15 January has 744 hours: 720 / 744 = 0.967741935483|87…; the picos left over fall to the first
        first = later(START, 1)
        assert spread(Decimal(7200), START, 10, first) == Decimal("0.967741935484")
        assert spread(Decimal(7200), START, 10, later(START, 2) - HOUR) == Decimal("0.967741935483")

    def test_before_the_first_month_and_after_the_last_nothing_is_spread(self):
        assert spread(Decimal(7200), START, 10, START - HOUR) == 0
        assert spread(Decimal(7200), START, 10, later(START, 10)) == 0
        assert spread(Decimal(7200), START, 10, later(START, 10) - HOUR) > 0

    @pytest.mark.parametrize("total", ["100", "30000.01", "0.000000000007", "0"])
    def test_the_hours_add_up_to_the_whole_to_the_pico(self, total):
        start, months = datetime(2026, 12, 31, 23, tzinfo=UTC), 14
        whole = sum(
            (spread(Decimal(total), start, months, hour) for hour in hours(start, later(start, months))), Decimal(0)
        )
        assert whole == Decimal(total)

    @given(
        st.decimals(min_value=0, max_value=10**9, places=12),
        st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2030, 1, 1)),
        st.integers(1, 4),
    )
    def test_any_total_adds_up_from_any_start(self, total, start, months):
        start = start.replace(minute=0, second=0, microsecond=0, tzinfo=UTC)
        found = [spread(total, start, months, hour) for hour in hours(start, later(start, months))]
        assert sum(found, Decimal(0)) == total
        assert spread(total, start, months, start - HOUR) == spread(total, start, months, later(start, months)) == 0


class TestOfMonth:
    def test_a_months_hours_add_up_to_its_amount(self):
        first = datetime(2026, 11, 1, tzinfo=UTC)
        whole = [of_month(Decimal("1000.000000000007"), hour) for hour in hours(first, later(first, 1))]
        assert len(whole) == hours_of_month(first) == 720
        assert sum(whole, Decimal(0)) == Decimal("1000.000000000007")
        assert (whole[646], whole[647]) == (
            Decimal("1.388888888889"),
            Decimal("1.388888888888"),
        )  # 647 picos are left over


def test_a_month_later_than_the_thirty_first_is_the_last_of_a_shorter_one():
    start = datetime(2026, 1, 31, 5, tzinfo=UTC)
    assert [later(start, n).day for n in range(4)] == [31, 28, 31, 30]
    assert later(start, 12) - start == timedelta(days=365)
