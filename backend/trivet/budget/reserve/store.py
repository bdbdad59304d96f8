"""Reservations and windows in the database: locked in one order, read once, written once for a whole group.

The order is: the table of windows (as the refresh takes it, which wants it alone), windows by id, reservations by id.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from psycopg import Connection, Cursor
from sqlalchemy import Row, select, text
from sqlalchemy.orm import Session

from trivet.budget.models import Budget, BudgetWindow
from trivet.budget.reserve.decide import Room, in_window
from trivet.budget.reserve.models import STATES, Reservation, ReservationHold
from trivet.budget.reserve.standing import NONE, Amounts, Measure, Standing
from trivet.ingest.store.persist import copy_rows

TABLE = text("LOCK TABLE budget_window IN ROW EXCLUSIVE MODE")


@dataclass(slots=True)
class Share:
    """What a reservation holds of one window, in the window's measure; `rate` is the window's money for one of its own."""

    measure: Measure
    currency: str
    rate: Decimal
    held: Decimal


@dataclass(slots=True)
class Kept:
    """A reservation in hand: its row's values, where it stands, and its share of each window."""

    values: dict[str, Any]
    standing: Standing
    shares: dict[int, Share]
    new: bool = False
    changed: bool = False

    @property
    def id(self) -> UUID:
        found: UUID = self.values["id"]
        return found

    @property
    def currency(self) -> str:
        return str(self.values["currency"])


def lock_windows(session: Session, ids: Collection[int]) -> dict[int, Room]:
    """What is committed of each window, in the order of ids, locked until the transaction ends."""
    if not ids:
        return {}
    query = select(BudgetWindow.id, BudgetWindow.spent, BudgetWindow.held)
    locked = query.where(BudgetWindow.id.in_(sorted(set(ids)))).order_by(BudgetWindow.id).with_for_update()
    return {window: Room(spent, held) for window, spent, held in session.execute(locked)}


def read(session: Session, ids: Collection[UUID]) -> dict[UUID, Kept]:
    """Reservations with their shares as they are before anything is locked: which windows they concern never changes
    but under the lock of all of them.
    """
    return _kept(session, ids, lock=False)


def lock_reservations(session: Session, ids: Collection[UUID]) -> dict[UUID, Kept]:
    """Reservations with their shares, locked; what is not there is left out."""
    return _kept(session, ids, lock=True)


def _kept(session: Session, ids: Collection[UUID], *, lock: bool) -> dict[UUID, Kept]:
    if not ids:
        return {}
    query = select(*Reservation.__table__.c).where(Reservation.id.in_(ids)).order_by(Reservation.id)
    rows = session.execute(query.with_for_update() if lock else query).all()
    found = {row.id: Kept(row._asdict(), standing_of(row), {}) for row in rows}
    hold = ReservationHold
    shares = session.execute(
        select(hold.reservation_id, hold.window_id, hold.measure, hold.rate, hold.held, Budget.currency)
        .join(BudgetWindow, BudgetWindow.id == hold.window_id)
        .join(Budget, Budget.id == BudgetWindow.budget_id)
        .where(hold.reservation_id.in_(found))
    )
    for reservation, window, measure, rate, held, currency in shares:
        found[reservation].shares[window] = Share(measure, currency, rate, held)  # type: ignore[arg-type]  # one of the three
    return found


def standing_of(row: Row[Any]) -> Standing:
    return Standing(
        Amounts(row.each_amount, row.each_tokens, row.each_requests),
        row.calls,
        STATES[row.state],  # type: ignore[arg-type]  # one of the four
        row.posted_calls,
        Amounts(row.posted_amount, row.posted_tokens, row.posted_requests),
        Amounts(row.used_amount, row.used_tokens, row.used_requests),
        row.settled_at is not None,
    )


def stand(kept: Kept, standing: Standing, rooms: dict[int, Room], now: datetime) -> None:
    """From now on it stands so: each window gets or gives back the difference."""
    for window, share in kept.shares.items():
        held = in_window(standing.held, share.measure, share.rate)
        if window in rooms:  # a window that is gone holds nothing
            rooms[window].held += held - share.held
        share.held = held
    if standing.settled and not kept.standing.settled:
        kept.values["settled_at"] = now
    if standing.state != "pending" and kept.standing.state == "pending":
        kept.values["ended_at"] = now
    kept.standing, kept.changed = standing, True


def write(session: Session, kept: Iterable[Kept], rooms: dict[int, Room]) -> None:
    """Everything that changed, in a handful of statements."""
    changed = sorted((each for each in kept if each.changed), key=lambda each: each.id)
    connection: Connection[Any] = session.connection().connection.driver_connection  # type: ignore[assignment]  # psycopg's
    with connection.cursor(binary=True) as cursor:
        _insert(cursor, [each for each in changed if each.new])
        _update(cursor, [each for each in changed if not each.new])
        _write_windows(cursor, rooms)


_TYPES = {
    "id": "uuid", "created_at": "timestamptz", "expires_at": "timestamptz", "ended_at": "timestamptz",
    "settled_at": "timestamptz", "each_amount": "numeric", "posted_amount": "numeric", "used_amount": "numeric",
    "each_tokens": "int8", "posted_tokens": "int8", "used_tokens": "int8", "each_requests": "int8",
    "posted_requests": "int8", "used_requests": "int8", "calls": "int4", "posted_calls": "int4", "tenant_id": "int4",
    "scenario_id": "int4", "end_user_id": "int4", "teller_id": "int4", "key_id": "int4", "state": "int2",
    "currency": "text", "provider": "text", "model": "text", "pool": "text", "interaction": "text", "unbounded": "text",
    "actor": "text",
}  # fmt: skip
_CHANGING = (
    "id", "expires_at", "ended_at", "settled_at", "each_amount", "posted_amount", "used_amount", "each_tokens",
    "posted_tokens", "used_tokens", "each_requests", "posted_requests", "used_requests", "posted_calls", "state",
    "currency", "provider", "model", "pool", "unbounded",
)  # fmt: skip
_HOLDS = ("reservation_id", "window_id", "measure", "rate", "held")
_HOLD_TYPES = ["uuid", "int8", "text", "numeric", "numeric"]
_UPDATE = (
    f"UPDATE reservation r SET {', '.join(f'{name} = n.{name}' for name in _CHANGING[1:])} FROM unnest("  # noqa: S608  # our own names
    f"{', '.join(f'%s::{_TYPES[name]}[]' for name in _CHANGING)}) AS n ({', '.join(_CHANGING)}) WHERE r.id = n.id"
)
_UPDATE_HOLDS = """
    INSERT INTO reservation_hold (reservation_id, window_id, measure, rate, held)
    SELECT * FROM unnest(%s::uuid[], %s::int8[], %s::text[], %s::numeric[], %s::numeric[])
    ON CONFLICT (reservation_id, window_id) DO UPDATE SET held = excluded.held, rate = excluded.rate
"""
_UPDATE_WINDOWS = """
    UPDATE budget_window w SET held = n.held FROM unnest(%s::int8[], %s::numeric[]) AS n (id, held)
    WHERE w.id = n.id AND w.held <> n.held
"""


def row_of(kept: Kept) -> dict[str, Any]:
    """The columns of a reservation."""
    own = kept.standing
    amounts = {"each": own.each, "posted": own.posted, "used": own.used}
    of: dict[str, Any] = {f"{name}_amount": each.money for name, each in amounts.items()}
    of |= {f"{name}_tokens": each.tokens for name, each in amounts.items()}
    of |= {f"{name}_requests": each.requests for name, each in amounts.items()}
    counts = {"calls": own.calls, "posted_calls": own.posted_calls, "state": STATES.index(own.state)}
    return kept.values | of | counts


def _insert(cursor: Cursor[Any], new: list[Kept]) -> None:
    rows = [row_of(each) for each in new]
    copy_rows(cursor, "reservation", tuple(_TYPES), list(_TYPES.values()), [tuple(r[n] for n in _TYPES) for r in rows])
    copy_rows(cursor, "reservation_hold", _HOLDS, _HOLD_TYPES, _shares(new))


def _update(cursor: Cursor[Any], changed: list[Kept]) -> None:
    if not changed:
        return
    rows = [row_of(each) for each in changed]
    cursor.execute(_UPDATE, [[row[name] for row in rows] for name in _CHANGING])
    if shares := _shares(changed):
        cursor.execute(_UPDATE_HOLDS, [list(column) for column in zip(*shares, strict=True)])


def _shares(kept: Iterable[Kept]) -> list[tuple[UUID, int, str, Decimal, Decimal]]:
    return [
        (each.id, window, share.measure, share.rate, share.held)
        for each in kept
        for window, share in sorted(each.shares.items())
    ]


def _write_windows(cursor: Cursor[Any], rooms: dict[int, Room]) -> None:
    if rooms:
        cursor.execute(_UPDATE_WINDOWS, (list(rooms), [max(room.held, NONE) for room in rooms.values()]))
