"""Which price held when."""

from datetime import UTC, datetime

from trivet.pricing.book import Key, PriceBook, PriceLine
from trivet.pricing.rate import Rates

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
