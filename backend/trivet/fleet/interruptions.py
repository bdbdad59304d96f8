"""When a pool lost GPUs that it had: entered by people or by whatever watches the provider's notices."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trivet import outbox
from trivet.fleet.models import Pool, PoolInterruption
from trivet.identity import audit
from trivet.kit.clock import rfc3339, when
from trivet.kit.errors import Conflict, Invalid, NotFound
from trivet.kit.interval import Interval

PAST_LIMIT = timedelta(days=366)  # one further back would post more hours than anyone means


def record(
    session: Session,
    *,
    name: str,
    interrupted_at: datetime,
    restored_at: datetime | None,
    gpus: int | None,
    cause: str,
    actor: str,
    now: datetime,
) -> PoolInterruption:
    """One interruption; the same instant again, with `restored_at`, says when it ended, once.

    The ledger looks at the pool's hours since again (`ledger.pool_changed`).
    """
    if restored_at is not None and restored_at <= interrupted_at:
        raise Invalid("`restored_at` must be later than `interrupted_at`.", field="restored_at")
    if interrupted_at > now:
        raise Invalid("An interruption is told when it has happened.", field="interrupted_at")
    if interrupted_at < now - PAST_LIMIT:
        raise Invalid(f"An interruption is at most {PAST_LIMIT.days} days old.", field="interrupted_at")
    values = {
        "pool_id": _pool(session, name).id, "interrupted_at": interrupted_at, "restored_at": restored_at, "gpus": gpus,
        "cause": cause, "actor": actor,
    }  # fmt: skip
    made: PoolInterruption | None = session.scalar(
        insert(PoolInterruption).values(values).on_conflict_do_nothing().returning(PoolInterruption)
    )
    before = None
    if made is None:
        made, before = _restored(session, values, name)
    outbox.send(session, "ledger.pool_changed", made.pool_id, rfc3339(interrupted_at))
    audit.record(
        session, actor=actor, action="pool.interruption", subject=f"pool:{name}", before=before, after=body(made, name)
    )
    return made


def _restored(session: Session, values: dict[str, Any], name: str) -> tuple[PoolInterruption, dict[str, Any]]:
    """The one recorded at that instant, ended now, and what was said of it before; `Conflict` where it had ended."""
    at, end = values["interrupted_at"], values["restored_at"]
    of_then = select(PoolInterruption).where(
        PoolInterruption.pool_id == values["pool_id"], PoolInterruption.interrupted_at == at
    )
    row = session.scalars(of_then.with_for_update()).one()
    if row.restored_at is not None or end is None:
        more = "" if row.restored_at else " Say it again with `restored_at` when its GPUs are back."
        raise Conflict(f"An interruption of {name} at {rfc3339(at)} is recorded already.{more}", field="interrupted_at")
    before = body(row, name)
    row.restored_at = end
    session.flush()
    return row, before


def newest(session: Session, *, name: str, before: int | None, limit: int) -> Sequence[PoolInterruption]:
    """Of a pool, as they were entered, newest first, before an id."""
    query = select(PoolInterruption).where(PoolInterruption.pool_id == _pool(session, name).id)
    if before is not None:
        query = query.where(PoolInterruption.id < before)
    return session.scalars(query.order_by(PoolInterruption.id.desc()).limit(limit)).all()


def within(session: Session, interval: Interval) -> dict[int, list[PoolInterruption]]:
    """Those that were at some time of an interval, by pool id, oldest first; one never restored lasts no longer than itself."""
    ended = PoolInterruption.restored_at
    query = select(PoolInterruption).where(
        PoolInterruption.interrupted_at < interval.end,
        (PoolInterruption.interrupted_at >= interval.start) | (ended > interval.start),
    )
    found: dict[int, list[PoolInterruption]] = {}
    for row in session.scalars(query.order_by(PoolInterruption.pool_id, PoolInterruption.interrupted_at)):
        found.setdefault(row.pool_id, []).append(row)
    return found


def body(row: PoolInterruption, name: str) -> dict[str, Any]:
    """One as JSON says it."""
    return {
        "id": row.id,
        "pool": name,
        "interrupted_at": rfc3339(row.interrupted_at),
        "restored_at": when(row.restored_at),
        "gpus": row.gpus,
        "cause": row.cause,
        "actor": row.actor,
    }


def _pool(session: Session, name: str) -> Pool:
    found = session.scalar(select(Pool).where(Pool.name == name))
    if found is None:
        raise NotFound(f"There is no pool {name!r}.", field="name")
    return found
