"""Crashes, late rows and stores that are away: nothing is dropped that is not written, and the next run makes it good."""

import logging
from datetime import date, timedelta

import psycopg
import pytest
from sqlalchemy import text
from tests.support.archived import (
    LATER,
    NOVEMBER_20,
    a_settled_day,
    read,
    recorded,
    requests_there,
    retain,
    settings,
    stands,
)
from tests.support.books import DAY, metered
from tests.support.calls import call, ingest

from trivet import db
from trivet.archive import days
from trivet.archive.place import Place
from trivet.archive.tables import BY_NAME
from trivet.ingest.store import partitions
from trivet.ingest.store.partitions import State
from trivet.ingest.store.persist import store

pytestmark = pytest.mark.usefixtures("database")


class TestACrash:
    """Whatever was cut off, the next run ends with one whole copy and no rows."""

    @pytest.mark.parametrize(
        ("where", "name"),
        [(Place, "finish"), (days, "close"), (partitions, "detach"), (days, "remove"), (partitions, "drop")],
    )
    def test_before_a_step_is_made_good_by_the_next_run(self, tmp_path, monkeypatch, where, name):
        a_settled_day()

        def die(*_):
            raise OSError("gone")

        with monkeypatch.context() as broken:
            broken.setattr(where, name, die)
            assert ("request", NOVEMBER_20) not in retain(settings(tmp_path))
        assert recorded().dropped_at is None
        assert recorded().failure == "OSError: gone"
        assert ("request", NOVEMBER_20) in retain(settings(tmp_path))
        self.assert_gone(tmp_path)

    def test_in_the_middle_of_a_detach_is_made_good_by_the_next_run(self, tmp_path, database):
        a_settled_day()
        url = database.replace("+psycopg", "")
        with psycopg.connect(url) as reader, psycopg.connect(url, autocommit=True) as other:
            reader.execute("SELECT count(*) FROM request")
            other.execute("SET lock_timeout = '50ms'")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                other.execute("ALTER TABLE request DETACH PARTITION request_20261120 CONCURRENTLY")
        assert stands() is State.DETACHING
        assert ("request", NOVEMBER_20) in retain(settings(tmp_path))
        self.assert_gone(tmp_path)

    def test_between_detach_and_drop_leaves_a_table_that_is_found_again(self, tmp_path):
        a_settled_day()
        with db.transaction() as session:
            days.record(session, BY_NAME["request"], NOVEMBER_20, closed_at=LATER)
        partitions.detach("request", NOVEMBER_20)
        assert stands() is State.DETACHED
        assert ("request", NOVEMBER_20) in retain(settings(tmp_path))
        self.assert_gone(tmp_path)

    def assert_gone(self, tmp_path):
        assert (stands(), requests_there()) == (State.NONE, 0)
        assert (recorded().rows, recorded().failure, recorded().failed_at) == (6, "", None)
        assert read(tmp_path) == [(6, int(recorded().picos))]
        assert list((tmp_path / "archive").rglob("_unfinished/**/*.parquet")) == []


class TestRowsThatComeInBetween:
    @pytest.mark.parametrize("step", ["close", "detach"])
    def test_after_the_day_was_written_are_noticed_and_written_too(self, tmp_path, monkeypatch, step):
        a_settled_day()
        owner = days if step == "close" else partitions
        real = getattr(owner, step)

        def late(*given):
            monkeypatch.setattr(owner, step, real)
            ingest(metered("acme", "07:45", input_tokens=1_000_000))
            with db.transaction() as session:  # folded and posted at once, so that nothing else keeps the day
                session.execute(text("TRUNCATE usage_delta"))
            return real(*given)

        monkeypatch.setattr(owner, step, late)
        assert ("request", NOVEMBER_20) in retain(settings(tmp_path))
        assert recorded().rows == 7
        assert read(tmp_path) == [(7, int(recorded().picos))]

    def test_for_a_closed_day_make_no_partition(self, tmp_path):
        a_settled_day()
        retain(settings(tmp_path))
        assert partitions.ensure("request", [NOVEMBER_20, date(2026, 11, 19)]) == {NOVEMBER_20}
        assert stands() is State.NONE
        with db.transaction() as session:
            assert partitions.state(session, "request", date(2026, 11, 19)) is State.ATTACHED

    def test_for_a_closed_day_are_refused_as_too_old_and_counted(self):
        a_settled_day()
        retain(settings())
        facts_ = [metered("acme", "07:45", input_tokens=1), call(DAY + timedelta(days=3))]
        stored = store(facts_, [], tenant_id=None, key_id=0, now=LATER)
        assert (stored.inserted, stored.refused) == (1, {"too_old": 1})
        with db.transaction() as session:
            assert session.execute(text("SELECT reason, items FROM denial")).all() == [("too_old", 1)]

    def test_are_refused_by_a_process_too_that_remembers_the_day(self):
        a_settled_day()
        remembered = set(partitions._made)
        retain(settings())
        partitions._made.update(remembered)  # the worker dropped it; this is an API process
        now = call(LATER)
        for _ in range(2):
            stored = store([call(DAY + timedelta(hours=1)), now], [], tenant_id=None, key_id=0, now=LATER)
            assert stored.refused == {"too_old": 1}
        assert (stored.inserted, stored.duplicates) == (0, 1)

    def test_find_a_day_made_again_where_somebody_lost_it(self):
        """A backup was brought back that is older than the day."""
        ingest(call(DAY + timedelta(hours=1)))
        with db.transaction() as session:
            session.execute(text(f"DROP TABLE {partitions.name_of('request', NOVEMBER_20)}"))
        assert ingest(call(DAY + timedelta(hours=2))).inserted == 1


class TestAStoreThatIsAway:
    def test_keeps_everything_says_so_and_is_tried_again(self, tmp_path, caplog, client, admin):
        a_settled_day()
        (tmp_path / "archive").write_text("a file where the folder should be")
        with caplog.at_level(logging.WARNING, "trivet.archive"):
            assert ("request", NOVEMBER_20) not in retain(settings(tmp_path))
        assert (requests_there(), stands()) == (6, State.ATTACHED)
        assert "request 2026-11-20: 6 rows: not dropped, tried again later" in caplog.text
        assert 'trivet_archive_failing_days{table="request"} 1.0' in client.get("/metrics").text
        [item] = [
            each
            for each in client.get("/api/v1/archive", headers=admin).json()["items"]
            if (each["table"], each["day"]) == ("request", "2026-11-20")
        ]
        assert (item["rows"], item["dropped_at"]) == (0, None)
        assert "archive" in item["failure"]
        (tmp_path / "archive").unlink()
        assert ("request", NOVEMBER_20) in retain(settings(tmp_path))
        metrics = client.get("/metrics").text
        assert 'trivet_archive_failing_days{table="request"} 0.0' in metrics
        assert 'trivet_archive_rows{table="request"} 6.0' in metrics

    def test_whose_package_is_not_here_is_named(self):
        a_settled_day()
        retain(settings(archive_url="s3://bucket/folder"))
        assert requests_there() == 6
        assert "s3fs" in recorded().failure

    def test_that_loses_what_it_was_given_keeps_the_day(self, tmp_path, monkeypatch):
        a_settled_day()
        monkeypatch.setattr(Place, "finish", lambda *_: [])
        retain(settings(tmp_path))
        assert requests_there() == 6
        assert "reads back as 0 rows, the database has 6" in recorded().failure
