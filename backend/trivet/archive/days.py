"""What stands in the database of one day of one table: its rows, whether they are settled, and the way out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trivet import db
from trivet.archive.models import ArchivedDay
from trivet.archive.tables import DayTable
from trivet.ingest.store import partitions
from trivet.ingest.store.partitions import State
from trivet.kit.errors import Conflict
from trivet.kit.locks import Lock

COUNT_LIMIT = "20min"  # reading a day may take longer than a page may
DELETE_ROWS = 10_000  # of one transaction, where a day is no partition


@dataclass(frozen=True, slots=True)
class Contents:
    """What a day's rows add up to."""

    rows: int
    picos: Decimal
    until: datetime | None  # None without rows


def due(session: Session, table: DayTable, before: date) -> list[date]:
    """Days older than `before` that are still there in any state, oldest first."""
    left = select(ArchivedDay.day).where(
        ArchivedDay.table_name == table.name, ArchivedDay.closed_at.is_not(None), ArchivedDay.dropped_at.is_(None)
    )
    found = set(session.scalars(left))
    if table.partitioned:
        found |= {day for day in partitions.days(session, table.name) if day < before}
    else:
        days = f"SELECT DISTINCT ({table.at} AT TIME ZONE 'UTC')::date FROM {table.name} WHERE {table.at} < :before"  # noqa: S608  # names of `tables`
        found |= set(session.scalars(text(days), {"before": midnight(before)}))
    return sorted(found)


def midnight(day: date) -> datetime:
    """When a day begins, UTC."""
    return datetime.combine(day, time(), UTC)


def relation(table: DayTable, day: date) -> str:
    """SQL that stands for a day's rows after FROM, attached or not: of our own names and a date."""
    if table.partitioned:
        return partitions.name_of(table.name, day)
    start, end = midnight(day), midnight(day + timedelta(days=1))
    at = f"{table.at} >= '{start.isoformat()}' AND {table.at} < '{end.isoformat()}'"
    return f"(SELECT * FROM {table.name} WHERE {at})"  # noqa: S608  # a name and column of `tables`, two dates


def there(session: Session, table: DayTable, day: date) -> bool:
    """Whether the day's rows can be read: always where a day is no partition."""
    return not table.partitioned or partitions.state(session, table.name, day) is not State.NONE


def contents(session: Session, table: DayTable, day: date) -> Contents:
    """Count a day, exactly. Nothing where its partition is gone."""
    if not there(session, table, day):
        return Contents(0, Decimal(0), None)
    cost = f"coalesce(sum({table.cost}), 0)" if table.cost else "0::numeric"
    session.execute(text(f"SET LOCAL statement_timeout = '{COUNT_LIMIT}'"))
    query = f"SELECT count(*), {cost}, max({table.until}) FROM {relation(table, day)} AS r"  # noqa: S608  # as above
    return Contents(*session.execute(text(query)).one())


def unsettled(session: Session, table: DayTable, day: date, until: datetime | None) -> str:
    """Why the day's rows are still needed; empty where they are not."""
    if until is None:
        return ""
    at = {"start": midnight(day), "end": midnight(day + timedelta(days=1)), "until": until}
    for reason, query in table.unsettled.items():
        if session.execute(text(query), {name: at[name] for name in at if f":{name}" in query}).first():
            return reason
    return ""


def close(table: DayTable, day: date, found: Contents, now: datetime) -> None:
    """From here on the day takes no rows, and nothing is made again out of it.

    Whoever makes partitions, folds, rebuilds or posts holds one of these locks from its look at this row to its end: it
    is over before the day closes, or it sees that the day is closed. `Conflict` where something became due meanwhile.
    """
    with db.transaction() as session:
        for lock in (Lock.POST, Lock.FOLD, Lock.PARTITION):  # ingest needs the last: it is held least
            session.execute(text("SELECT pg_advisory_xact_lock(:id)"), {"id": lock})
        known = row(session, table, day)
        if known is not None and known.closed_at is not None:
            return
        if reason := unsettled(session, table, day, found.until):
            raise Conflict(reason)
        record(session, table, day, closed_at=now, until=found.until, **_counted(found))


def remove(table: DayTable, day: date) -> None:
    """Remove the rows of a closed day, from whatever state an earlier try left."""
    if table.partitioned:
        partitions.drop(table.name, day)
        return
    at = {"start": midnight(day), "end": midnight(day + timedelta(days=1)), "rows": DELETE_ROWS}
    batch = (
        f"DELETE FROM {table.name} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {table.name} "  # noqa: S608  # names of `tables`
        f"WHERE {table.at} >= :start AND {table.at} < :end LIMIT :rows))"
    )
    while True:
        with db.transaction() as session:
            if session.execute(text(batch), at).rowcount < DELETE_ROWS:  # type: ignore[attr-defined]  # of a DELETE it has one
                return


def row(session: Session, table: DayTable, day: date) -> ArchivedDay | None:
    """What is recorded of a day."""
    return session.get(ArchivedDay, (table.name, day))


def record(session: Session, table: DayTable, day: date, **changes: object) -> None:
    """Record something of a day."""
    nothing = {"url": "", "files": 0, "rows": 0, "bytes": 0, "picos": 0, "failure": ""}
    new = insert(ArchivedDay).values(nothing | {"table_name": table.name, "day": day} | changes)
    session.execute(new.on_conflict_do_update(index_elements=["table_name", "day"], set_=changes))


def recorded(session: Session, limit: int, before: date | None = None) -> Sequence[ArchivedDay]:
    """The newest days that anything is recorded of."""
    wanted = select(ArchivedDay).order_by(ArchivedDay.day.desc(), ArchivedDay.table_name).limit(limit)
    return session.scalars(wanted if before is None else wanted.where(ArchivedDay.day < before)).all()


def _counted(found: Contents) -> dict[str, object]:
    return {"rows": found.rows, "picos": found.picos}
