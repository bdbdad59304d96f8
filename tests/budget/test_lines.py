"""Which lines a move crosses."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from trivet.budget.lines import amount_at, breached_at, crossed

LINES = (50, 80, 90, 100)
amounts = st.decimals(0, 1000, places=12)
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def at(seconds):
    return NOON + timedelta(seconds=seconds)


class TestCrossed:
    def test_a_line_is_crossed_where_it_is_reached(self):
        assert crossed(Decimal("4.999999999999"), Decimal(5), Decimal(10), LINES) == (50,)
        assert crossed(Decimal(5), Decimal("7.999999999999"), Decimal(10), LINES) == ()

    def test_several_at_once(self):
        assert crossed(Decimal(0), Decimal("9.5"), Decimal(10), LINES) == (50, 80, 90)

    def test_nothing_is_crossed_downwards(self):
        assert crossed(Decimal(9), Decimal(1), Decimal(10), LINES) == ()

    def test_a_limit_of_a_pico_has_lines(self):
        assert amount_at(50, Decimal("0.000000000001")) == Decimal("0.0000000000005")

    @given(st.lists(amounts, min_size=1, max_size=20), st.decimals(1, 1000, places=2))
    def test_however_spending_is_cut_the_same_lines_are_crossed_once_each(self, steps, limit):
        told, before = [], Decimal(0)
        for step in steps:
            told += crossed(before, before + step, limit, LINES)
            before += step
        assert tuple(told) == crossed(Decimal(0), before, limit, LINES)
        assert len(told) == len(set(told))


class TestBreachedAt:
    def test_is_when_the_amount_was_received_that_reached_the_limit(self):
        told = [(at(3), Decimal(3)), (at(1), Decimal(1)), (at(2), Decimal(2))]
        assert breached_at(Decimal(4), Decimal(6), told) == at(2)

    def test_is_unknown_where_it_was_reached_before_or_is_not_yet(self):
        assert breached_at(Decimal(6), Decimal(6), [(at(1), Decimal(1))]) is None
        assert breached_at(Decimal(1), Decimal(6), [(at(1), Decimal(1))]) is None
