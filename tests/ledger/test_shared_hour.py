"""Shared costs in the ledger, every figure worked out by hand.

Seven to eight, hosted model at 2.50 in and 10 out a million: acme 3.50 on CC-7, bolt 1.00 on CC-9, crow 1.00 unattributed.
"""

from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import func, select, text
from tests.support import books

from trivet import db
from trivet.ledger import book, service, shared_service, tasks
from trivet.ledger.models import HourDue, Period, Posting
from trivet.ledger.shared_service import Share, Split
from trivet.outbox import Outbox
from trivet.pricing import exchange
from trivet.tenant import centres
from trivet.tenant import service as tenants
from trivet.tenant.models import Tenant

pytestmark = pytest.mark.usefixtures("database")
DAY = books.DAY
NEXT = DAY + timedelta(days=1)
SOON = timedelta(minutes=2)
CC7, CC9, BOLT = Share("CC-7"), Share("CC-9"), Share(tenant="bolt")


def usage():
    books.price("openai", "gpt-4o", input="2.50", output="10")
    books.tenants(acme="CC-7", bolt="CC-9")
    books.ingest(
        books.metered("acme", "07:05", input_tokens=1_000_000, output_tokens=100_000),
        books.metered("bolt", "07:10", input_tokens=400_000),
        books.metered("crow", "07:59", input_tokens=200_000, output_tokens=50_000),
    )
    books.rollup.fold()


def enter(amount, split, *, recurs="once", start=DAY, end=NEXT, currency="USD", name="support", now=NEXT):
    with db.transaction() as session:
        shared_service.add(
            session, name=name, recurs=recurs, start=start, end=end, amount=Decimal(amount), currency=currency,
            split=split, note="", actor="ann", now=now,
        )  # fmt: skip
    return tasks.shared_changed(start.isoformat())


def proportional(usage_of, *shares):
    return Split("proportional", shares, usage_of)


def borne(hour, name="support"):
    """{(cost centre, tenant): amount} of what stands for a shared cost and hour."""
    with db.transaction() as session:
        found = session.execute(
            text("""SELECT cost_centre.name, tenant.name, sum(amount) FROM entry JOIN posting ON posting.id = posting_id
                    LEFT JOIN cost_centre ON cost_centre.id = cost_centre_id LEFT JOIN tenant ON tenant.id = tenant_id
                    WHERE kind = 'shared' AND source = :name AND hour = :hour AND account = 'shared'
                    GROUP BY 1, 2 HAVING sum(amount) <> 0"""),
            {"name": name, "hour": hour},
        )
        return {tuple(row[:-1]): row[-1] for row in found}


def do_what_was_asked(task):
    """Run a task as often as the outbox asks for it; what it said each time."""
    with db.transaction() as session:
        asked = session.scalars(select(Outbox.args).where(Outbox.task == task)).all()
    return [getattr(tasks, task.removeprefix("ledger."))(*args) for args in asked]


def total():
    """What all shared costs come to, of every hour, and what supply says of them."""
    with db.transaction() as session:
        return [
            session.scalar(
                text("SELECT coalesce(sum(amount), 0) FROM entry WHERE account = :account"), {"account": account}
            )
            for account in ("shared", "supply.shared")
        ]


def shared_postings():
    with db.transaction() as session:
        return session.scalar(select(func.count()).where(Posting.kind == "shared"))


class TestByTheHour:
    def test_fixed_shares_go_to_cost_centres_and_tenants_and_the_rest_stays_visible(self):
        usage()
        enter("24", Split("fixed", (Share("CC-7", percent=Decimal(60)), Share(tenant="bolt", percent=Decimal(25)))))
        books.post()
        assert borne(books.SEVEN) == {
            ("CC-7", None): Decimal("0.60"),
            ("CC-9", "bolt"): Decimal("0.25"),
            (None, None): Decimal("0.15"),
        }

    def test_evenly(self):
        usage()
        enter("2.4", Split("even", (CC7, CC9, BOLT)))
        books.post()
        assert borne(books.SEVEN) == {
            ("CC-7", None): Decimal("0.033333333334"),
            ("CC-9", None): Decimal("0.033333333333"),
            ("CC-9", "bolt"): Decimal("0.033333333333"),
        }

    def test_in_proportion_to_the_usage_of_the_hour_and_to_nobody_where_there_is_none(self):
        # 0.90 an hour, 3.50 to 1.00: 0.70 and 0.20
        usage()
        enter("21.6", proportional("hour", CC7, CC9))
        books.post(books.NINE + SOON)
        assert borne(books.SEVEN) == {("CC-7", None): Decimal("0.70"), ("CC-9", None): Decimal("0.20")}
        assert borne(books.EIGHT) == {(None, None): Decimal("0.90")}

    def test_where_nobody_is_named_everybody_bears_it_and_the_unattributed_share_stays_visible(self):
        # 1.10 an hour, 3.50 to 1.00 to 1.00
        usage()
        enter("26.4", proportional("hour"))
        books.post()
        assert borne(books.SEVEN) == {
            ("CC-7", None): Decimal("0.70"), ("CC-9", None): Decimal("0.20"), (None, None): Decimal("0.20"),
        }  # fmt: skip

    def test_a_late_request_splits_the_hour_anew(self):
        # bolt 2.50 more: 3.50 to 3.50
        usage()
        enter("24", proportional("hour", CC7, CC9))
        books.post()
        books.ingest(books.metered("bolt", "07:30", input_tokens=1_000_000))
        books.rollup.fold()
        books.post()
        assert borne(books.SEVEN) == {("CC-7", None): Decimal("0.50"), ("CC-9", None): Decimal("0.50")}

    def test_a_whole_day_adds_up_to_the_amount(self):
        usage()
        enter("100", proportional("hour", CC7, CC9))
        books.post(NEXT + SOON)
        assert total() == [Decimal(100), Decimal(-100)]
        assert shared_postings() == 24

    def test_posted_again_it_stands(self):
        usage()
        enter("100", Split("even", (CC7, CC9)))
        books.post(NEXT + SOON)
        before = shared_postings()
        tasks.shared_changed(DAY.isoformat())
        books.post(NEXT + SOON)
        assert shared_postings() == before

    def test_it_says_how_it_was_split(self):
        usage()
        enter("24", proportional("hour", CC7, CC9))
        books.post()
        with db.transaction() as session:
            row = session.scalars(select(Posting).where(Posting.kind == "shared", Posting.hour == books.SEVEN)).one()
        assert (row.source, row.method) == ("support", "proportional-hour-1")
        assert row.reason == "1.000000000000 USD in proportion to the usage cost of the hour."

    def test_another_currency_is_split_at_the_rate_of_the_day_and_stays_visible_without_one(self):
        usage()
        enter("21.6", proportional("hour", CC7, CC9), currency="EUR")
        books.post()
        assert borne(books.SEVEN) == {(None, None): Decimal("0.90")}
        with db.transaction() as session:
            says = session.scalar(select(Posting.reason).where(Posting.kind == "shared", Posting.hour == books.SEVEN))
            assert "cannot be split by usage. No rate from USD to EUR" in says
            exchange.add_rate(
                session, from_currency="USD", to_currency="EUR", effective_from=DAY.date(), rate=Decimal("0.9"),
                source="t", actor="t",
            )  # fmt: skip
        assert do_what_was_asked("ledger.rate_added") == [8]
        books.post()
        assert borne(books.SEVEN) == {("CC-7", None): Decimal("0.70"), ("CC-9", None): Decimal("0.20")}


class TestByTheDay:
    def test_a_day_is_posted_whole_when_it_is_over(self):
        # bolt at nine another 2.50: 3.50 to 3.50 over the day
        usage()
        books.ingest(books.metered("bolt", "09:30", input_tokens=1_000_000))
        books.rollup.fold()
        enter("24", proportional("day", CC7, CC9))
        books.post(NEXT - timedelta(minutes=30))
        assert total() == [Decimal(0), Decimal(0)]
        books.post(NEXT + SOON)
        assert borne(DAY) == {("CC-7", None): Decimal(12), ("CC-9", None): Decimal(12)}
        assert shared_postings() == 1

    def test_late_usage_of_any_hour_corrects_the_day(self):
        usage()
        enter("9", proportional("day", CC7, CC9))
        books.post(NEXT + SOON)
        assert borne(DAY) == {("CC-7", None): Decimal(7), ("CC-9", None): Decimal(2)}
        books.ingest(books.metered("bolt", "23:30", input_tokens=1_000_000))
        books.rollup.fold()
        books.post(NEXT + SOON)
        assert borne(DAY) == {("CC-7", None): Decimal("4.5"), ("CC-9", None): Decimal("4.5")}

    def test_of_a_month_each_day_that_ends_corrects_those_before_it(self):
        # 720 a month is 24.00 a day. The first day 3.50 to 1.00; with the second, on which bolt used 4.00 more, 3.50 to 5.00.
        usage()
        enter("720", proportional("month", CC7, CC9), recurs="monthly", end=None)
        books.post(NEXT + SOON)
        assert borne(DAY) == {("CC-7", None): Decimal("18.666666666667"), ("CC-9", None): Decimal("5.333333333333")}
        later = NEXT + timedelta(days=1, minutes=2)
        books.ingest(books.call(NEXT + timedelta(hours=3), tenant="bolt", output_tokens=400_000), now=later)
        books.rollup.fold()
        books.post(later)
        parts = {("CC-7", None): Decimal("9.882352941176"), ("CC-9", None): Decimal("14.117647058824")}
        assert borne(DAY) == parts
        assert borne(NEXT) == parts
        assert total() == [Decimal(48), Decimal(-48)]

    def test_a_rule_of_another_grain_from_a_day_on_takes_over_what_stands(self):
        usage()
        enter("24", Split("even", (CC7, CC9)))
        books.post(NEXT + SOON)
        assert borne(books.SEVEN) == {("CC-7", None): Decimal("0.5"), ("CC-9", None): Decimal("0.5")}
        for split, at, parts in (
            (proportional("day", CC7), DAY, {("CC-7", None): Decimal(24)}),
            (Split("even", (CC9,)), books.SEVEN, {("CC-9", None): Decimal(1)}),
        ):
            with db.transaction() as session:
                shared_service.change_rule(session, name="support", start=DAY, split=split, actor="ann", now=NEXT)
            tasks.shared_changed(DAY.isoformat())
            books.post(NEXT + SOON)
            assert borne(at) == parts
            assert total() == [Decimal(24), Decimal(-24)]


class TestChanges:
    def test_another_amount_is_posted_as_a_difference(self):
        usage()
        enter("24", Split("even", (CC7,)))
        books.post()
        with db.transaction() as session:
            shared_service.change_amount(
                session, name="support", start=None, end=None, amount=Decimal(36), currency=None, actor="ann", now=NEXT
            )
        tasks.shared_changed(DAY.isoformat())
        books.post()
        assert borne(books.SEVEN) == {("CC-7", None): Decimal("1.5")}

    def test_an_end_takes_back_what_was_posted_after_it(self):
        usage()
        enter("720", Split("even", (CC7,)), recurs="monthly", end=None)
        with db.transaction() as session:
            shared_service.change_amount(
                session, name="support", start=books.NINE, end=None, amount=Decimal(1440), currency=None, actor="ann", now=NEXT,
            )  # fmt: skip
        books.post(NEXT + SOON)
        assert total()[0] == 9 + 15 * 2
        with db.transaction() as session:
            shared_service.end(session, name="support", at=books.EIGHT, actor="ann", now=NEXT)
        tasks.shared_changed(DAY.isoformat())
        books.post(NEXT + SOON)
        assert total() == [Decimal(8), Decimal(-8)]

    def test_a_tenant_that_moves_takes_its_share_along_also_of_hours_without_usage(self):
        usage()
        enter("24", Split("even", (BOLT,)))
        books.post()
        with db.transaction() as session:
            bolt = session.scalar(select(Tenant.id).where(Tenant.name == "bolt"))
        six = DAY + timedelta(hours=6)
        with db.transaction() as session:
            tenants.register(session, name="bolt", cost_centre="CC-7", effective_from=six, actor="t", now=NEXT)
        tasks.tenant_changed(bolt, six.isoformat())
        books.post()
        assert borne(DAY + timedelta(hours=5)) == {("CC-9", "bolt"): Decimal(1)}
        assert borne(six) == {("CC-7", "bolt"): Decimal(1)}

    def test_a_cost_centre_that_moves_takes_its_usage_to_the_one_above_it(self):
        usage()
        with db.transaction() as session:
            centres.create(session, name="Group", actor="t")
        enter("21.6", proportional("hour", Share("Group"), CC9))
        books.post()
        assert borne(books.SEVEN) == {("CC-9", None): Decimal("0.90")}
        with db.transaction() as session:
            start = centres.move(session, name="CC-7", parent="Group", effective_from=DAY, actor="t", now=NEXT)
        assert tasks.tree_changed(start.isoformat()) == 8
        books.post()
        assert borne(books.SEVEN) == {("Group", None): Decimal("0.70"), ("CC-9", None): Decimal("0.20")}

    def test_without_shared_costs_a_moved_tree_makes_nothing_due(self):
        usage()
        books.post()
        assert tasks.tree_changed(DAY.isoformat()) == 0

    def test_after_a_close_a_correction_is_an_adjustment_that_names_the_month(self):
        usage()
        enter("24", proportional("day", CC7, CC9))
        books.post(NEXT + SOON)
        with db.transaction() as session:
            session.add(
                Period(
                    month="2026-11",
                    state="closed",
                    requested_by="a",
                    requested_at=NEXT,
                    reason="r",
                    closed_by="b",
                    closed_at=NEXT,
                )
            )
        books.ingest(books.metered("bolt", "10:30", input_tokens=1_000_000))
        books.rollup.fold()
        books.post(NEXT + SOON)
        with db.transaction() as session:
            last = session.scalars(
                select(Posting).where(Posting.kind == "shared").order_by(Posting.id.desc()).limit(1)
            ).one()
        assert (last.hour, last.period, last.adjusts, last.sequence) == (DAY, "2026-12", "2026-11", 1)


class TestALotOfThem:
    def test_twenty_stand_side_by_side_in_an_hour_and_posted_again_they_stand(self):
        usage()
        for number in range(20):
            enter("24", proportional("hour", CC7, CC9), name=f"cost {number}")
        books.post()
        with db.transaction() as session:
            book.alone(session)
            assert service.post_hour(session, books.SEVEN) == []
            assert session.scalar(select(func.count()).select_from(HourDue)) == 0
        assert borne(books.SEVEN, "cost 19") == {
            ("CC-7", None): Decimal("0.777777777778"), ("CC-9", None): Decimal("0.222222222222"),
        }  # fmt: skip
