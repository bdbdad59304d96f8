"""What the last days would have cost at another price, worked out by hand."""

from datetime import timedelta
from decimal import Decimal

import pytest
from tests.support.books import DAY, metered, price
from tests.support.calls import ingest

from trivet import db
from trivet.pricing import service
from trivet.pricing.book import ENTERED, Key
from trivet.pricing.rate import Rates, canonical
from trivet.report.repriced import Repriced, repriced

NEXT_DAY = DAY + timedelta(days=1, hours=9)
OWN = Key("openai", "gpt-4o", layer=ENTERED)
NEW = {"input": "3", "output": "8"}


def rates(**per_million):
    return Rates.parse(canonical(per_million))


def moved(key=OWN, *, now=NEXT_DAY, **new):
    with db.transaction() as session:
        book = service.book(session)
        return repriced(session, book, key, rates(input="2.50", output="10"), rates(**(new or NEW)), now=now)


@pytest.fixture
def called(database):
    """2 million tokens in and 1 million out, the day before."""
    price("openai", "gpt-4o", input="2.50", output="10")
    ingest(
        metered("acme", "07:00", input_tokens=1_500_000, output_tokens=1_000_000),
        metered("bolt", "08:00", input_tokens=500_000),
    )


@pytest.mark.usefixtures("called")
class TestRepriced:
    def test_is_the_difference_of_every_kind_of_token(self):
        # 2 x (3 - 2.50) + 1 x (8 - 10) = -1
        assert moved() == Repriced(3_000_000, Decimal(-1))

    def test_counts_whole_days_before_today_and_no_more_than_seven(self):
        assert moved(now=DAY + timedelta(hours=23)) is None
        assert moved(now=DAY + timedelta(days=7, hours=1)) is not None
        assert moved(now=DAY + timedelta(days=8, hours=1)) is None

    def test_of_a_pool_counts_what_ran_on_it_and_elsewhere_what_has_no_price_of_its_own(self):
        ingest(metered("acme", "09:00", pool="h100", input_tokens=4_000_000))
        on_pool = OWN._replace(pool="h100")
        assert moved(on_pool) == Repriced(4_000_000, Decimal(2))
        assert moved() == Repriced(7_000_000, Decimal(1)), "the pool takes the price that holds anywhere"
        price("openai", "gpt-4o", pool="h100", input="1", output="1")
        assert moved() == Repriced(3_000_000, Decimal(-1))

    def test_is_not_told_where_sums_of_tokens_do_not_say_it(self):
        steps = [{"from_input_tokens": 0, "price": "3"}, {"from_input_tokens": 200_000, "price": "6"}]
        assert moved(input=steps, output="8") is None
        assert moved(OWN._replace(model="never")) is None
        with db.transaction() as session:
            service.add_price(
                session, provider="openai", model="gpt-4o", pool="", tier="batch", effective_from=DAY, currency="USD",
                rates=canonical(NEW), actor="finance",
            )  # fmt: skip
        assert moved() is None, "usage does not keep tiers apart"
