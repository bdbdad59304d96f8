"""Partitions of days: made ahead by many at once, taken away while others write, never made again once closed."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import text
from tests.support.calls import call, ingest

from trivet import db
from trivet.ingest.store import partitions
from trivet.ingest.store.partitions import PARTITIONED, State

pytestmark = pytest.mark.usefixtures("database")

FAR = date(2031, 3, 1)  # a month that no other test writes to
WRITERS = 3


def noon(day):
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


def state(day, table="request"):
    with db.transaction() as session:
        return partitions.state(session, table, day)


@pytest.fixture(autouse=True)
def swept():
    """The month is empty again afterwards."""
    yield
    for table in PARTITIONED:
        with db.transaction() as session:
            found = [day for day in partitions.days(session, table) if (day.year, day.month) == (2031, 3)]
        for day in found:
            partitions.detach(table, day)
            partitions.drop(table, day)


class TestMaking:
    def test_ahead_makes_yesterday_to_the_day_after_tomorrow_of_every_table(self):
        partitions.ensure_ahead(FAR + timedelta(days=5))
        wanted = [FAR + timedelta(days=ahead) for ahead in (4, 5, 6, 7)]
        for table in PARTITIONED:
            assert [state(day, table) for day in wanted] == [State.ATTACHED] * 4

    def test_by_many_at_once_makes_each_once(self):
        wanted = [FAR + timedelta(days=n) for n in range(3)]
        start = threading.Barrier(4)

        def make(_):
            db.forget_rows()
            start.wait()
            return partitions.ensure("request", wanted)

        with ThreadPoolExecutor(4) as makers:
            assert list(makers.map(make, range(4))) == [frozenset()] * 4
        assert [state(day) for day in wanted] == [State.ATTACHED] * 3

    def test_asks_the_database_once_a_day_and_process(self):
        partitions.ensure("request", [FAR])
        with db.transaction() as session:
            session.execute(text("SELECT pg_advisory_xact_lock(:id)"), {"id": partitions.Lock.PARTITION})
            assert partitions.ensure("request", [FAR]) == frozenset(), "it waits for nobody"


class TestTakingAway:
    def test_a_day_goes_while_others_write_and_none_of_them_waits_or_fails(self):
        day = FAR
        ingest(*(call(noon(day)) for _ in range(10)))
        stop = threading.Event()
        wrote = [0] * WRITERS

        def write(number):
            while not stop.is_set():
                ingest(*(call(noon(day + timedelta(days=1 + number))) for _ in range(5)))
                wrote[number] += 5

        with ThreadPoolExecutor(WRITERS) as writers:
            writing = [writers.submit(write, number) for number in range(WRITERS)]
            try:
                while min(wrote) < 10 and not any(each.done() for each in writing):
                    pass
                partitions.detach("request", day)
                before = list(wrote)
                while any(now == then for now, then in zip(wrote, before, strict=True)):
                    assert not any(each.done() for each in writing)
            finally:
                stop.set()
            for each in writing:
                each.result()
        assert state(day) is State.DETACHED
        partitions.drop("request", day)
        assert state(day) is State.NONE
        with db.transaction() as session:
            assert session.scalar(text("SELECT count(*) FROM request")) == sum(wrote)

    def test_what_is_attached_is_not_dropped(self):
        ingest(call(noon(FAR)))
        with pytest.raises(RuntimeError, match="detach it first"):
            partitions.drop("request", FAR)
        with db.transaction() as session:
            assert session.scalar(text("SELECT count(*) FROM request")) == 1

    def test_done_twice_changes_nothing(self):
        partitions.ensure("request", [FAR])
        for _ in range(2):
            partitions.detach("request", FAR)
            assert state(FAR) is State.DETACHED
        for _ in range(2):
            partitions.drop("request", FAR)
            assert state(FAR) is State.NONE

    def test_a_day_that_goes_for_good_is_made_again_only_where_nobody_closed_it(self):
        partitions.ensure("request", [FAR])
        partitions.detach("request", FAR)
        partitions.drop("request", FAR)
        assert partitions.ensure("request", [FAR]) == frozenset()
        assert state(FAR) is State.ATTACHED
        partitions.detach("request", FAR)
        partitions.drop("request", FAR)
        with db.transaction() as session:
            session.execute(
                text(
                    "INSERT INTO archive (table_name, day, url, files, rows, bytes, picos, failure, closed_at) "
                    "VALUES ('request', :day, '', 0, 0, 0, 0, '', now())"
                ),
                {"day": FAR},
            )
        assert partitions.ensure("request", [FAR]) == {FAR}
        assert state(FAR) is State.NONE
