"""Retention: a day that is old enough and settled is written where a location is set, read back, closed and dropped.

The order makes a crash harmless at any point: write (again, where the day changed since), close, detach, count what can
no longer change against what was written, drop. Each step looks at where the last try came to.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from trivet import db
from trivet.archive import days
from trivet.archive.days import Contents
from trivet.archive.models import ArchivedDay
from trivet.archive.tables import DAY_TABLES, DayTable
from trivet.ingest.store import partitions
from trivet.kit.errors import Broken, Conflict
from trivet.kit.locks import Lock
from trivet.settings import Settings

log = logging.getLogger(__name__)

DAYS_MAX = 32  # days of tables in one run; the next run goes on
BUDGET_S = 180.0  # after which a run begins no further day
TRIES = 3  # of a day that changes while it is written, or of a detach that waits too long
COPY_LIMIT = "55min"


@dataclass(frozen=True, slots=True)
class Step:
    """What is to be done with one day of one table. `waits` says why nothing is done; empty where it may go."""

    table: DayTable
    day: date
    rows: int
    waits: str

    def __str__(self) -> str:
        return f"{self.table.name} {self.day}: {self.rows} rows"


def plan(session: Session, now: datetime, settings: Settings, limit: int = DAYS_MAX) -> list[Step]:
    """The days that are older than their retention, oldest first: what may go, and what must wait and why."""
    return [_step(session, table, day) for table, day in _old(session, now, settings)[:limit]]


def _old(session: Session, now: datetime, settings: Settings) -> list[tuple[DayTable, date]]:
    wanted = [
        (table, day)
        for table in DAY_TABLES
        if (keep := table.keep_days(settings))
        for day in days.due(session, table, now.date() - timedelta(days=keep))
    ]
    return sorted(wanted, key=lambda each: (each[1], DAY_TABLES.index(each[0])))


def _step(session: Session, table: DayTable, day: date) -> Step:
    known = days.row(session, table, day)
    found = days.contents(session, table, day)
    if known is None or known.closed_at is None:
        return Step(table, day, found.rows, days.unsettled(session, table, day, found.until))
    return Step(table, day, found.rows, "it was dropped before these came" if known.dropped_at else "")


def retain(now: datetime, settings: Settings, budget_s: float = BUDGET_S) -> list[Step]:
    """Let go what may go; the steps taken. One run at a time: a second one does nothing.

    What cannot be written is not dropped: the failure is recorded, logged and tried again by the next run.
    """
    done: list[Step] = []
    began = time.monotonic()
    with _alone() as alone:
        if not alone:
            return done
        with db.transaction() as session:
            old = _old(session, now, settings)
        for table, day in old:
            if len(done) >= DAYS_MAX or time.monotonic() - began > budget_s:
                log.info("retention: %d days gone, %d left for the next run", len(done), len(old) - len(done))
                break
            with db.transaction() as session:
                step = _step(session, table, day)
            if step.waits:
                log.info("%s: kept, %s", step, step.waits)
            elif _try(step, now, settings):
                done.append(step)
    return done


def _try(step: Step, now: datetime, settings: Settings) -> bool:
    try:
        let_go(step.table, step.day, now, settings.archive_url)
    except Conflict as became_due:
        log.info("%s: kept, %s", step, became_due.detail)
        return False
    except Exception as error:  # stores raise whatever their client raises; none may end the run or drop the day
        log.warning("%s: not dropped, tried again later: %s", step, error)
        with db.transaction() as session:
            failure = f"{type(error).__name__}: {error}"[:500]
            days.record(session, step.table, step.day, failed_at=now, failure=failure)
        return False
    log.info("%s: dropped%s", step, ", written before" if settings.archive_url else "")
    return True


def let_go(table: DayTable, day: date, now: datetime, archive_url: str) -> None:
    """Write, close, detach, compare, drop. Raises where a step fails; the day is then where that step found it."""
    with db.transaction() as session:
        there = days.there(session, table, day)
    if there:
        found = _write_until_same(table, day, now, archive_url) if archive_url else _count(table, day)
        days.close(table, day, found, now)
        if table.partitioned:
            _detach(table, day)
        if archive_url:  # nobody can change the day any more: what came in since it was written is found now
            _write_until_same(table, day, now, archive_url)
        days.remove(table, day)
    with db.transaction() as session:
        days.record(session, table, day, dropped_at=now, failed_at=None, failure="")


def _count(table: DayTable, day: date) -> Contents:
    with db.transaction() as session:
        return days.contents(session, table, day)


def _detach(table: DayTable, day: date) -> None:
    for left in reversed(range(TRIES)):
        try:
            partitions.detach(table.name, day)
        except Exception:
            if not left:
                raise
        else:
            return


def _write_until_same(table: DayTable, day: date, now: datetime, archive_url: str) -> Contents:
    """Write the day unless what stands there is what was written; what it holds."""
    for _ in range(TRIES):
        with db.transaction() as session:
            found = days.contents(session, table, day)
            known = days.row(session, table, day)
            if known is not None and _is_written(known, found):
                return found
        _write(table, day, now, archive_url)
    raise Broken(f"{table.name} {day} changes while it is written")


def _is_written(known: ArchivedDay, found: Contents) -> bool:
    return known.written_at is not None and (known.rows, known.picos) == (found.rows, found.picos)


def _write(table: DayTable, day: date, now: datetime, archive_url: str) -> None:
    """Write a day and read it back; recorded only where both agree with the database, in one snapshot."""
    from trivet.archive import parquet  # Arrow is large: only a process that writes needs it
    from trivet.archive.columns import columns_of
    from trivet.archive.place import Place

    place = Place(archive_url)
    with db.transaction() as session:  # what stands there is about to be replaced
        days.record(session, table, day, written_at=None)
    with Session(db.engine().execution_options(isolation_level="REPEATABLE READ")) as session, session.begin():
        session.execute(text(f"SET LOCAL statement_timeout = '{COPY_LIMIT}'"))
        session.execute(text(f"SET LOCAL idle_in_transaction_session_timeout = '{COPY_LIMIT}'"))
        found = days.contents(session, table, day)
        parts: list[str] = []
        if found.rows:
            columns, joins = columns_of(session, table.name)
            chosen = ", ".join(column.sql for column in columns)
            query = f"SELECT {chosen} FROM {days.relation(table, day)} r {' '.join(joins)}"  # noqa: S608  # names of the schema
            connection = session.connection().connection.driver_connection
            with connection.cursor() as cursor:  # type: ignore[union-attr]  # psycopg's, open in a transaction
                comment = f"{table.name} {day}; cost_picos are 10^-12 of the unit of currency"
                parts = parquet.write(
                    cursor, query, columns, place=place, paths=place.unfinished(table.name, day), comment=comment
                )
    finished = place.finish(table.name, day, parts) if parts else []
    read = parquet.read_back(place, finished, table.cost)
    if (read.rows, read.picos) != (found.rows, found.picos):
        raise Broken(f"{place.url(table.name, day)} reads back as {read.rows} rows, the database has {found.rows}")
    with db.transaction() as session:
        days.record(
            session, table, day, url=place.url(table.name, day), files=read.files, rows=read.rows, bytes=read.bytes,
            picos=read.picos, until=found.until, written_at=now,
        )  # fmt: skip


@contextmanager
def _alone() -> Iterator[bool]:
    """Whether no other process is at it; a lock of the connection, so a killed process leaves none."""
    with db.engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        got = connection.scalar(text("SELECT pg_try_advisory_lock(:id)"), {"id": Lock.RETAIN})
        try:
            yield bool(got)
        finally:
            if got:
                connection.execute(text("SELECT pg_advisory_unlock(:id)"), {"id": Lock.RETAIN})
