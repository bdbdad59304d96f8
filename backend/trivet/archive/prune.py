"""Rollups older than their limit, removed in batches that hold few locks and never for long.

First the watermark moves, and readers refuse what lies before it; only then rows go. Rows that late usage adds before
the watermark go with the next run.
"""

import time
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trivet import db
from trivet.archive import facts
from trivet.archive.models import KeptSince
from trivet.archive.tables import GRAINS, PRUNED, Pruned
from trivet.kit.clock import floor
from trivet.settings import Settings

BATCH_ROWS = 5_000
BUDGET_S = 60.0
DAY_S = 86_400


def prune(now: datetime, settings: Settings, budget_s: float = BUDGET_S) -> int:
    """Move the watermarks and remove what lies before them, for a bounded time; how many rows went."""
    with db.transaction() as session:
        move(session, now, settings)
    with db.transaction() as session:
        kept = facts.since(session)
    ends_at = time.monotonic() + budget_s
    return sum(_remove(table, kept[table.grain_s], ends_at) for table in PRUNED if table.grain_s in kept)


def move(session: Session, now: datetime, settings: Settings) -> None:
    """Say from when on each grain is kept: the start of a UTC day. Never back: what went does not return."""
    for grain_s, setting in GRAINS.items():
        if keep := int(getattr(settings, setting)):
            since = floor(now - timedelta(days=keep), DAY_S)
            new = insert(KeptSince).values(grain_s=grain_s, since=since)
            later = KeptSince.since < new.excluded.since
            session.execute(new.on_conflict_do_update(index_elements=["grain_s"], set_={"since": since}, where=later))


def _remove(table: Pruned, since: datetime, ends_at: float) -> int:
    own = "grain_s = :grain_s AND " if table.by_column else ""
    batch = text(
        f"DELETE FROM {table.name} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {table.name} "  # noqa: S608  # names of `tables`
        f"WHERE {own}{table.at} < :since LIMIT :rows FOR UPDATE SKIP LOCKED))"
    )
    at: dict[str, object] = {"since": since, "rows": BATCH_ROWS} | ({"grain_s": table.grain_s} if own else {})
    total = 0
    while time.monotonic() < ends_at:
        with db.transaction() as session:
            gone = session.execute(batch, at).rowcount  # type: ignore[attr-defined]  # of a DELETE it has one
        total += gone
        if gone < BATCH_ROWS:
            break
    return total
