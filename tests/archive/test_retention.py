"""A day leaves the database only when nothing needs it any more, and only after it was written and read back."""

import logging
import re
from datetime import datetime, timedelta

import duckdb
import pytest
from sqlalchemy import select, text
from tests.house.tree import ROOT
from tests.support import books
from tests.support.archived import (
    LATER,
    MORNING,
    NOVEMBER_20,
    WHOLE_DAY,
    a_settled_day,
    costs_by_tenant,
    recorded,
    requests_there,
    retain,
    settings,
    stands,
    waits,
)  # fmt: skip
from tests.support.books import DAY, EIGHT, SEVEN, a_late_request, a_morning, company, metered, post
from tests.support.calls import call, ingest

from trivet import db
from trivet.archive import facts, service
from trivet.archive.facts import RowsDropped
from trivet.archive.place import Place
from trivet.archive.tables import BY_NAME, DAY_TABLES
from trivet.ingest.score import scores
from trivet.ingest.store import partitions
from trivet.ingest.store.partitions import State
from trivet.kit.interval import Interval
from trivet.ledger.models import Entry, HourDue, PostedHour, Posting
from trivet.rollup import tasks as rollup
from trivet.rollup.read import usage
from trivet.rollup.rebuild import rebuild

pytestmark = pytest.mark.usefixtures("database")


class TestADayThatIsOldAndSettled:
    def test_goes_once_it_is_written_and_duckdb_reads_the_costs_that_usage_says(self, tmp_path):
        a_settled_day()
        before = costs_by_tenant()
        assert ("request", NOVEMBER_20) in retain(settings(tmp_path))
        assert (requests_there(), stands()) == (0, State.NONE)
        [query] = re.findall(r"```sql\n(.*?)```", (ROOT / "docs/retention.md").read_text(), flags=re.DOTALL)
        found = duckdb.sql(query.replace("/archive/", f"{tmp_path}/archive/")).fetchall()
        assert {(tenant, currency): cost for tenant, currency, _, cost in found} == before
        assert [requests for _, _, requests, _ in found] == [2, 2, 2]
        assert set(before) == {(name, "USD") for name in ("acme", "bolt", "crow")}
        assert costs_by_tenant() == before

    def test_leaves_a_row_that_says_what_went(self, tmp_path):
        a_settled_day()
        [(rows, picos)] = [(6, sum(costs_by_tenant().values()) * 10**12)]
        retain(settings(tmp_path))
        row = recorded()
        assert (row.rows, row.picos, row.files) == (rows, picos, 1)
        assert row.url == f"file://{tmp_path}/archive/request/day=2026-11-20"
        file = tmp_path / "archive/request/day=2026-11-20/part-0.parquet"
        assert row.bytes == file.stat().st_size
        assert None not in {row.written_at, row.closed_at, row.dropped_at}
        assert row.until == datetime.fromisoformat("2026-11-20T07:59:00Z")

    def test_is_dropped_and_written_nowhere_without_a_location(self):
        a_settled_day()
        assert ("request", NOVEMBER_20) in retain(settings())
        row = recorded()
        assert (row.url, row.files, row.rows, row.written_at) == ("", 0, 6, None)
        assert (requests_there(), stands()) == (0, State.NONE)

    @pytest.mark.parametrize(("age_days", "gone"), [(90, False), (91, True)])
    def test_is_a_day_older_than_the_setting(self, age_days, gone):
        a_settled_day()
        assert (("request", NOVEMBER_20) in retain(settings(), DAY + timedelta(days=age_days))) == gone

    def test_stays_where_rows_are_kept_for_ever(self):
        a_settled_day()
        retain(settings(retention_days_requests=0), LATER + timedelta(days=4_000))
        assert requests_there() == 6

    def test_takes_its_scores_with_it(self, tmp_path):
        with db.transaction() as session:
            made = [scores.NewScore("chat", "judge", value / 10, SEVEN) for value in (1, 2)]
            made[1] = scores.NewScore("chat", "other", 0.2, SEVEN)
            scores.add(session, made, source="t", tenant_id=None)
        rollup.fold()
        assert ("score", NOVEMBER_20) in retain(settings(tmp_path))
        with db.transaction() as session:
            assert session.scalar(text("SELECT count(*) FROM score")) == 0
            assert usage(session, MORNING, [])[()].scores == 2
        with pytest.raises(RowsDropped):
            rebuild(MORNING)

    def test_every_table_with_day_partitions_has_a_retention(self):
        assert set(partitions.PARTITIONED) <= BY_NAME.keys()
        with db.transaction() as session:
            found = session.execute(
                text(
                    "SELECT c.relname, a.attname FROM pg_partitioned_table p JOIN pg_class c ON c.oid = p.partrelid "
                    "JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = p.partattrs[0]"
                )
            ).all()
        assert {tuple(row) for row in found} == {(table.name, table.at) for table in DAY_TABLES if table.partitioned}


class TestADayThatIsNotSettled:
    """Each stays, says why, and goes once it is settled."""

    def test_waits_for_usage_that_is_not_folded(self):
        a_settled_day()
        ingest(metered("acme", "07:30", input_tokens=5))
        assert waits(settings())["request"] == "usage of it is not folded yet"
        assert ("request", NOVEMBER_20) not in retain(settings())
        assert requests_there() == 7

    def test_waits_for_hours_that_are_due(self):
        a_settled_day()
        a_late_request()
        assert waits(settings())["request"] == "some of its hours are due for posting"
        retain(settings())
        assert requests_there() == 7
        post()
        assert ("request", NOVEMBER_20) in retain(settings())

    def test_waits_for_the_ledger_to_come_so_far(self):
        company()
        a_morning()
        assert waits(settings())["request"] == "the ledger has not come so far"
        with db.transaction() as session:
            session.add(PostedHour(id=1, posted_until=SEVEN))
        assert waits(settings())["request"] == "the ledger has not come so far"
        assert ("request", NOVEMBER_20) not in retain(settings())
        assert requests_there() == 6

    def test_waits_for_a_price_that_is_about_to_be_applied(self):
        ingest(call(SEVEN + timedelta(minutes=5), provider="house", model="new", input_tokens=10))
        rollup.fold()
        post()
        assert waits(settings())["request"] == "", "no price is known: nothing is waited for"
        books.price("house", "new", input="1", output="1")
        assert waits(settings())["request"] == "a price for some of its requests is about to be applied"
        retain(settings())
        assert requests_there() == 1

    def test_a_request_that_ended_the_day_after_waits_for_that_day(self):
        at_night = DAY + timedelta(days=1, minutes=10)
        ingest(call(at_night, seconds=3600))
        rollup.fold()
        post(DAY + timedelta(days=1, minutes=5))
        assert waits(settings())["request"] == "the ledger has not come so far"
        post(DAY + timedelta(days=1, hours=2))
        assert waits(settings())["request"] == ""

    def test_what_becomes_due_while_it_is_written_keeps_it(self, tmp_path, monkeypatch, caplog):
        a_settled_day()
        finish = Place.finish

        def slowly(place, table, day, parts):
            with db.transaction() as session:
                session.add(HourDue(hour=SEVEN))
            return finish(place, table, day, parts)

        monkeypatch.setattr(Place, "finish", slowly)
        with caplog.at_level(logging.INFO, "trivet.archive"):
            retain(settings(tmp_path))
        assert "request 2026-11-20: 6 rows: kept, some of its hours are due for posting" in caplog.text
        assert requests_there() == 6
        assert (recorded().closed_at, recorded().failed_at) == (None, None)


class TestAfterTheDrop:
    def test_rollups_of_a_dropped_day_are_not_made_again(self, tmp_path):
        a_settled_day()
        before = costs_by_tenant()
        retain(settings(tmp_path))
        for interval in (MORNING, WHOLE_DAY, Interval(DAY - timedelta(days=3), DAY + timedelta(days=3))):
            with pytest.raises(RowsDropped, match="stay as they are"):
                rebuild(interval)
        assert costs_by_tenant() == before
        assert rebuild(Interval(EIGHT, EIGHT + timedelta(hours=3))) == 3, "none of its requests ran so long"

    def test_a_mapping_that_reaches_back_moves_no_cost_of_a_pool_to_idle(self, tmp_path):
        a_settled_day()
        retain(settings(tmp_path))
        before = self.pool_entries()
        with db.transaction() as session:
            session.add(HourDue(hour=SEVEN))
        assert post(LATER) is not None
        assert self.pool_entries() == before
        assert before

    def test_costs_still_follow_a_mapping_that_reaches_back_and_none_changes(self, tmp_path):
        a_settled_day()
        retain(settings(tmp_path))
        before = self.stands_on("crow")
        assert {(account, pooled) for account, pooled in before} == {
            ("unattributed", False), ("unattributed", True), ("variance", True)
        }  # fmt: skip
        books.tenants(crow="CC-11")
        with db.transaction() as session:
            session.add(HourDue(hour=SEVEN))
        post(LATER)
        after = {("unattributed" if account == "cost_centre" else account, pooled): amount
                 for (account, pooled), amount in self.stands_on("crow").items()}  # fmt: skip
        assert after == before
        assert ("unattributed", True) not in self.stands_on("crow")

    @staticmethod
    def stands_on(tenant):
        """{(account, of a pool): amount} of a tenant in the ledger."""
        query = (
            "SELECT account, pool_id <> 0, sum(amount) FROM entry JOIN tenant ON tenant.id = tenant_id "
            "WHERE name = :name GROUP BY 1, 2 HAVING sum(amount) <> 0"
        )
        with db.transaction() as session:
            return {
                (account, pooled): amount for account, pooled, amount in session.execute(text(query), {"name": tenant})
            }

    @staticmethod
    def pool_entries():
        with db.transaction() as session:
            lines = session.scalars(
                select(Entry)
                .join(Posting, Posting.id == Entry.posting_id)
                .where(Entry.pool_id != 0, Posting.hour == SEVEN)
                .order_by(Entry.posting_id, Entry.line)
            )
            return [(e.account, e.tenant_id, e.amount) for e in lines]

    def test_the_next_run_finds_nothing_to_do(self, tmp_path):
        a_settled_day()
        retain(settings(tmp_path))
        assert retain(settings(tmp_path)) == []

    def test_whoever_asks_is_told_whether_rows_are_gone(self, tmp_path):
        a_settled_day()
        retain(settings(tmp_path))
        with db.transaction() as session:
            assert facts.rows_gone(session, MORNING)
            assert not facts.rows_gone(session, Interval(EIGHT, EIGHT + timedelta(days=1)))
            assert not facts.rows_gone(session, Interval(DAY - timedelta(days=1), DAY))


def test_a_second_run_at_once_does_nothing(tmp_path):
    a_settled_day()
    with service._alone() as first:
        assert first
        assert retain(settings(tmp_path)) == []
    assert ("request", NOVEMBER_20) in retain(settings(tmp_path))
