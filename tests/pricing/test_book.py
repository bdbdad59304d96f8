"""Which price held when."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from trivet.pricing.book import ENTERED, Key, Off, PriceBook, PriceLine
from trivet.pricing.rate import Rates
from trivet.pricing.tier import tier_of

RATES = Rates.parse({"input": [[0, "1"]], "output": [[0, "1"]]})


def day(n):
    return datetime(2026, 11, n, tzinfo=UTC)


def line(row_id):
    return PriceLine(row_id, "USD", RATES, RATES)


BOOK = PriceBook.of(
    [
        (Key("openai", "m"), day(10), line(2)),
        (Key("openai", "m"), day(1), line(1)),
        (Key("openai", "m", "h100"), day(5), line(3)),
    ]
)


class TestPriceAt:
    def test_each_price_holds_from_its_start_until_the_next(self):
        found = [BOOK.price_at("openai", "m", "", at) for at in (day(1), day(9), day(10), day(28))]
        assert [each.id for each in found] == [1, 1, 2, 2]

    def test_before_the_first_price_there_is_a_gap(self):
        assert BOOK.price_at("openai", "m", "", datetime(2026, 10, 31, 23, 59, 59, tzinfo=UTC)) is None

    def test_an_unknown_model_or_provider_is_a_gap(self):
        assert BOOK.price_at("openai", "n", "", day(9)) is None
        assert BOOK.price_at("azure", "m", "", day(9)) is None

    def test_the_pools_own_price_wins_where_it_holds(self):
        assert BOOK.price_at("openai", "m", "h100", day(28)).id == 3

    def test_before_the_pools_own_price_the_general_one_holds(self):
        assert BOOK.price_at("openai", "m", "h100", day(4)).id == 1

    def test_another_pool_takes_the_general_price(self):
        assert BOOK.price_at("openai", "m", "a100", day(12)).id == 2


def book(*rows, discounts=()):
    return PriceBook.of(rows, discounts)


def held(found, at, pool="", tier=""):
    line = found.price_at("openai", "m", pool, at, tier)
    return line.id if line else None


class TestTiers:
    FOUND = book(
        (Key("openai", "m"), day(1), line(1)),
        (Key("openai", "m", tier="batch"), day(1), line(2)),
        (Key("openai", "m", "ptu"), day(1), line(3)),
    )

    def test_a_tier_has_its_own_price(self):
        assert [held(self.FOUND, day(2), tier=tier) for tier in ("", "batch")] == [1, 2]

    def test_only_a_tier_that_is_served_at_the_standard_price_falls_back_to_it(self):
        assert [held(self.FOUND, day(2), tier=tier) for tier in ("priority", "flex", "scale")] == [1, None, None]

    def test_a_pools_own_price_comes_before_a_tier_of_the_book(self):
        assert held(self.FOUND, day(2), pool="ptu", tier="priority") == 3

    @pytest.mark.parametrize(
        ("said", "tier"),
        [
            ("default", ""), ("STANDARD", ""), ("on_demand", ""), ("auto", None), ("", None), (7, None), ("batches", "batch"),
            ("flex", "flex"), ("a b", None), ("x" * 33, None),
        ],
    )  # fmt: skip
    def test_has_one_name(self, said, tier):
        assert tier_of(said) == tier


class TestOverrides:
    KEY, MINE = Key("openai", "m"), Key("openai", "m", layer=ENTERED)

    def test_what_a_person_entered_lies_above_imports_before_at_once_and_later(self):
        found = book(
            (self.KEY, day(1), line(1)), (self.MINE, day(5), line(2)), (self.KEY, day(5), line(3)), (self.KEY, day(9), line(4))
        )  # fmt: skip
        assert [held(found, day(n)) for n in (1, 4, 5, 9, 28)] == [1, 1, 2, 2, 2]

    def test_until_it_is_ended_and_again_from_when_it_is_entered_anew(self):
        found = book(
            (self.MINE, day(8), None), (self.MINE, day(5), line(2)), (self.KEY, day(6), line(3)), (self.MINE, day(10), line(4))
        )  # fmt: skip
        assert [held(found, day(n)) for n in (4, 5, 7, 8, 9, 10)] == [None, 2, 2, 3, 3, 4]

    def test_ended_with_nothing_beneath_it_is_a_gap(self):
        found = book((self.MINE, day(8), None), (self.MINE, day(5), line(2)))
        assert [held(found, day(n)) for n in (7, 8)] == [2, None]


class TestDiscounts:
    LIST = Rates.parse({"input": [[0, "2.50"], [200_000, "5"]], "output": [[0, "10"]], "cache_read": [[0, "1.25"]]})
    PRICE = (Key("openai", "m"), day(1), PriceLine(1, "USD", LIST, LIST))

    def rate(self, at, *discounts, pool=""):
        found = book(self.PRICE, discounts=discounts).price_at("openai", "m", pool, at)
        return found.rates.input[0][1]

    def test_come_off_every_rate_exactly_and_the_list_stays_beside(self):
        # 2.50 x 0.875 = 2.1875; 5 x 0.875 = 4.375; 10 x 0.875 = 8.75; 1.25 x 0.875 = 1.09375
        found = book(self.PRICE, discounts=[(("openai", "", ""), day(1), Off(Decimal("12.5")))])
        got = found.price_at("openai", "m", "", day(2))
        assert got.rates.input == ((0, Decimal("2.1875")), (200_000, Decimal("4.375")))
        assert (got.rates.output[0][1], got.rates.cache_read[0][1]) == (Decimal("8.75"), Decimal("1.09375"))
        assert (got.id, got.list_rates, got.percent) == (1, self.LIST, Decimal("12.5"))

    def test_hold_from_their_start_until_they_end_or_the_next(self):
        ten = (("openai", "", ""), day(5), Off(Decimal(10), ends=day(8)))
        twenty = (("openai", "", ""), day(10), Off(Decimal(20)))
        found = [self.rate(day(n), ten, twenty) for n in (4, 5, 7, 8, 9, 10)]
        assert [str(rate) for rate in found] == ["2.50", "2.2500", "2.2500", "2.50", "2.50", "2.0000"]

    def test_the_most_particular_one_holds_alone(self):
        everything = (("openai", "", ""), day(1), Off(Decimal(10)))
        model = (("openai", "m", ""), day(1), Off(Decimal(20)))
        there = (("openai", "m", "ptu"), day(1), Off(Decimal(0)))
        assert self.rate(day(2), everything, model, there) == 2
        assert self.rate(day(2), everything, model, there, pool="ptu") == Decimal("2.50")
        assert self.rate(day(2), everything) == Decimal("2.25")
