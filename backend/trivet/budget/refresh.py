"""Bring windows up to what telemetry told: one snapshot, in which nothing is counted twice and nothing is missing.

The table of windows is locked before the transaction's snapshot is taken, so nobody else writes windows meanwhile; of two
refreshers one does the work and the other leaves. In that snapshot holds whose usage is there are released and what ingest counted is
added; the lines that this crosses are written with it, so each is told once whatever fails in between.
"""

from dataclasses import dataclass
from datetime import datetime

from psycopg.errors import LockNotAvailable
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from trivet import db
from trivet.budget import counters, crossing, kept, settle
from trivet.budget.book import book
from trivet.budget.seen import Seen
from trivet.budget.work import Work

DELTAS_MIN, DELTAS_FIRST, DELTAS_MAX = 100, 250, 2_000  # of one round: while it runs, reservations wait
LONG_S = 0.25  # a round that took longer is followed by a smaller one
ONE = text("LOCK TABLE spend_counter IN EXCLUSIVE MODE NOWAIT")
ALONE = text("LOCK TABLE budget_window IN EXCLUSIVE MODE")


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What one round did: holds released, deltas folded, lines crossed. `more`: others may wait."""

    released: int
    folded: int
    crossed: int
    more: bool


_seen: list[Seen] = []
db.caches.append(_seen.clear)


def size_after(size: int, took_s: float) -> int:
    """How many deltas the next round takes: with many budgets each of them touches many windows."""
    return max(size // 2, DELTAS_MIN) if took_s > LONG_S else min(size * 2, DELTAS_MAX)


def refresh(now: datetime, size: int | None = None) -> Refreshed:
    """One round of at most `size` deltas, in a transaction of its own; nothing is done where another is at it."""
    before = _seen[0] if _seen else Seen()
    with db.transaction() as session:
        session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        if not _first(session):
            session.rollback()
            return Refreshed(0, 0, 0, False)
        session.execute(ALONE)  # locks of tables take no snapshot, the next statement does
        done, seen = _round(session, before, now, size or DELTAS_MAX)
    _seen[:] = [seen]  # only what has been committed was applied
    return done


def _first(session: Session) -> bool:
    """Whether nobody else refreshes. Not to wait keeps workers free for guards and commands."""
    try:
        session.execute(ONE)
    except OperationalError as busy:
        if isinstance(busy.orig, LockNotAvailable):
            return False
        raise
    return True


def _round(session: Session, seen: Seen, now: datetime, size: int) -> tuple[Refreshed, Seen]:
    budgets = book(session)
    work = Work(session, budgets, now)
    held = work.held_interactions()
    deltas = counters.take(session, size)
    released = settle.release_settled(session, now)  # of what was taken: what waits for the next round is still held
    counters.fold(session, deltas)
    work.count(deltas)
    work.begin(seen)
    work.recount_moved()
    work.recount_interactions(held)
    work.take_new()
    work.convert(seen)
    kept.write(session, work.windows.values(), now)
    crossed = crossing.judge(session, budgets, work.judged(), now)
    applied = Seen({each.id: each.terms.id for each in work.standings.values()}, work.exchange)
    return Refreshed(released, len(deltas), crossed, len(deltas) == size), applied
