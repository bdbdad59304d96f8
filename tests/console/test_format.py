"""Numbers as the page says them."""

from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from trivet.console import format as say
from trivet.console.tongue import speaking

NB = say.NARROW


class TestMoney:
    @pytest.mark.parametrize(
        ("amount", "said"),
        [
            ("0.00318412", "$0.003184"), ("1.2345678", "$1.235"), ("12.3", "$12.30"), ("1234.5", "$1,234.50"),
            ("0", "$0.00"), ("-1.2", "−$1.200"), ("0.000000000001", "$0.000000000001"), ("999999.999", "$1,000,000.00"),
        ],
    )  # fmt: skip
    def test_what_is_watched_has_four_significant_digits_and_at_least_cents(self, amount, said):
        assert say.watched(Decimal(amount), "USD") == said

    def test_what_is_signed_has_full_precision(self):
        assert say.signed(Decimal("-1234.5678")) == "−1,234.567800000000"

    def test_a_column_keeps_to_the_places_of_its_largest_amount(self):
        column = [Decimal("12.345"), Decimal("0.5")]
        assert [say.amount(a, say.watched_places(column)) for a in column] == ["12.34", "0.50"]

    def test_something_too_small_for_its_column_is_not_nothing(self):
        assert say.amount(Decimal("0.001"), 2) == f"<{NB}0.01"
        assert say.amount(Decimal("-0.001"), 2) == f">{NB}−0.01"

    def test_a_currency_without_a_symbol_goes_by_its_code(self):
        assert say.watched(Decimal("-3.5"), "CHF") == f"−CHF{NB}3.500"

    def test_rounding_is_half_even(self):
        assert say.amount(Decimal("0.125"), 2) == "0.12"


class TestTimes:
    @pytest.mark.parametrize(
        ("ms", "said"),
        [(None, "–"), (0, "0 ms"), (8.25, "8.25 ms"), (842.4, "842 ms"), (999.6, "1.00 s"), (1620, "1.62 s"), (75000, "75.0 s"), (9.996, "10.0 ms")],
    )  # fmt: skip
    def test_a_duration_has_the_three_digits_its_histogram_knows(self, ms, said):
        assert say.duration(ms) == said

    def test_a_limit_is_said_as_it_was_written(self):
        assert [say.limit(1500), say.limit(200), say.limit(30000)] == ["1.5 s", "200 ms", "30 s"]

    def test_a_clock_is_the_readers(self):
        at = datetime(2026, 11, 21, 23, 2, 31, tzinfo=UTC)
        assert say.clock(at, ZoneInfo("Asia/Shanghai")) == "07:02"
        assert say.clock(at, ZoneInfo("UTC"), seconds=True) == "23:02:31"

    def test_another_day_is_named(self):
        at, now = datetime(2026, 11, 20, 9, 0, tzinfo=UTC), datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
        assert say.day_clock(at, now, ZoneInfo("UTC")) == "20 Nov 09:00"
        assert say.day_clock(now, now, ZoneInfo("UTC")) == "09:00"
        assert say.day_clock(at, now, ZoneInfo("UTC"), seconds=True) == "20 Nov 09:00:00"

    @pytest.mark.parametrize(
        ("seconds", "said"), [(-1, "0 s"), (1.9, "1 s"), (60, "1 min"), (7300, "2 h"), (172800, "2 d")]
    )
    def test_how_long_ago_is_coarse(self, seconds, said):
        assert say.elapsed(seconds) == said


class TestShares:
    @pytest.mark.parametrize(
        ("value", "said"),
        [(None, "–"), (0, "0 %"), (0.0082, "0.82 %"), (0.12, "12 %"), (0.0951, "9.5 %"), (0.0999, "10 %"), (-0.031, "−3.1 %"), (1, "100 %")],
    )  # fmt: skip
    def test_small_shares_have_two_digits_large_ones_are_whole(self, value, said):
        assert say.share(value) == said

    def test_a_score_has_two_places_and_is_never_rounded_up_to_its_floor(self):
        assert [say.score(0.93), say.score(0.5), say.score(0.799), say.score(None)] == ["0.93", "0.50", "0.79", "–"]
        assert say.score(0.1 + 0.2) == "0.30"
        assert say.score((0.1 + 0.7) * 10 / 10) == "0.80"

    def test_a_floor_keeps_what_was_written(self):
        assert [say.floor(0.8), say.floor(0.65), say.floor(0.925), say.floor(0)] == ["0.80", "0.65", "0.925", "0.00"]

    def test_a_change_says_its_direction_in_a_word(self):
        assert [say.change(-0.12), say.change(0.083), say.change(0.001)] == ["12 % less", "8 % more", "the same"]


class TestNames:
    def test_a_name_opens_a_sentence_as_words(self):
        assert say.title("support-chat") == "Support chat"
        assert say.title("RAG_search") == "RAG search"


class TestDates:
    def test_are_written_as_the_readers_language_writes_them(self):
        at = date(2026, 11, 20)
        assert (say.month(at), say.month_year(at), say.day(at)) == ("November", "November 2026", "20 Nov")
        with speaking("zh"):
            assert (say.month(at), say.month_year(at), say.day(at)) == ("11 月", "2026 年 11 月", "11 月 20 日")
