"""Today's spend, arranged for the page; it adds up to what the API's total says."""

from datetime import UTC, datetime
from decimal import Decimal

from trivet.console.spend import ROWS_MAX, arrange, table
from trivet.console.tongue import speaking
from trivet.console.views import SpendRow
from trivet.report.costs import CostRow, Costs, Totals

AT = datetime(2026, 11, 21, 14, tzinfo=UTC)


def row(centre, tenant, amount, provisional="0", currency="USD"):
    return CostRow((centre, tenant), currency, Decimal(amount), Decimal(amount), Decimal(provisional))


def costs(*rows, idle="0"):
    totals = {}
    for r in rows:
        before = totals.get(r.currency, Decimal(idle))
        totals[r.currency] = before + r.amount
    return Costs(list(rows), {c: Totals(t, Decimal(0), Decimal(idle)) for c, t in totals.items()}, AT)


class TestArrange:
    def test_both_tables_come_from_the_same_rows_and_add_up_to_the_same_total(self):
        found = costs(
            row("CC-1", "acme", "3.5", "0.5"),
            row("CC-1", "globex", "1"),
            row("unattributed", "umbrella", "0.25"),
            idle="2",
        )
        tenants, centres = arrange(found).tables
        assert tenants.total == centres.total == Decimal("6.75") == found.totals["USD"].total
        assert [(r.name, r.total) for r in centres.rows] == [
            ("CC-1", Decimal("4.5")), ("unattributed", Decimal("0.25")), ("idle", Decimal(2)),
        ]  # fmt: skip

    def test_what_is_of_no_tenant_is_said_in_the_readers_language(self):
        with speaking("zh"):
            tenants, centres = arrange(costs(row("CC-1", "no tenant", "2"), row("unattributed", "acme", "1"))).tables
        assert [r.name for r in tenants.rows] == ["无租户", "acme"]
        assert [(r.name, r.kind) for r in centres.rows] == [("CC-1", "payer"), ("未归属", "unattributed")]

    def test_posted_and_provisional_stand_apart(self):
        tenants, _ = arrange(costs(row("CC-1", "acme", "3.5", "0.5"))).tables
        assert (tenants.rows[0].posted, tenants.rows[0].provisional) == (Decimal(3), Decimal("0.5"))

    def test_what_is_nobodys_is_said_and_comes_last(self):
        tenants, centres = arrange(
            costs(row("unattributed", "umbrella", "9"), row("CC-1", "acme", "1"), idle="1")
        ).tables
        assert (tenants.rows[0].name, tenants.rows[0].note) == ("umbrella", "no cost centre")
        assert [r.kind for r in centres.rows] == ["payer", "unattributed", "idle"]

    def test_currencies_are_never_mixed(self):
        found = costs(row("CC-1", "acme", "1"), row("CC-1", "acme", "5", currency="EUR"))
        assert [(t.currency, t.total) for t in arrange(found).tables] == [
            ("EUR", Decimal(5)), ("EUR", Decimal(5)), ("USD", Decimal(1)), ("USD", Decimal(1)),
        ]  # fmt: skip

    def test_a_day_without_spend_has_empty_tables(self):
        spent = arrange(Costs([], {}, AT))
        assert (spent.total, spent.currency, [t.rows for t in spent.tables]) == (Decimal(0), "USD", [(), ()])

    def test_no_pico_is_lost_where_many_small_ones_are_added(self):
        rows = [row("CC-1", f"t{i}", "0.000000000001") for i in range(1000)]
        assert arrange(costs(*rows)).total == Decimal("0.000000001")


class TestTable:
    def test_payers_past_the_limit_stand_in_one_row_so_that_the_total_still_adds_up(self):
        rows = [SpendRow(f"t{i:02}", "payer", Decimal(100 - i), Decimal(0)) for i in range(ROWS_MAX + 3)]
        made = table("tenant", "USD", rows)
        assert made.rows[-1].name == "3 more"
        assert sum(r.total for r in made.rows) == sum(r.total for r in rows) == made.total

    def test_the_column_shows_the_total_with_four_digits(self):
        assert table("tenant", "USD", [SpendRow("a", "payer", Decimal("0.0123"), Decimal(0))]).places == 5
