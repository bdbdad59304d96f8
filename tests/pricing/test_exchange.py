"""Rates of exchange: which one held, and amounts by it."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from tests.support.bound import bound_headers

from trivet import db
from trivet.identity.models import Audit
from trivet.kit.money import PICO
from trivet.pricing import exchange
from trivet.pricing.exchange import Exchange, NoRate

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def day(text):
    return date.fromisoformat(text)


EURO = Exchange.of(
    [
        ("EUR", "USD", day("2026-11-01"), Decimal("1.10")),
        ("EUR", "USD", day("2026-11-20"), Decimal("1.25")),
        ("EUR", "CNY", day("2026-10-01"), Decimal("7.50")),
    ]
)


class TestConvert:
    def test_the_rate_of_the_day_holds_from_its_first_instant(self):
        midnight = datetime(2026, 11, 20, tzinfo=UTC)
        assert EURO.convert(Decimal(100), "EUR", "USD", midnight) == Decimal(125)
        assert EURO.convert(Decimal(100), "EUR", "USD", midnight - timedelta(microseconds=1)) == Decimal(110)

    def test_the_day_is_that_of_utc(self):
        at = datetime.fromisoformat("2026-11-20T03:00:00+08:00")  # 19:00 of the 19th
        assert EURO.convert(Decimal(100), "EUR", "USD", at) == Decimal(110)

    def test_the_other_way_round_is_the_inverse_rounded_once(self):
        # 100 / 1.25 = 80; 1 / 1.10 = 0.909090909090(90…) is rounded to twelve places
        assert EURO.convert(Decimal(100), "USD", "EUR", NOON) == Decimal(80)
        early = NOON - timedelta(days=5)
        assert EURO.convert(Decimal(1), "USD", "EUR", early) == Decimal("0.909090909091")

    def test_through_one_currency_that_has_both(self):
        # 10 USD = 8 EUR = 60 CNY
        assert EURO.convert(Decimal(10), "USD", "CNY", NOON) == Decimal(60)
        assert EURO.rate_at("USD", "CNY", NOON).via == "EUR"

    def test_the_newer_of_both_directions_is_what_held(self):
        both = Exchange.of(
            [("EUR", "USD", day("2026-01-01"), Decimal("1.10")), ("USD", "EUR", day("2026-11-01"), Decimal("0.8"))]
        )
        assert both.convert(Decimal(100), "EUR", "USD", NOON) == Decimal(125)

    def test_of_several_currencies_between_the_freshest_is_taken(self):
        rows = [
            ("USD", "EUR", day("2026-11-02"), Decimal("0.5")),
            ("EUR", "JPY", day("2026-11-02"), Decimal(200)),
            ("USD", "CNY", day("2026-11-03"), Decimal(7)),
            ("CNY", "JPY", day("2026-11-01"), Decimal(20)),
        ]
        for order in (rows, rows[::-1]):
            assert Exchange.of(order).rate_at("USD", "JPY", NOON).via == "EUR"

    def test_the_same_currency_is_the_same_amount(self):
        assert Exchange().convert(Decimal("1.2345678901234"), "USD", "USD", NOON) == Decimal("1.2345678901234")

    @pytest.mark.parametrize("pair", [("EUR", "GBP"), ("USD", "GBP"), ("GBP", "USD")])
    def test_without_a_rate_it_says_which_to_enter(self, pair):
        with pytest.raises(NoRate, match=f"{pair[0]} to {pair[1]} held on 2026-11-20"):
            EURO.convert(Decimal(1), *pair, NOON)

    def test_before_its_first_day_no_rate_held(self):
        with pytest.raises(NoRate):
            EURO.convert(Decimal(1), "EUR", "USD", datetime(2026, 10, 31, 23, 59, tzinfo=UTC))

    @given(
        amount=st.decimals(-(10**9), 10**9, places=12),
        rate=st.decimals("0.000001", "1000000", places=6),
    )
    def test_there_and_back_is_the_amount_to_the_last_places(self, amount, rate):
        book = Exchange.of([("EUR", "USD", day("2026-01-01"), rate)])
        there = book.convert(amount, "EUR", "USD", NOON)
        back = book.convert(there, "USD", "EUR", NOON)
        assert abs(back - amount) <= PICO * (1 + 1 / rate)


def post(client, admin, **more):
    given = {"from_currency": "EUR", "to_currency": "USD", "effective_from": "2026-11-01", "rate": "1.10"} | more
    return client.post("/api/v1/exchange-rates", headers=admin, json=given)


class TestExchangeRates:
    def test_one_is_read_as_it_was_written_and_converts(self, client, admin):
        assert post(client, admin, source="ECB").status_code == 201
        (item,) = client.get("/api/v1/exchange-rates", headers=admin).json()["items"]
        assert item == {
            "id": 1, "from_currency": "EUR", "to_currency": "USD", "effective_from": "2026-11-01", "rate": "1.1",
            "source": "ECB", "author": "key:test",
        }  # fmt: skip
        with db.transaction() as session:
            assert exchange.rates(session).convert(Decimal(2), "EUR", "USD", NOON) == Decimal("2.2")

    def test_rates_added_later_are_seen(self, client, admin):
        post(client, admin)
        with db.transaction() as session:
            assert exchange.rates(session) is exchange.rates(session)
        post(client, admin, effective_from="2026-11-20", rate="1.25")
        with db.transaction() as session:
            assert exchange.rates(session).convert(Decimal(2), "EUR", "USD", NOON) == Decimal("2.5")

    def test_a_rate_is_never_edited_and_the_audit_keeps_who_entered_it(self, client, admin):
        assert [post(client, admin, rate=rate).status_code for rate in ("1.10", "1.20")] == [201, 409]
        with db.transaction() as session:
            row = session.scalars(select(Audit).where(Audit.action == "exchange_rate.add")).one()
        assert (row.actor, row.after["rate"]) == ("key:test", "1.10")

    def test_a_wrong_field_is_refused(self, client, admin):
        wrong = [
            {"rate": "0"}, {"rate": "-1"}, {"rate": 1.1}, {"rate": "1e3"}, {"rate": "1000000000"},
            {"to_currency": "EUR"}, {"to_currency": "usd"}, {"effective_from": "0099-01-01"}, {"effective_from": 7},
        ]  # fmt: skip
        assert [(case, post(client, admin, **case).status_code) for case in wrong] == [(case, 422) for case in wrong]

    def test_a_tenants_key_enters_none(self, client, make_key):
        assert post(client, bound_headers(make_key, "finance")).status_code == 403
