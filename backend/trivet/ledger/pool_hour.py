"""Pools: what an hour of capacity cost, to those who used it and to nobody."""

from collections.abc import Collection, Iterable
from datetime import datetime
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet.fleet import interruptions
from trivet.fleet.models import Pool
from trivet.kit.interval import Interval
from trivet.ledger import book, pool_evidence, pool_losses, pool_record, reading
from trivet.ledger.book import Source
from trivet.ledger.hour import Known
from trivet.ledger.line import User
from trivet.ledger.posting import CostCentres, PoolHour, judged, moved, pool_entries
from trivet.ledger.reading import HOUR

GONE = "No capacity."
MAPPING = "Mapping changed; its requests are archived."


def post(session: Session, known: Known) -> Iterable[int | None]:
    """Each pool's hour; where its requests are gone only the cost centres can still change."""
    if known.rows_gone:
        yield from _move(session, known.hour, known.centres)
        return
    pools = _names(session, known.capacity)
    pool_losses.mark(session, known.hour, known.capacity)
    for hour in read(session, known):
        yield _post(session, hour, pools[hour.pool_id], known)
    for name in book.sources_of(session, "pool", known.hour):
        if name not in pools.values():  # a later term reached back: it has no capacity in the hour any more
            pool_record.forget(session, known.hour, name)
            yield book.post(session, Source("pool", name, pool_record.NOTHING), known.hour, {}, GONE)
    pool_record.unpriced(session, known.hour, known.pools.unpriced, known.capacity)


def read(session: Session, known: Known) -> list[PoolHour]:
    """What is known of the pools that had capacity in an hour."""
    hour, pools = known.hour, known.capacity.keys()
    ran = reading.ran(session, hour, pools)
    said = pool_evidence.counters(session, hour, pools)
    measured = pool_evidence.phases(session, hour, pools)
    lost = interruptions.within(session, Interval(hour, hour + HOUR)) if pools else {}
    kept = pool_record.kept(session, hour) if pools and pool_evidence.gone(session, hour) else {}
    standard: dict[int, dict[tuple[User, str], Decimal]] = {pool_id: {} for pool_id in pools}
    for (user, own, currency), cost in known.costs.items():
        if own in standard:
            standard[own][user, currency] = cost
    return [
        PoolHour(
            pool_id,
            known.capacity[pool_id],
            ran[pool_id].busy,
            ran[pool_id].work,
            ran[pool_id].requests,
            standard[pool_id],
            ran[pool_id].phases(measured.get(pool_id)),
            said.get(pool_id),
            [
                (each.interrupted_at, each.restored_at)
                for each in lost.get(pool_id, ())
                if each.restored_at and not each.gpus
            ],
            ran[pool_id].request_us,
            pool_record.matching(kept.get(pool_id, {}), known.capacity[pool_id]),
        )
        for pool_id in sorted(pools)
    ]


def _post(session: Session, hour: PoolHour, name: str, known: Known) -> int | None:
    own = judged(hour)
    pool_record.store(session, known.hour, hour, own, known.pools.energy.get(hour.pool_id))
    source = Source("pool", name, pool_record.method(hour, own))
    return book.post(session, source, known.hour, pool_entries(hour, known.centres, own), pool_record.reason(own))


def _names(session: Session, pools: Collection[int]) -> dict[int, str]:
    return {row.id: row.name for row in session.scalars(select(Pool).where(Pool.id.in_(list(pools))))}


def _move(session: Session, hour: datetime, centres: CostCentres) -> Iterable[int | None]:
    """What pools were posted for an hour, on the cost centres of now."""
    for name in book.sources_of(session, "pool", hour):
        target = moved(reading.posted(session, "pool", name, hour)[0], centres)
        yield book.post(session, Source("pool", name, pool_record.NOTHING), hour, target, MAPPING)
