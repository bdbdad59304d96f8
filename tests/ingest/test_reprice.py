"""A price entered later prices only what had none, and the buckets learn of it by a correction."""

from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text
from tests.ingest.test_store import NOW, add_price, priced, put, rows

from trivet import db
from trivet.ingest import tasks
from trivet.ingest.store import reprice

pytestmark = pytest.mark.usefixtures("database")
COST = 1000 * 2_500_000 + 100 * 10_000_000


def sums():
    return rows("SELECT sum(requests)::int n, sum(unpriced_requests)::int unpriced, sum(cost) cost FROM usage_delta")


class TestALatePrice:
    def test_prices_what_had_none_and_leaves_what_had(self):
        add_price(model="known")
        put(priced(model="known"), priced(), priced())
        add_price()
        add_price(model="known", per_million="9", since=NOW - timedelta(days=1))
        assert tasks.price_unpriced() == 2
        assert {r["cost_picos"] for r in rows("SELECT cost_picos FROM request")} == {COST}
        assert sums() == [{"n": 3, "unpriced": 0, "cost": Decimal(3 * COST).scaleb(-12)}]

    def test_adds_a_correction_of_no_requests(self):
        put(priced(), priced())
        add_price()
        tasks.price_unpriced()
        found = rows("SELECT currency, requests, unpriced_requests, cost FROM usage_delta ORDER BY id OFFSET 1")
        assert found == [
            {"currency": "", "requests": 0, "unpriced_requests": -2, "cost": 0},
            {"currency": "USD", "requests": 0, "unpriced_requests": 0, "cost": Decimal(2 * COST).scaleb(-12)},
        ]

    def test_prices_in_bounded_batches_until_none_is_left(self, monkeypatch):
        put(*(priced() for _ in range(25)))
        add_price()
        with db.transaction() as session:
            assert reprice.price_batch(session, 10) == 10
        with db.transaction() as session:
            assert reprice.price_batch(session, 10) == 10
        assert tasks.price_unpriced() == 5
        assert tasks.price_unpriced() == 0
        assert sums() == [{"n": 25, "unpriced": 0, "cost": Decimal(25 * COST).scaleb(-12)}]

    def test_does_not_reach_back_before_its_start(self):
        put(priced(seconds=1))
        add_price(since=NOW)
        assert tasks.price_unpriced() == 0
        assert sums() == [{"n": 1, "unpriced": 1, "cost": 0}]

    def test_of_another_pool_prices_nothing(self):
        put(priced(pool="a"))
        add_price(pool="b")
        assert tasks.price_unpriced() == 0

    def test_leaves_what_was_never_measured(self):
        put(priced(input_tokens=0, output_tokens=0))
        add_price()
        assert tasks.price_unpriced() == 0

    def test_is_the_same_as_if_it_had_been_known(self):
        put(priced(pool="h100", cache_read_tokens=3))
        add_price()
        tasks.price_unpriced()
        put(priced(pool="h100", cache_read_tokens=3))
        assert len(set(map(tuple, (r.values() for r in rows("SELECT cost_picos, price_id FROM request"))))) == 1

    def test_two_tasks_at_once_price_each_request_once(self):
        put(*(priced() for _ in range(10)))
        add_price()
        with db.transaction() as first:
            assert reprice.price_batch(first, 6) == 6
            with db.transaction() as second:
                assert reprice.price_batch(second, 10) == 4
        assert sums() == [{"n": 10, "unpriced": 0, "cost": Decimal(10 * COST).scaleb(-12)}]


class TestTheTask:
    def test_is_asked_for_by_every_new_price(self):
        price_id = add_price()
        with db.transaction() as session:
            asked = session.execute(text("SELECT task, args FROM outbox")).all()
        assert asked == [("ingest.price_unpriced", [price_id])]
        assert tasks.price_unpriced.name == "ingest.price_unpriced"
        assert tasks.price_unpriced(price_id) == 0
