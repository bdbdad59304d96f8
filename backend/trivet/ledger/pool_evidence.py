"""What engines and cards said of a pool's hour: who ran, who was silent, how long prefill and decode took, energy. Only reads."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from prometheus_client import Counter
from sqlalchemy import Numeric, Select, cast, func, select, text, union_all
from sqlalchemy.orm import Session

from trivet.archive import facts
from trivet.archive.models import ArchivedDay
from trivet.fleet.cost import Energy
from trivet.fleet.models import Gpu, GpuDelta, GpuRollup
from trivet.kit.interval import Interval
from trivet.ledger.pool_states import FRESH, Counters, Said
from trivet.rollup import signals
from trivet.rollup.read import one_of
from trivet_collectors import semconv as sc

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
HOUR_S, SLICE_S = 3600, 10
GAUGES = (sc.TRIVET_REQUESTS_RUNNING.name, sc.TRIVET_REQUESTS_WAITING.name, sc.TRIVET_KV_CACHE_USAGE.name)
FAILURES = (sc.HEALTH_MODEL_LOAD, sc.HEALTH_DEPLOYMENT)  # of what serves; a lost GPU proves nothing of an engine
READINGS_MAX = 200_000  # of one pool in an hour, each the mean of 10 s: those of some 180 engines
TOO_MANY_READINGS = "too_many_readings"
by_spans = Counter(
    "trivet_pool_hours_by_spans", "Hours of pools judged by spans although their engines speak, by reason.", ["reason"]
)
_SPEAK = text("""
    SELECT DISTINCT pool_id FROM signal_series
    WHERE pool_id = ANY(CAST(:pools AS int4[])) AND metric = ANY(CAST(:gauges AS text[])) ORDER BY pool_id
""")
_SAID = text("""
    SELECT s.id, date_bin('10 seconds', p.sampled_at, 'epoch') AS slice, s.metric, sum(p.total)::numeric / sum(p.samples)
    FROM signal_series s JOIN signal_sample p ON p.series_id = s.id
    WHERE s.pool_id = :pool AND s.metric = ANY(CAST(:gauges AS text[]))
      AND p.sampled_at >= :start AND p.sampled_at < :end AND p.samples > 0
    GROUP BY 1, 2, 3 LIMIT :most
""")
_PART = {GAUGES[0]: "running", GAUGES[1]: "waiting", GAUGES[2]: "kv_usage"}


def gone(session: Session, hour: datetime) -> bool:
    """Whether any of what tells the states of an hour has left the database, or is about to."""
    dropped = select(ArchivedDay.day).where(
        ArchivedDay.table_name == "signal_sample", ArchivedDay.closed_at.is_not(None), ArchivedDay.day == hour.date()
    )
    return not _kept(session, hour - FRESH, SLICE_S) or session.scalar(dropped.limit(1)) is not None


def _kept(session: Session, start: datetime, grain_s: int) -> bool:
    since = facts.since(session).get(grain_s)
    return since is None or start >= since


def counters(session: Session, hour: datetime, pools: Collection[int]) -> dict[int, Counters]:
    """What the engines of some pools said around an hour, by pool; pools whose engines never speak are not there."""
    if not pools:
        return {}
    at = {"pools": sorted(pools), "gauges": list(GAUGES), "start": hour - FRESH, "end": hour + HOUR}
    speak = list(session.scalars(_SPEAK, at))
    if not speak:
        return {}
    before = _heard(session, Interval(hour - DAY, hour), speak)
    failed = _failures(session, Interval(hour - FRESH, hour + HOUR), speak)
    found = {}
    for pool_id in speak:
        said = _said(session, at | {"pool": pool_id, "most": READINGS_MAX + 1})
        if said is None:
            by_spans.labels(TOO_MANY_READINGS).inc()
        elif said or pool_id in before:
            found[pool_id] = Counters(said, frozenset(failed.get(pool_id, ())), pool_id in before)
    return found


def _said(session: Session, at: dict[str, Any]) -> dict[int, dict[datetime, Said]] | None:
    """What each series of a pool's gauges said, by slice; None where it is more than is read."""
    rows = session.execute(_SAID, at).all()
    if len(rows) > READINGS_MAX:
        return None
    parts: dict[int, dict[datetime, Said]] = {}
    for series, when, metric, value in rows:
        parts.setdefault(series, {})[when] = Said(**{_PART[metric]: value})
    return parts


def _heard(session: Session, within: Interval, pools: Collection[int]) -> set[int]:
    """Pools whose engines spoke in some hours; none where those are not kept."""
    if not _kept(session, within.start, HOUR_S):
        return set()
    found = signals.read(session, within, ["pool_id"], {"metric": GAUGES, "pool_id": pools}, grain_s=HOUR_S)
    return {pool_id for (pool_id,) in found}


def _failures(session: Session, within: Interval, pools: Collection[int]) -> dict[int, list[datetime]]:
    """Slices in which what serves was told to have failed, by pool; none where those are not kept."""
    if not _kept(session, within.start, SLICE_S):
        return {}
    where = {"metric": [sc.TRIVET_HEALTH.name], "pool_id": pools}
    found: dict[int, list[datetime]] = {}
    for pool_id, detail, when in signals.read(session, within, ["pool_id", "detail", "bucket"], where, grain_s=SLICE_S):
        if detail.split("/")[0] in FAILURES:
            found.setdefault(pool_id, []).append(when)
    return found


def phases(session: Session, hour: datetime, pools: Collection[int]) -> dict[int, tuple[int, int]]:
    """Microseconds of prefill and of decode that engines measured in an hour, by pool.

    Prefill is the time to the first token less the time in the queue, where engines tell that.
    """
    if not pools:
        return {}
    first, queue, token = sc.TRIVET_TTFT.name, sc.TRIVET_QUEUE_TIME.name, sc.TRIVET_INTER_TOKEN.name
    where = {"metric": [first, queue, token], "pool_id": pools}
    read = signals.read(session, Interval(hour, hour + HOUR), ["pool_id", "metric"], where, grain_s=HOUR_S)
    total = {key: round(each.total * 1_000_000) for key, each in read.items()}
    return {
        pool_id: (total.get((pool_id, first), 0) - total.get((pool_id, queue), 0), total.get((pool_id, token), 0))
        for pool_id in sorted({key[0] for key in total})
    }


def energy(session: Session, interval: Interval, pools: Collection[int] | None = None) -> dict[int, Energy]:
    """What the cards of each pool used in some whole hours; instances of a divided card are in their card's."""
    named = [] if pools is None else [one_of(Gpu.pool_id, pools)]
    parts = [_energy_of(GpuRollup, interval).where(GpuRollup.grain_s == HOUR_S), _energy_of(GpuDelta, interval)]
    rows = union_all(*parts).subquery()
    # A reading is a float; whole millijoules are what is counted on.
    joules = func.round(cast(func.sum(rows.c.total), Numeric), 3)
    query = (
        select(Gpu.pool_id, joules, func.count(rows.c.gpu_id.distinct()))
        .join(rows, rows.c.gpu_id == Gpu.id)
        .where(Gpu.pool_id.is_not(None), Gpu.parent == "", *named)
        .group_by(Gpu.pool_id)
    )
    return {pool_id: Energy(total, count) for pool_id, total, count in session.execute(query) if pool_id is not None}


def _energy_of(table: Any, interval: Interval) -> Select[Any]:
    within = (table.bucket >= interval.start, table.bucket < interval.end)
    return select(table.gpu_id, table.total).where(table.metric == sc.HW_ENERGY.name, *within)
