"""Units: what is told and what telemetry counts, priced, posted by the hour and corrected."""

from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select, text
from tests.support.books import DAY, EIGHT, NINE, SEVEN, clock, metered, post, price, tenants
from tests.support.calls import ingest, microseconds

from trivet import db
from trivet.ingest.request.fact import LookupFact
from trivet.ingest.store.persist import Batch, store_all
from trivet.kit.errors import Conflict, Forbidden, Invalid
from trivet.ledger import tasks as ledger
from trivet.ledger import units
from trivet.ledger.line import User
from trivet.ledger.unit_use import Use
from trivet.outbox import Outbox
from trivet.pricing import quantity, unit
from trivet.pricing.quantity import Told
from trivet.pricing.unit import Of, UnitBook, UnitLine
from trivet.rollup import tasks as rollup

LATER = DAY + timedelta(days=1)


def unit_price(name, price, *, of="", provider="", pool="", start=DAY - timedelta(days=30), currency="USD"):
    with db.transaction() as session:
        unit.add(
            session, unit=name, name=of, provider=provider, pool=pool, effective_from=start, currency=currency,
            price=Decimal(price), source="entered", actor="finance",
        )  # fmt: skip


def tell(*told, tenant_id=None):
    with db.transaction() as session:
        return quantity.tell(session, told, tenant_id=tenant_id, actor="cdn", now=LATER)


def gb(key="k1", amount="12.5", tenant="acme", hour=SEVEN, **more):
    return Told(key, hour, tenant, "bandwidth_gb", Decimal(amount), **more)


def handed_over():
    """What was sent to the ledger's tasks is done."""
    with db.transaction() as session:
        sent = [(row.task, row.args) for row in session.scalars(select(Outbox).order_by(Outbox.id))]
        session.execute(text("DELETE FROM outbox"))
    for task, args in sent:
        if task.startswith("ledger."):
            getattr(ledger, task.removeprefix("ledger.")).run(*args)


def stands():
    """(source, account, cost centre, tenant, amount) of everything that was posted of units."""
    query = """
        SELECT p.source, e.account, coalesce(c.name, ''), coalesce(t.name, ''), trim_scale(sum(e.amount))::text
        FROM entry e JOIN posting p ON p.id = e.posting_id LEFT JOIN cost_centre c ON c.id = e.cost_centre_id
        LEFT JOIN tenant t ON t.id = e.tenant_id WHERE p.kind = 'units' GROUP BY 1, 2, 3, 4 HAVING sum(e.amount) <> 0
        ORDER BY 1, 2, 3, 4"""
    with db.transaction() as session:
        return [tuple(row) for row in session.execute(text(query))]


def tool(name, n, tenant="acme", at="07:10"):
    end = microseconds(clock(at))
    return LookupFact(b"t" * 16, bytes([n]) * 8, end - 5_000, end, tenant, "chat", "", (), "tool", name)


@pytest.mark.usefixtures("database")
class TestPosting:
    def test_a_told_quantity_is_charged_to_its_tenants_cost_centre(self):
        tenants(acme="CC-7")
        unit_price("bandwidth_gb", "0.08")
        tell(gb(), gb("k2", "2", tenant="crow"))
        handed_over()
        post()
        # 12.5 GB x 0.08 = 1.00; 2 GB x 0.08 = 0.16, of a tenant without a cost centre
        assert stands() == [
            ("bandwidth_gb", "cost_centre", "CC-7", "acme", "1"),
            ("bandwidth_gb", "supply.metered", "", "", "-1.16"),
            ("bandwidth_gb", "unattributed", "", "crow", "0.16"),
        ]

    def test_calls_of_tools_and_requests_are_counted_by_telemetry(self):
        tenants(acme="CC-7")
        price("openai", "gpt-4o", input="2.50", output="10")
        unit_price("tool_calls", "0.01", of="search")
        unit_price("tool_calls", "0")
        unit_price("requests", "0.002", provider="openai")
        ingest(metered("acme", "07:05", input_tokens=10), metered("acme", "07:06", input_tokens=10))
        store_all([Batch((), [tool("search", 1), tool("search", 2), tool("pay", 3)], key_id=1)], clock("08:00"))
        rollup.fold()
        post()
        # 2 x 0.01 = 0.02, of pay nothing; 2 requests x 0.002 = 0.004
        assert [row for row in stands() if row[1] == "cost_centre"] == [
            ("requests", "cost_centre", "CC-7", "acme", "0.004"),
            ("tool_calls", "cost_centre", "CC-7", "acme", "0.02"),
        ]

    def test_what_has_no_price_is_in_no_posting_until_a_later_price_makes_its_hour_due_again(self):
        tenants(acme="CC-7")
        unit_price("web_searches", "0.01")
        tell(gb())
        handed_over()
        post()
        assert stands() == []
        unit_price("bandwidth_gb", "0.08")
        handed_over()
        post()
        assert stands()[0] == ("bandwidth_gb", "cost_centre", "CC-7", "acme", "1")

    def test_a_late_quantity_and_a_correction_move_what_stands(self):
        tenants(acme="CC-7")
        unit_price("bandwidth_gb", "0.08")
        post(NINE + timedelta(minutes=2))
        tell(gb())
        handed_over()
        post(NINE + timedelta(minutes=2))
        tell(gb("k1-less", "-2.5"))
        handed_over()
        post(NINE + timedelta(minutes=2))
        assert stands()[0][-1] == "0.8"  # 10 GB x 0.08
        assert post(NINE + timedelta(minutes=2)) == 0

    def test_a_late_tool_call_makes_its_hour_due_again(self):
        tenants(acme="CC-7")
        unit_price("tool_calls", "0.01")
        tell(gb("k", "1", hour=EIGHT))
        handed_over()
        post(NINE + timedelta(minutes=2))
        store_all([Batch((), [tool("search", 1, at="08:10")], key_id=1)], clock("08:30"))
        rollup.fold_signals()
        post(NINE + timedelta(minutes=2))
        assert stands()[0] == ("tool_calls", "cost_centre", "CC-7", "acme", "0.01")


@pytest.mark.usefixtures("database")
class TestTelling:
    def test_the_same_again_counts_once_and_another_under_its_key_is_refused(self):
        assert tell(gb(), gb("k2")) == quantity.Taken(2, 0)
        assert tell(gb(), gb("k3")) == quantity.Taken(1, 1)
        with pytest.raises(Conflict, match="amount differ"):
            tell(gb(amount="13"))

    def test_keys_are_their_tellers_own(self):
        tell(gb())
        with db.transaction() as session:
            acme = session.scalar(text("SELECT id FROM tenant WHERE name = 'acme'"))
        assert tell(gb(tenant=""), tenant_id=acme).new == 1
        with pytest.raises(Forbidden):
            tell(gb("k9", tenant="bolt"), tenant_id=acme)

    @pytest.mark.parametrize(
        ("wrong", "field"),
        [
            ({"hour": SEVEN + timedelta(minutes=1)}, "hour"), ({"hour": LATER + timedelta(hours=1)}, "hour"),
            ({"hour": LATER - timedelta(days=401)}, "hour"),
            ({"unit": "miles"}, "unit"), ({"model": "m"}, "provider"),
        ],
    )  # fmt: skip
    def test_what_cannot_be_is_refused_by_its_field(self, wrong, field):
        told = {"key": "k", "hour": SEVEN, "tenant": "acme", "unit": "bandwidth_gb", "amount": Decimal(1)} | wrong
        with pytest.raises(Invalid) as refused:
            tell(Told(**told))
        assert refused.value.field == f"quantities.0.{field}"


class TestCosts:
    def test_the_most_particular_price_holds_and_each_sum_is_rounded_once(self):
        rows = [
            (Of("tool_calls"), DAY, UnitLine(1, "USD", Decimal(1))),
            (Of("tool_calls", provider="openai"), DAY, UnitLine(2, "USD", Decimal(2))),
            (Of("tool_calls", "search"), DAY, UnitLine(3, "USD", Decimal("0.0000000000006"))),
            (Of("tool_calls", pool="h100"), DAY, UnitLine(4, "USD", Decimal(4))),
            (Of("tool_calls", "search"), NINE, UnitLine(5, "USD", Decimal(5))),
        ]
        book = UnitBook.of(rows)
        asked = [Of("tool_calls", "pay"), Of("tool_calls", "pay", "openai"), Of("tool_calls", "search", "openai"),
                 Of("tool_calls", "search", "openai", "h100")]  # fmt: skip
        assert [book.price_at(of, EIGHT).id for of in asked] == [1, 2, 3, 4]
        assert book.price_at(asked[2], NINE).id == 5
        assert book.price_at(asked[0], DAY - timedelta(seconds=1)) is None
        user = User(1, 0, 0)
        uses = [Use(SEVEN, user, 0, Of("tool_calls", "search"), Decimal(n)) for n in (1, 2, 3)]
        # 6 x 0.0000000000006 = 0.0000000000036, rounded half even to 4 picos; one by one it would be 1 + 1 + 2
        assert units.costs_of(uses, book, SEVEN) == {"tool_calls": {(user, 0, "USD"): Decimal("0.000000000004")}}
