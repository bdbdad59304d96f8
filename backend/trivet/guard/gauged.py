"""Queues, KV caches, GPUs and prefix caches of what serves a scenario, as engines and collectors say.

A gauge that names its scenario speaks for it; one that names only its backend or pool, for the scenarios that this serves.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import select, union_all
from sqlalchemy.orm import Session

from trivet.fleet.models import Gpu, GpuDelta, GpuRollup
from trivet.guard import flow
from trivet.guard.asked import Ask, Key, back
from trivet.guard.measures import Reading
from trivet.guard.signs import scenarios_of
from trivet.guard.window import BUCKET_S
from trivet.kit.interval import Interval
from trivet.rollup import gauges, read, signals
from trivet_collectors import semconv as sc

WAITING, KV = sc.TRIVET_REQUESTS_WAITING.name, sc.TRIVET_KV_CACHE_USAGE.name
QUERIES, HITS = sc.TRIVET_PREFIX_CACHE_QUERIES.name, sc.TRIVET_PREFIX_CACHE_HITS.name
UTILISATION = sc.HW_GPU_UTILIZATION.name
FRESH_S = flow.FRESH.total_seconds()
DAY_S = 86_400
INPUT = ("input_tokens", "cache_read_tokens", "cache_write_tokens")


def queues(session: Session, asks: Sequence[Ask], now: datetime) -> dict[Key, Reading]:
    """Calls that wait, of everything that serves a scenario."""
    return _gauges(session, asks, now, WAITING, together=sum, missing="no engine told its queue")


def caches(session: Session, asks: Sequence[Ask], now: datetime) -> dict[Key, Reading]:
    """The fullest KV cache of those that serve a scenario."""
    return _gauges(session, asks, now, KV, together=max, missing="no engine told its KV cache")


def _gauges(
    session: Session,
    asks: Sequence[Ask],
    now: datetime,
    metric: str,
    *,
    together: Callable[[list[float]], float],
    missing: str,
) -> dict[Key, Reading]:
    newest = gauges.newest(session, back(now, FRESH_S), (metric,))
    of_backend, of_pool = _whose(
        session,
        asks,
        {g.backend_id for g in newest if not g.scenario_id and g.backend_id},
        {g.pool_id for g in newest if not g.scenario_id and not g.backend_id and g.pool_id},
        now,
    )
    values: dict[int, list[float]] = {}
    for gauge in newest:
        named = [gauge.scenario_id] if gauge.scenario_id else ()
        for id_ in named or of_backend.get(gauge.backend_id, ()) or of_pool.get(gauge.pool_id, ()):
            values.setdefault(id_, []).append(gauge.value)
    return {ask.key: _of(values.get(ask.scenario_id), together, f"{missing} in {FRESH_S:.0f} s") for ask in asks}


def _of(values: list[float] | None, together: Callable[[list[float]], float], missing: str) -> Reading:
    return Reading(float(together(values)), len(values)) if values else Reading(None, 0, missing)


def _whose(
    session: Session, asks: Sequence[Ask], backends: Collection[int], pools: Collection[int], now: datetime
) -> tuple[dict[int, set[int]], dict[int, set[int]]]:
    return scenarios_of(session, backends, {ask.scenario_id for ask in asks}, now, pools)


def gpus(session: Session, asks: Sequence[Ask], now: datetime) -> dict[Key, Reading]:
    """The mean over the window of the GPUs of the pools that serve a scenario."""
    found: dict[Key, Reading] = {}
    pools = set(session.scalars(select(Gpu.pool_id).where(Gpu.pool_id.is_not(None)).distinct()))
    _, of_pool = _whose(session, asks, (), {pool for pool in pools if pool is not None}, now)
    for window_s in sorted({ask.guard.window_s for ask in asks}):
        told = _utilisation(session, back(now, window_s))
        for ask in asks:
            if ask.guard.window_s == window_s:
                own = [told[pool] for pool, ids in of_pool.items() if ask.scenario_id in ids and pool in told]
                samples = sum(count for count, _ in own)
                missing = f"no GPU of a pool that serves it told its utilisation in {window_s} s"
                mean = sum(total for _, total in own) / samples if samples else None
                found[ask.key] = Reading(mean, samples, "" if samples else missing)
    return found


def _utilisation(session: Session, interval: Interval) -> dict[int, tuple[int, float]]:
    """Samples and their total, by pool."""
    parts = [
        select(Gpu.pool_id, table.samples, table.total)
        .join(Gpu, Gpu.id == table.gpu_id)
        .where(
            Gpu.pool_id.is_not(None),
            table.metric == UTILISATION,
            table.bucket >= interval.start,
            table.bucket < interval.end,
            *more,
        )
        for table, more in ((GpuRollup, (GpuRollup.grain_s == BUCKET_S,)), (GpuDelta, ()))
    ]
    found: dict[int, tuple[int, float]] = {}
    for pool_id, samples, total in session.execute(union_all(*parts)):
        assert pool_id is not None
        before = found.get(pool_id, (0, 0.0))
        found[pool_id] = before[0] + samples, before[1] + total
    return found


def hits(session: Session, asks: Sequence[Ask], now: datetime) -> dict[Key, Reading]:
    """Share of prompt tokens found in a prefix cache: as requests tell, else as the engines that serve them count."""
    where = {"scenario_id": sorted({ask.scenario_id for ask in asks})}
    lately = read.counts(session, back(now, DAY_S, 3_600), ["scenario_id"], INPUT[1:2], where)
    tell = {id_ for (id_,), (cached,) in lately.items() if cached > 0}
    found: dict[Key, Reading] = {}
    for window_s in sorted({ask.guard.window_s for ask in asks}):
        own = [ask for ask in asks if ask.guard.window_s == window_s]
        told = read.counts(session, back(now, window_s), ["scenario_id"], INPUT, where) if tell else {}
        counted = {ask.scenario_id for ask in own} - tell
        engines = (
            _engines(session, [ask for ask in own if ask.scenario_id in counted], window_s, now) if counted else {}
        )
        for ask in own:
            of_requests = told.get((ask.scenario_id,)) if ask.scenario_id in tell else None
            found[ask.key] = _share(of_requests, engines.get(ask.scenario_id), window_s)
    return found


def _share(told: Sequence[int] | None, engine: tuple[float, float] | None, window_s: int) -> Reading:
    if told is not None and sum(told) > 0:
        return Reading(told[1] / sum(told), sum(told))
    if engine is not None and engine[0] > 0:
        return Reading(min(1.0, engine[1] / engine[0]), round(engine[0]), words="as engines count")
    return Reading(None, 0, f"neither requests nor engines told of cached tokens in {window_s} s")


def _engines(session: Session, asks: Sequence[Ask], window_s: int, now: datetime) -> Mapping[int, tuple[float, float]]:
    """Tokens asked for and found, by scenario."""
    by = ["scenario_id", "backend_id", "pool_id", "metric"]
    seen = signals.read(session, back(now, window_s), by, {"metric": (QUERIES, HITS)}, grain_s=BUCKET_S)
    of_backend, of_pool = _whose(
        session,
        asks,
        {key[1] for key in seen if not key[0] and key[1]},
        {key[2] for key in seen if not key[0] and not key[1] and key[2]},
        now,
    )
    found: dict[int, tuple[float, float]] = {}
    for (scenario_id, backend_id, pool_id, metric), each in seen.items():
        named = [scenario_id] if scenario_id else ()
        for id_ in named or of_backend.get(backend_id, ()) or of_pool.get(pool_id, ()):
            asked, there = found.get(id_, (0.0, 0.0))
            found[id_] = (asked + each.total, there) if metric == QUERIES else (asked, there + each.total)
    return found
