"""What the refresh asks of reservations: release what telemetry has told by now, in the refresh's own transaction."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import delete, exists, select
from sqlalchemy.orm import Session

from trivet.budget.reserve import standing, store
from trivet.budget.reserve.standing import NONE, Amounts
from trivet.budget.reserve.store import Kept
from trivet.ingest.models import ReservationUse, SpendDelta
from trivet.pricing import exchange

USES_MAX = 20_000  # of one refresh; what is beyond waits for the next, and is held as well as spent until then


def release_settled(session: Session, now: datetime) -> int:
    """Take off `held` the holds whose usage is in `spent` once this transaction commits; says how many.

    Called by the refresh once it has taken what ingest counted, in its REPEATABLE READ transaction, which alone may write
    windows. Where it took only a part, usage that came in with what still waits stays held: rows of one transaction of
    ingest have one `received_at`.
    Usage that names a reservation of another tenant, or none that is there, is nobody's: it counts as spent, and no hold
    is any smaller for it.
    """
    use = ReservationUse
    waits = exists().where(SpendDelta.received_at == use.received_at)
    rows = session.scalars(select(use).where(~waits).order_by(use.id).limit(USES_MAX)).all()
    if not rows:
        return 0
    kept = store.lock_reservations(session, {row.reservation_id for row in rows})
    rates = exchange.rates(session)
    used: dict[UUID, Amounts] = {}
    for row in rows:
        own = kept.get(row.reservation_id)
        if own is not None and own.values["tenant_id"] == row.tenant_id:
            amount = _amount(rates, row, own, now)
            used[own.id] = used.get(own.id, Amounts()) + Amounts(amount, row.tokens, row.requests)
    rooms = store.lock_windows(session, {window for id_ in used for window in kept[id_].shares})
    for id_, measured in used.items():
        store.stand(kept[id_], standing.use(kept[id_].standing, measured), rooms, now)
    store.write(session, kept.values(), rooms)
    session.execute(delete(use).where(use.id.in_([row.id for row in rows])))
    session.expire_all()  # windows were written beside the session
    return len(used)


def _amount(rates: exchange.Exchange, row: ReservationUse, own: Kept, now: datetime) -> Decimal:
    """What was measured, in the reservation's money; nothing where no rate converts it: then the hold stays longer."""
    if not own.currency or row.currency in ("", own.currency):
        return row.amount
    try:
        return rates.convert(row.amount, row.currency, own.currency, now)
    except exchange.NoRate:
        return NONE
