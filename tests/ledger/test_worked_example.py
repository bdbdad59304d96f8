"""One hour of an invented company, every figure worked out by hand.

Hosted model, 2.50 in and 10 out a million:
    acme  1,000,000 in  100,000 out    2.50 + 1.00 = 3.50
    bolt    400,000 in                              1.00
    crow    200,000 in   50,000 out    0.50 + 0.50 = 1.00      crow has no cost centre: unattributed

Pool h100, 2 GPUs at 3.00 an hour = 6.00; standard rate 1 in, 4 out, 0.1 cached; work units 1 in, 4 out, 0 cached:
    acme  07:10-07:20  3,000,000 in                   standard 3.00   work 3,000,000
    bolt  07:15-07:30  1,000,000 in  500,000 out      standard 3.00   work 3,000,000
    crow  07:25-07:30  1,000,000 cached, 750,000 out  standard 3.10   work 3,000,000
    Something ran from 07:10 to 07:30: 20 of 60 minutes. Used 2.00, idle 4.00.
    Thirds of 2.00: 0.666666666667, 0.666666666667, 0.666666666666.

Late, bolt 07:40-07:50, 1,000,000 in: standard 1.00, work 1,000,000.
    Now 30 of 60 minutes: used 3.00, idle 3.00; work 3 : 4 : 3, so shares 0.90, 1.20, 0.90.
"""

from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select
from tests.support import books

from trivet import db
from trivet.fleet.models import Pool
from trivet.ledger import tasks
from trivet.ledger.models import Entry, Posting
from trivet.pricing.models import Model
from trivet.tenant.models import CostCentre, Tenant

pytestmark = pytest.mark.usefixtures("database")


def lines(kind, hour=books.SEVEN, sequence=0):
    """{(account, cost centre, tenant, model, pool): amount} of one posting."""
    with db.transaction() as session:
        names = {
            table: {0: None} | dict(session.execute(select(table.id, table.name)).all())
            for table in (CostCentre, Tenant, Model, Pool)
        }
        query = select(Entry).join(Posting, Posting.id == Entry.posting_id)
        found = session.scalars(
            query.where(Posting.kind == kind, Posting.hour == hour, Posting.sequence == sequence)
        ).all()
        return {
            (
                e.account,
                names[CostCentre][e.cost_centre_id],
                names[Tenant][e.tenant_id],
                names[Model][e.model_id],
                names[Pool][e.pool_id],
            ): e.amount
            for e in found
        }


class TestTheHour:
    def test_metered_supply_is_charged_at_standard_cost(self):
        books.company()
        books.a_morning()
        assert books.post() == 1
        assert lines("metered") == {
            ("cost_centre", "CC-7", "acme", "gpt-4o", None): Decimal("3.50"),
            ("cost_centre", "CC-9", "bolt", "gpt-4o", None): Decimal("1.00"),
            ("unattributed", None, "crow", "gpt-4o", None): Decimal("1.00"),
            ("supply.metered", None, None, "gpt-4o", None): Decimal("-5.50"),
        }

    def test_the_pools_cost_goes_to_those_who_used_it_and_to_idle(self):
        books.company()
        books.a_morning()
        books.post()
        assert lines("pool") == {
            ("cost_centre", "CC-7", "acme", "small", "h100"): Decimal("3.00"),
            ("cost_centre", "CC-9", "bolt", "small", "h100"): Decimal("3.00"),
            ("unattributed", None, "crow", "small", "h100"): Decimal("3.10"),
            ("variance", "CC-7", "acme", "small", "h100"): Decimal("-2.333333333333"),
            ("variance", "CC-9", "bolt", "small", "h100"): Decimal("-2.333333333333"),
            ("variance", None, "crow", "small", "h100"): Decimal("-2.433333333334"),
            ("idle", None, None, None, "h100"): Decimal("4.00"),
            ("supply.capacity", None, None, None, "h100"): Decimal("-6.00"),
        }

    def test_a_late_request_posts_the_difference_and_nothing_else(self):
        books.company()
        books.a_morning()
        books.post()
        books.a_late_request()
        assert books.post() == 1
        assert lines("pool", sequence=1) == {
            ("cost_centre", "CC-9", "bolt", "small", "h100"): Decimal("1.00"),
            ("variance", "CC-7", "acme", "small", "h100"): Decimal("0.233333333333"),
            ("variance", "CC-9", "bolt", "small", "h100"): Decimal("-0.466666666667"),
            ("variance", None, "crow", "small", "h100"): Decimal("0.233333333334"),
            ("idle", None, None, None, "h100"): Decimal("-1.00"),
        }
        assert lines("metered", sequence=1) == {}

    def test_the_hour_after_in_which_nothing_ran_is_all_idle(self):
        books.company()
        books.a_morning()
        books.post(books.NINE + timedelta(minutes=2))
        assert lines("pool", books.EIGHT) == {
            ("idle", None, None, None, "h100"): Decimal("6.00"),
            ("supply.capacity", None, None, None, "h100"): Decimal("-6.00"),
        }

    def test_each_posting_says_what_it_is_of_and_by_which_method(self):
        books.company()
        books.a_morning()
        books.post()
        books.a_late_request()
        books.post()
        with db.transaction() as session:
            found = session.scalars(select(Posting).order_by(Posting.id)).all()
        assert [(p.kind, p.source, p.sequence, p.period, p.method) for p in found] == [
            ("metered", "metered", 0, "2026-11", "standard-1"),
            ("pool", "h100", 0, "2026-11", "busy-union-1, all-awake-1, work-units-1"),
            ("pool", "h100", 1, "2026-11", "busy-union-1, all-awake-1, work-units-1"),
        ]
        assert found[1].reason == "Capacity 6.000000000000 USD/h; used 1200 s, headroom 0 s, idle 2400 s, down 0 s."
        assert found[2].reason.startswith("Usage, capacity or mapping of this hour changed")


def test_a_tenant_that_is_mapped_later_is_charged_from_its_first_usage():
    books.company()
    books.a_morning()
    books.post()
    books.tenants(crow="CC-3")
    with db.transaction() as session:
        crow = session.scalar(select(Tenant.id).where(Tenant.name == "crow"))
    assert tasks.tenant_changed(crow, "2026-11-01T00:00:00Z") == 1
    books.post()
    assert lines("metered", sequence=1) == {
        ("cost_centre", "CC-3", "crow", "gpt-4o", None): Decimal("1.00"),
        ("unattributed", None, "crow", "gpt-4o", None): Decimal("-1.00"),
    }
    assert lines("pool", sequence=1) == {
        ("cost_centre", "CC-3", "crow", "small", "h100"): Decimal("3.10"),
        ("unattributed", None, "crow", "small", "h100"): Decimal("-3.10"),
        ("variance", "CC-3", "crow", "small", "h100"): Decimal("-2.433333333334"),
        ("variance", None, "crow", "small", "h100"): Decimal("2.433333333334"),
    }


def test_a_pool_price_that_reaches_back_moves_the_hour_from_metered_to_capacity():
    books.price("house", "small", input="1", output="4", cache_read="0.1")
    books.tenants(acme="CC-7")
    books.ingest(books.on_pool("acme", "07:00", "07:30", input_tokens=2_000_000))
    books.rollup.fold()
    books.post()
    assert lines("metered")["cost_centre", "CC-7", "acme", "small", "h100"] == Decimal("2.00")
    books.pool(per_hour="1.5")
    assert tasks.pool_changed(1, "2026-11-20T07:00:00Z") == 1
    books.post()
    assert lines("metered", sequence=1) == {
        ("cost_centre", "CC-7", "acme", "small", "h100"): Decimal("-2.00"),
        ("supply.metered", None, None, "small", "h100"): Decimal("2.00"),
    }
    assert lines("pool") == {
        ("cost_centre", "CC-7", "acme", "small", "h100"): Decimal("2.00"),
        ("variance", "CC-7", "acme", "small", "h100"): Decimal("-0.50"),
        ("idle", None, None, None, "h100"): Decimal("1.50"),
        ("supply.capacity", None, None, None, "h100"): Decimal("-3.00"),
    }


def test_a_request_across_two_hours_counts_in_each_by_its_time_there():
    # 07:50-08:20: a third of its work and 10 busy minutes before eight, two thirds and 20 minutes after; it ended after
    # eight, so its standard cost 3.00 is booked there. acme alone before eight: 1.00 of 6.00 used.
    books.company()
    books.post(books.EIGHT + timedelta(minutes=2))
    books.ingest(books.on_pool("acme", "07:50", "08:20", input_tokens=3_000_000))
    books.rollup.fold()
    books.post(books.NINE + timedelta(minutes=2))
    assert lines("pool", sequence=1) == {
        ("variance", "CC-7", "acme", "small", "h100"): Decimal("1.00"),
        ("idle", None, None, None, "h100"): Decimal("-1.00"),
    }
    assert lines("pool", books.EIGHT) == {
        ("cost_centre", "CC-7", "acme", "small", "h100"): Decimal("3.00"),
        ("variance", "CC-7", "acme", "small", "h100"): Decimal("-1.00"),
        ("idle", None, None, None, "h100"): Decimal("4.00"),
        ("supply.capacity", None, None, None, "h100"): Decimal("-6.00"),
    }
