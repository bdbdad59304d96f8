"""A bill of three days and two models, every figure worked out by hand.

Our prices, USD per million: gpt-4o 2.50 in, 10 out; gpt-4o-mini 0.15 in, 0.60 out; house-secret-1 has none.

                          billed                       measured                 difference
17  gpt-4o       1 M in    2.50 + 0.1 M out 1.00    3.50                      0.50 cache writes that only the bill has
                 0.2 M cache writes 0.50            (a write costs like input: 0.2 x 2.50)
    gpt-4o-mini  2 M in    0.40                     0.30                      0.10 price: 0.20 a million, not 0.15
                 0.9 M out 0.54                     0.60 for 1 M             -0.06 the next day has them
18  gpt-4o       1 M in    2.50                     2.50                      none
    gpt-4o-mini  0.1 M out 0.06                     nothing                   0.06 the day before had them
19  gpt-4o       search    0.25                     2.50 for 1 M in           0.25 fee, -2.50 that the bill has not
    house-secret 0.1 M in  0.70                     no price                  0.70 unpriced
    mystery      1,000 in  0.33                     no such model             0.33 unknown model
    tax 0.81, credit -1.00                                                    0.81, -1.00
                           8.59                     9.40                     -0.81
"""

from decimal import Decimal

import pytest
from sqlalchemy import select
from tests.support.bills import (
    NOW,
    a_company,
    as_csv,
    bring_in,
    entries,
    fresh,
    ingest,
    post,
    settle,
    the_bill,
    three_days,
    used,
)

from trivet import db
from trivet.bill import answers, matching, tasks
from trivet.bill.models import Bill, BillAlias
from trivet.ledger.models import Entry, Posting
from trivet.pricing.models import Model
from trivet.tenant.models import CostCentre, Tenant

CAUSES = {
    ("volume", "cache_write"): Decimal("0.50"),
    ("price", "input"): Decimal("0.10"),
    ("volume", "input"): Decimal("-2.50"),
    ("unpriced", "input"): Decimal("0.70"),
    ("fee", ""): Decimal("0.25"),
    ("unknown_model", "input"): Decimal("0.33"),
    ("tax", ""): Decimal("0.81"),
    ("credit", ""): Decimal("-1.00"),
}


@pytest.fixture
def bill(database):
    a_company()
    three_days()
    return bring_in(as_csv(the_bill()))[0]


def rows(bill):
    with db.transaction() as session:
        return answers.rows_of(session, bill.id)


def ids(table):
    with db.transaction() as session:
        return dict(session.execute(select(table.name, table.id)).all())


def causes_of(bill, day, model):
    return {
        (cause, kind): Decimal(amount)
        for row in rows(bill)
        if (row.day.day, row.name) == (day, model)
        for cause, kind, amount in row.parts
    }


class TestImported:
    def test_the_total_is_the_sum_of_its_lines(self, bill):
        assert (bill.total, bill.currency, bill.lines) == (Decimal("8.59"), "USD", 12)
        assert (bill.provider, bill.format, bill.invoice_ids) == ("openai", "focus", ["INV-11"])

    def test_while_its_period_runs_it_covers_up_to_the_last_day_that_was_billed(self, bill):
        assert (bill.starts_on.isoformat(), bill.ends_on.isoformat()) == ("2026-11-01", "2026-11-20")

    def test_it_is_matched_at_once(self, bill):
        assert bill.state == "matched"


class TestDifferences:
    def test_each_cause_has_its_part(self, bill):
        assert answers.parts_of(rows(bill)) == CAUSES

    def test_parts_of_each_row_sum_to_its_difference(self, bill):
        for row in rows(bill):
            assert sum(Decimal(amount) for _, _, amount in row.parts) == row.billed - row.measured

    def test_measured_and_parts_sum_to_the_bill(self, bill):
        assert sum(row.measured for row in rows(bill)) == Decimal("9.40")
        assert Decimal("9.40") + sum(CAUSES.values()) == bill.total

    def test_tokens_counted_in_neighbouring_days_cancel(self, bill):
        assert causes_of(bill, 17, "gpt-4o-mini") == {
            ("price", "input"): Decimal("0.10"),
            ("day_boundary", "output"): Decimal("-0.06"),
        }
        assert causes_of(bill, 18, "gpt-4o-mini") == {("day_boundary", "output"): Decimal("0.06")}

    def test_a_day_that_agrees_has_no_parts(self, bill):
        assert causes_of(bill, 18, "gpt-4o") == {}

    def test_a_dated_name_is_guessed_to_be_the_model_and_says_by_which_rule(self, bill):
        with db.transaction() as session:
            alias = session.scalars(select(BillAlias).where(BillAlias.name == "gpt-4o-2024-08-06")).one()
        assert alias.model_id == ids(Model)["gpt-4o"]
        assert alias.rule == "the same without provider, region and date or version"


class TestPosted:
    def test_supply_of_the_provider_is_the_bill_exactly(self, bill):
        post(bill)
        supplied = -sum(amount for (account, *_), amount in entries().items() if account.startswith("supply."))
        assert supplied == bill.total

    def test_each_day_s_difference_stands_at_its_first_hour(self, bill):
        post(bill)
        with db.transaction() as session:
            hours = session.execute(
                select(Posting.hour, Entry.amount)
                .join(Entry, Entry.posting_id == Posting.id)
                .where(Posting.kind == "bill", Entry.account == "bill_variance")
                .order_by(Posting.hour, Entry.amount)
            ).all()
            names = session.scalars(select(Posting.source).where(Posting.kind == "bill").distinct()).all()
        assert [(at.isoformat(), amount) for at, amount in hours] == [
            ("2026-11-17T00:00:00+00:00", Decimal("0.04")),
            ("2026-11-17T00:00:00+00:00", Decimal("0.50")),
            ("2026-11-18T00:00:00+00:00", Decimal("0.06")),
            ("2026-11-19T00:00:00+00:00", Decimal("-2.25")),
            ("2026-11-19T00:00:00+00:00", Decimal("0.14")),
            ("2026-11-19T00:00:00+00:00", Decimal("0.70")),
        ]
        assert names == [f"openai 2026-11 USD #{bill.id}"]

    def test_apart_it_is_nobody_s(self, bill):
        post(bill)
        assert {key[1:3] for key in entries(kind="bill")} == {(0, 0)}

    def test_posted_twice_is_posted_once(self, bill):
        post(bill)
        before = entries()
        post(bill)
        assert entries() == before
        with db.transaction() as session:
            assert session.scalars(select(Posting.sequence).where(Posting.kind == "bill")).all() == [0, 0, 0]

    def test_spread_by_use_each_day_goes_to_who_used_the_model(self, bill):
        post(bill, "use")
        centres, tenants, models = ids(CostCentre), ids(Tenant), ids(Model)
        borne = {key[1:4]: amount for key, amount in entries(kind="bill").items() if key[0] == "bill_variance"}
        acme, bolt = (centres["CC-7"], tenants["acme"]), (centres["CC-9"], tenants["bolt"])
        assert borne == {
            (*acme, models["gpt-4o"]): Decimal("0.50") - Decimal("1.35"),  # 17th alone; 3/5 of -2.25
            (*bolt, models["gpt-4o"]): Decimal("-0.90"),  # 2/5 of it
            (*bolt, models["gpt-4o-mini"]): Decimal("0.04"),
            (0, 0, models["gpt-4o-mini"]): Decimal("0.06"),  # nobody used it on the 18th
            (0, 0, models["house-secret-1"]): Decimal("0.70"),  # no cost to go by
            (*acme, 0): Decimal("0.084"),  # tax, credit and the unknown name, 0.14, over all of the 19th
            (*bolt, 0): Decimal("0.056"),
        }

    def test_told_otherwise_it_moves(self, bill):
        post(bill, "use")
        post(bill, "apart")
        assert {key[1:3] for key in entries(kind="bill")} == {(0, 0)}


class TestLate:
    def test_usage_that_comes_after_the_posting_corrects_it(self, bill):
        post(bill)
        ingest(used("acme", 17, cache_write_tokens=200_000))  # the 0.50 that only the bill had
        settle()
        assert tasks.rematch() == 1
        models = ids(Model)
        assert entries(kind="bill").get(("bill_variance", 0, 0, models["gpt-4o"], "USD")) == Decimal("-2.25")
        supplied = -sum(amount for (account, *_), amount in entries().items() if account.startswith("supply."))
        assert supplied == bill.total
        assert ("volume", "cache_write") not in answers.parts_of(rows(bill))

    def test_where_nothing_was_posted_since_nothing_is_compared(self, bill):
        post(bill)
        settle()
        before = fresh(bill).matched_at
        assert tasks.rematch() == 0
        assert fresh(bill).matched_at == before == NOW

    def test_a_bill_that_is_not_posted_is_compared_anew_and_not_posted(self, bill):
        ingest(used("acme", 17, cache_write_tokens=200_000))
        settle()
        assert tasks.rematch() == 1
        assert ("volume", "cache_write") not in answers.parts_of(rows(bill))
        assert entries(kind="bill") == {}


def test_a_comparison_replaces_the_one_before(bill):
    before = [(row.number, row.parts) for row in rows(bill)]
    with db.transaction() as session:
        matching.run(session, session.get(Bill, bill.id), NOW)
    assert [(row.number, row.parts) for row in rows(bill)] == before
