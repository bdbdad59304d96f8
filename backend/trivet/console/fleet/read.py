"""What the page of GPUs reads: cards, their utilisation, and what engines say of their pools. A bounded few statements."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from trivet.console.fleet.heat import Card
from trivet.fleet import cards as telling
from trivet.fleet.models import Gpu, GpuRollup, Pool
from trivet.kit.clock import floor
from trivet.kit.interval import Interval
from trivet.rollup import signals
from trivet_collectors import semconv as sc

CARDS_MAX: Final = 2_000  # drawn; a divided card counts with its instances
SEEN_WITHIN = timedelta(days=1)  # a card that was silent for longer is not of this fleet any more
MINUTE_S, HOUR_S = 60, 3_600
POINTS_MAX = 120_000  # rows of one metric that a page reads by the minute; above, by the hour
GROUPS_MAX = 20_000
USED, KV, WAITING = sc.HW_GPU_UTILIZATION.name, sc.TRIVET_KV_CACHE_USAGE.name, sc.TRIVET_REQUESTS_WAITING.name
NOWHERE = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """Cards of the last day, by pool and host, how many more there are, and series by kind and pool."""

    cards: tuple[Card, ...]
    left_out: int
    over: Interval
    grain_s: int
    series: dict[str, dict[str, dict[datetime, float]]]


def read(session: Session, interval: Interval, pool: str, now: datetime) -> Facts:
    """All of it, of one pool where one is named."""
    rows, left_out = _cards(session, pool, now)
    over, grain_s = buckets(interval, len(rows))
    used = _used(session, [row.id for row, _ in rows], over, grain_s)
    made = tuple(
        Card(row.id, row.uuid, row.host, row.parent, name or NOWHERE, row.seen_at, used.get(row.id))
        for row, name in rows
    )
    return Facts(made, left_out, over, grain_s, _series(session, pool, over, grain_s))


def buckets(interval: Interval, cards: int) -> tuple[Interval, int]:
    """Whole buckets over the interval: minutes where the cards are few enough for that, else hours."""
    minutes = (interval.end - interval.start).total_seconds() / MINUTE_S
    grain_s = MINUTE_S if minutes * max(cards, 1) <= POINTS_MAX and minutes <= HOUR_S else HOUR_S
    end = floor(interval.end, grain_s)
    if end < interval.end:
        end += timedelta(seconds=grain_s)
    return Interval(floor(interval.start, grain_s), end), grain_s


def _cards(session: Session, pool: str, now: datetime) -> tuple[Sequence[Any], int]:
    lately = [Gpu.seen_at >= now - SEEN_WITHIN, *([Pool.name == pool] if pool else [])]
    query = select(Gpu, Pool.name).outerjoin(Pool, Pool.id == Gpu.pool_id).where(*lately)
    found = session.execute(query.order_by(Pool.name, Gpu.host, Gpu.uuid).limit(CARDS_MAX + 1)).all()
    if len(found) <= CARDS_MAX:
        return found, 0
    count = select(func.count(Gpu.id)).outerjoin(Pool, Pool.id == Gpu.pool_id).where(*lately)
    return found[:CARDS_MAX], (session.scalar(count) or 0) - CARDS_MAX


def _used(session: Session, ids: Sequence[int], over: Interval, grain_s: int) -> dict[int, float]:
    """Mean utilisation of each card over the time."""
    r = GpuRollup
    query = select(r.gpu_id, func.sum(r.total) / func.sum(r.samples)).where(
        r.grain_s == grain_s, r.gpu_id.in_(ids), r.metric == USED, r.bucket >= over.start, r.bucket < over.end
    )
    return {gpu: float(used) for gpu, used in session.execute(query.group_by(r.gpu_id))} if ids else {}


def _series(session: Session, pool: str, over: Interval, grain_s: int) -> dict[str, dict[str, dict[datetime, float]]]:
    r = GpuRollup
    query = (
        select(func.coalesce(Pool.name, NOWHERE), r.bucket, func.sum(r.total) / func.sum(r.samples))
        .join(Gpu, Gpu.id == r.gpu_id)
        .outerjoin(Pool, Pool.id == Gpu.pool_id)
        .where(r.grain_s == grain_s, r.metric == USED, r.bucket >= over.start, r.bucket < over.end)
        .where(*([Pool.name == pool] if pool else []))
        .group_by(Pool.name, r.bucket)
        .limit(GROUPS_MAX)
    )
    found: dict[str, dict[str, dict[datetime, float]]] = {"used": {}, "kv": {}, "waiting": {}}
    for name, at, value in session.execute(query):
        found["used"].setdefault(name, {})[at] = float(value)
    _of_engines(session, pool, over, grain_s, found)
    return found


def _of_engines(
    session: Session, pool: str, over: Interval, grain_s: int, found: dict[str, dict[str, dict[datetime, float]]]
) -> None:
    """The fullest KV cache and the whole queue of each pool's engines; an engine that names no pool is in none."""
    names = dict(session.execute(select(Pool.id, Pool.name)).all())
    by = ["metric", "pool_id", "backend_id", "bucket"]
    told = signals.read(session, over, by, {"metric": [KV, WAITING]}, grain_s=grain_s, limit=GROUPS_MAX)
    for (metric, pool_id, _, at), signal in told.items():
        name = names.get(pool_id, NOWHERE)
        if signal.mean is None or (pool and name != pool):
            continue
        own = found["kv" if metric == KV else "waiting"].setdefault(name, {})
        own[at] = max(own.get(at, 0.0), signal.mean) if metric == KV else own.get(at, 0.0) + signal.mean


def told(session: Session, cards: Sequence[Card], now: datetime) -> list[dict[str, Any]]:
    """Some of the cards as the API says them, in their order."""
    rows = {row.id: row for row in session.scalars(select(Gpu).where(Gpu.id.in_([card.id for card in cards])))}
    return telling.shown(session, [rows[card.id] for card in cards if card.id in rows], now)
