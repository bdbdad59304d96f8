"""How reservations end that nobody ended: they expire, their grace ends, they are forgotten. In bounded batches."""

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, delete, func, select
from sqlalchemy.orm import Session

from trivet.budget.reserve import standing, store
from trivet.budget.reserve.models import STATES, Reservation
from trivet.budget.reserve.standing import Standing

BATCH = 1_000
PENDING = STATES.index("pending")


def expire(session: Session, now: datetime) -> int:
    """Pending ones whose time is over: they count until their usage arrives or the grace ends. How many."""
    due = and_(Reservation.state == PENDING, Reservation.expires_at <= now)
    return _all(session, due, standing.expire, now)


def give_up(session: Session, now: datetime, grace_s: int) -> int:
    """Those that ended so long ago, and whose usage was not told: they hold nothing more. How many."""
    over = func.coalesce(Reservation.ended_at, Reservation.expires_at) <= now - timedelta(seconds=grace_s)
    due = and_(Reservation.settled_at.is_(None), Reservation.state != PENDING, over)
    return _all(session, due, standing.give_up, now)


def forget(session: Session, now: datetime, kept_hours: int) -> int:
    """Those that have held nothing for so long; how many."""
    old = select(Reservation.id).where(Reservation.settled_at < now - timedelta(hours=kept_hours)).limit(BATCH)
    gone = delete(Reservation).where(Reservation.id.in_(old.with_for_update(skip_locked=True).scalar_subquery()))
    return len(session.scalars(gone.returning(Reservation.id)).all())


def _all(session: Session, due: ColumnElement[bool], change: Callable[[Standing], Standing], now: datetime) -> int:
    """Change a batch of what is due; in the order of locks, so what was changed meanwhile is looked at again."""
    session.execute(store.TABLE)
    ids = set(session.scalars(select(Reservation.id).where(due).order_by(Reservation.expires_at).limit(BATCH)))
    if not ids:
        return 0
    before = store.read(session, ids)
    rooms = store.lock_windows(session, {window for each in before.values() for window in each.shares})
    kept = store.lock_reservations(session, ids)
    still = set(session.scalars(select(Reservation.id).where(Reservation.id.in_(ids), due)))
    for each in kept.values():
        if each.id in still and set(each.shares) <= set(rooms):
            store.stand(each, change(each.standing), rooms, now)
    store.write(session, kept.values(), rooms)
    return len(still)
