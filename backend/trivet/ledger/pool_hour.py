"""Pools: what an hour of capacity cost, to those who used it and to nobody."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet.fleet.models import Pool
from trivet.ledger import book, reading
from trivet.ledger.book import Source
from trivet.ledger.hour import Known
from trivet.ledger.posting import CostCentres, PoolHour, busy_us, moved, pool_entries
from trivet.ledger.work import METHOD


def post(session: Session, known: Known) -> Iterable[int | None]:
    """Each pool's hour; where its requests are gone only the cost centres can still change."""
    if known.rows_gone:
        yield from _move(session, known.hour, known.centres)
        return
    wanted = select(Pool).where(Pool.id.in_(list(known.capacity)))
    names = {row.id: row.name for row in session.scalars(wanted)}
    for pool in reading.pool_hours(session, known.hour, known.capacity, known.costs):
        yield _post(session, pool, names[pool.pool_id], known.hour, known.centres)
    for name in book.sources_of(session, "pool", known.hour):
        if name not in names.values():  # a later term reached back: it has no capacity in the hour any more
            yield book.post(session, Source("pool", name, METHOD), known.hour, {}, "No capacity.")


def _post(session: Session, pool: PoolHour, name: str, hour: datetime, centres: CostCentres) -> int | None:
    gpus = " + ".join(f"{part.per_hour} {part.currency}/h" for part in pool.capacity)
    reason = (
        f"Capacity {gpus}; busy {busy_us(pool) / 1e6:.6f} s of {sum(p.length_us for p in pool.capacity) / 1e6:g} s."
    )
    return book.post(session, Source("pool", name, METHOD), hour, pool_entries(pool, centres), reason)


def _move(session: Session, hour: datetime, centres: CostCentres) -> Iterable[int | None]:
    """What pools were posted for an hour, on the cost centres of now."""
    for name in book.sources_of(session, "pool", hour):
        target = moved(reading.posted(session, "pool", name, hour)[0], centres)
        yield book.post(
            session, Source("pool", name, METHOD), hour, target, "Mapping changed; its requests are archived."
        )
