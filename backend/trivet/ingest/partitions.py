"""Day partitions, made when a day is first needed and ahead of time by a task.

CREATE, then ATTACH: attaching takes a lock that lets writers of the other days go on. Two processes at once are
harmless: an advisory lock lets one pass, the other finds the partition.
"""

import threading
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from trivet import db
from trivet.kit.locks import Lock

PARTITIONED = ("request", "prompt_blocks", "gpu_sample", "signal_sample")
AHEAD_DAYS = 2

_made: set[tuple[str, date]] = set()
_lock = threading.Lock()
db.caches.append(_made.clear)


def day_of(microseconds: int) -> date:
    """UTC day of an instant in microseconds since 1970."""
    return date(1970, 1, 1) + timedelta(days=microseconds // 86_400_000_000)


def ensure(table: str, days: Iterable[date]) -> None:
    """Make the missing partitions of a table, in a transaction of their own."""
    with _lock:
        missing = sorted({day for day in days if (table, day) not in _made})
    if not missing:
        return
    with db.transaction() as session:
        session.execute(text("SELECT pg_advisory_xact_lock(:id)"), {"id": Lock.PARTITION})
        for day in missing:
            _make(session, table, day)
    with _lock:
        _made.update((table, day) for day in missing)


def ensure_ahead(today: date) -> None:
    """Today's partitions and those of the next days, of every table."""
    for table in PARTITIONED:
        ensure(table, [today + timedelta(days=ahead) for ahead in range(-1, AHEAD_DAYS + 1)])


def _make(session: Session, table: str, day: date) -> None:
    assert table in PARTITIONED
    name = f"{table}_{day:%Y%m%d}"
    if session.scalar(text("SELECT to_regclass(:name)"), {"name": name}) is not None:
        return
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    end = start + timedelta(days=1)
    # Names and bounds are made here, from a fixed list and dates: nothing of a sender's is in this statement.
    session.execute(text(f"CREATE TABLE {name} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)"))
    bounds = f"FROM ('{start.isoformat()}') TO ('{end.isoformat()}')"
    session.execute(text(f"ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES {bounds}"))
