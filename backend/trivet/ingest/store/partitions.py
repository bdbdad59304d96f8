"""Day partitions, made when a day is first needed and ahead of time by a task.

CREATE, then ATTACH: attaching takes a lock that lets writers of the other days go on. Two processes at once are
harmless: an advisory lock lets one pass, the other finds the partition. A day goes by DETACH CONCURRENTLY, then DROP, so
writers of the other days go on there too; a crash in between leaves a state that `state` names. A day that retention
closed is never made again.
"""

import threading
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum

from sqlalchemy import text
from sqlalchemy.orm import Session

from trivet import db
from trivet.kit.locks import Lock

PARTITIONED = ("request", "cache_lookup", "prompt_blocks", "gpu_sample", "signal_sample")
AHEAD_DAYS = 2

_made: set[tuple[str, date]] = set()
_lock = threading.Lock()


def forget() -> None:
    """Look again which days there are."""
    with _lock:
        _made.clear()


db.caches.append(forget)


# The table of what retention did is the archive's, which comes later: named by string.
_CLOSED = text("""
    SELECT day FROM archive
    WHERE table_name = :name AND day = ANY(CAST(:days AS date[])) AND closed_at IS NOT NULL
""")


class State(StrEnum):
    """Where a day's partition stands on its way out."""

    ATTACHED = "attached"
    DETACHING = "detaching"  # DETACH CONCURRENTLY was cut off in the middle: readers do not see it, FINALIZE ends it
    DETACHED = "detached"  # a table of its own, which nobody writes to
    NONE = "none"


def day_of(microseconds: int) -> date:
    """UTC day of an instant in microseconds since 1970."""
    return date(1970, 1, 1) + timedelta(days=microseconds // 86_400_000_000)


def ensure(table: str, days: Iterable[date]) -> frozenset[date]:
    """Make the missing partitions of a table, in a transaction of their own; the days that retention closed.

    Rows of those have nowhere to go: refuse them as too old.
    """
    with _lock:
        missing = sorted({day for day in days if (table, day) not in _made})
    if not missing:
        return frozenset()
    with db.transaction() as session:
        session.execute(text("SELECT pg_advisory_xact_lock(:id)"), {"id": Lock.PARTITION})
        gone = frozenset(session.scalars(_CLOSED, {"name": table, "days": missing}))
        for day in missing:
            if day not in gone:
                _make(session, table, day)
    with _lock:
        _made.update((table, day) for day in missing if day not in gone)
    return gone


def ensure_ahead(today: date) -> None:
    """Today's partitions and those of the next days, of every table."""
    for table in PARTITIONED:
        ensure(table, [today + timedelta(days=ahead) for ahead in range(-1, AHEAD_DAYS + 1)])


def _make(session: Session, table: str, day: date) -> None:
    assert table in PARTITIONED
    name = name_of(table, day)
    if session.scalar(text("SELECT to_regclass(:name)"), {"name": name}) is not None:
        return
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    end = start + timedelta(days=1)
    # Names and bounds are made here, from a fixed list and dates: nothing of a sender's is in this statement.
    session.execute(text(f"CREATE TABLE {name} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)"))
    bounds = f"FROM ('{start.isoformat()}') TO ('{end.isoformat()}')"
    session.execute(text(f"ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES {bounds}"))


def name_of(table: str, day: date) -> str:
    """Name of a day's partition; never of anything else."""
    assert table in PARTITIONED
    return f"{table}_{day:%Y%m%d}"


def days(session: Session, table: str) -> list[date]:
    """The days that a table has partitions of, oldest first."""
    found = session.scalars(_DAYS, {"name": table})
    return sorted(datetime.strptime(name.rpartition("_")[2], "%Y%m%d").date() for name in found)


_DAYS = text("""
    SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = to_regclass(:name)
""")
_STATE = text("""
    SELECT i.inhdetachpending FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
    WHERE c.oid = to_regclass(:name)
""")


def state(session: Session, table: str, day: date) -> State:
    """Where the partition of a day stands."""
    found = session.execute(_STATE, {"name": name_of(table, day)}).first()
    if found is None:
        return State.NONE
    return {None: State.DETACHED, True: State.DETACHING, False: State.ATTACHED}[found[0]]


def detach(table: str, day: date) -> None:
    """Make a day's partition a table of its own, whatever state an earlier try left. Blocks no reader or writer.

    It waits for transactions that use the table now, at most the lock timeout; then it raises, and can be tried again.
    """
    with db.engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        with Session(connection) as session:
            stands = state(session, table, day)
        how = {State.ATTACHED: "CONCURRENTLY", State.DETACHING: "FINALIZE"}.get(stands)
        if how:
            connection.execute(text(f"ALTER TABLE {table} DETACH PARTITION {name_of(table, day)} {how}"))
    with _lock:
        _made.discard((table, day))


def drop(table: str, day: date) -> None:
    """Drop the table that `detach` left; nothing where it is gone. A partition that is still attached is refused."""
    with db.transaction() as session:
        stands = state(session, table, day)
        if stands is State.NONE:
            return
        if stands is not State.DETACHED:
            raise RuntimeError(f"{name_of(table, day)} is {stands}: detach it first")
        session.execute(text(f"DROP TABLE {name_of(table, day)}"))
