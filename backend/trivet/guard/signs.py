"""The signals that guards read: two statements a look for all scenarios, and more only while some backend seems stuck."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, union_all
from sqlalchemy.orm import Session

from trivet import db
from trivet.fleet.models import Backend
from trivet.guard import counted, flow, silence
from trivet.guard.flow import COLD_START, Event, InFlight, Sign
from trivet.guard.window import AHEAD, BUCKET_S
from trivet.ingest.models import UsageDelta
from trivet.kit.clock import floor
from trivet.kit.interval import Interval
from trivet.rollup import gauges, signals
from trivet.rollup.models import Rollup1h, Rollup10s
from trivet.rollup.read import one_of
from trivet_collectors import semconv as sc

SERVED_LATELY = timedelta(hours=1)
PACE = timedelta(seconds=60)  # of ends before a silence, that say how long chance makes one
FALSE_ALARMS_PER_MONTH = 1.0
EVENTS = (sc.TRIVET_HEALTH.name, sc.TRIVET_COLD_STARTS.name)


def in_flight(session: Session, active: Collection[int], told: Mapping[int, int], now: datetime) -> dict[int, InFlight]:
    """What moves at `now`, by scenario, of those of which something does."""
    within = Interval(floor(now - flow.FRESH, BUCKET_S), floor(now, BUCKET_S) + AHEAD)
    signs = [*_gauges(session, within), *_counters(session, within)]
    stuck = flow.stuck(signs, now)
    _note(stuck, now)
    silent = stuck - _at_work(session, stuck, now)
    return flow.in_flight(signs, told, scenarios_of(session, silent, active, now)[0], now, _stuck_since)


# Since when each backend has had work in flight that names no scenario, at every look of this process.
_stuck_since: dict[int, datetime] = {}
db.caches.append(_stuck_since.clear)


def _note(stuck: Collection[int], now: datetime) -> None:
    for gone in _stuck_since.keys() - stuck:
        del _stuck_since[gone]
    for backend_id in stuck:
        _stuck_since.setdefault(backend_id, now)


def _gauges(session: Session, within: Interval) -> list[Sign]:
    """The newest value of each sender."""
    return [
        Sign(g.scenario_id, g.backend_id, (g.tenant_id, g.model_id, g.pool_id, g.sender), g.metric, g.at, g.value)
        for g in gauges.newest(session, within, flow.GAUGES)
    ]


def _counters(session: Session, within: Interval) -> list[Sign]:
    """How much each counter grew, bucket by bucket, whatever else its series are told apart by."""
    by = ["scenario_id", "backend_id", "metric", "bucket"]
    found = signals.read(session, within, by, {"metric": (flow.ADMITTED, flow.FINISHED)}, grain_s=BUCKET_S)
    return [
        Sign(scenario_id, backend_id, (), metric, bucket, each.total)
        for (scenario_id, backend_id, metric, bucket), each in found.items()
    ]


def events(session: Session, active: Collection[int], start: datetime, now: datetime) -> dict[int, list[Event]]:
    """Health events and cold starts since `start`, by scenario, bucket by bucket."""
    within = Interval(start, floor(now, BUCKET_S) + AHEAD)
    by = ["bucket", "scenario_id", "backend_id", "pool_id", "metric", "detail"]
    return _events(session, active, signals.read(session, within, by, {"metric": EVENTS}, grain_s=BUCKET_S), now)


def events_in(session: Session, active: Collection[int], within: Interval, now: datetime) -> dict[int, list[Event]]:
    """The same added up over an interval, as if all were in its first bucket."""
    by = ["scenario_id", "backend_id", "pool_id", "metric", "detail"]
    seen = signals.read(session, within, by, {"metric": EVENTS})
    return _events(session, active, {(within.start, *key): each for key, each in seen.items()}, now)


def _events(
    session: Session, active: Collection[int], seen: Mapping[tuple[Any, ...], signals.Signal], now: datetime
) -> dict[int, list[Event]]:
    """One that names no scenario counts for those that its backend, or the GPUs of its pool, serve."""
    backends = {key[2] for key in seen if not key[1] and key[2]}
    pools = {key[3] for key in seen if not key[1] and not key[2] and key[3]}
    of_backend, of_pool = scenarios_of(session, backends, active, now, pools)
    found: dict[int, list[Event]] = {}
    for (bucket, scenario_id, backend_id, pool_id, metric, detail), each in seen.items():
        event = Event(bucket, COLD_START if metric == sc.TRIVET_COLD_STARTS.name else detail.split("/")[0], each.total)
        ids = of_backend.get(backend_id, ()) if backend_id else of_pool.get(pool_id, ())
        for id_ in [scenario_id] if scenario_id else ids:
            found.setdefault(id_, []).append(event)
    return found


def _at_work(session: Session, backends: Collection[int], now: datetime) -> set[int]:
    """Those of some backends of which a request has come lately, of a scenario that may well go on."""
    if not backends:
        return set()
    since = floor(now - flow.FINISHED_LATELY, BUCKET_S)
    tables: Sequence[Any] = (Rollup10s, UsageDelta)
    parts = [
        select(t.backend_id, t.scenario_id)
        .where(t.bucket >= since, t.requests > t.rejections, one_of(t.backend_id, backends))
        .distinct()
        for t in tables
    ]
    return {
        backend_id
        for backend_id, scenario_id in session.execute(union_all(*parts))
        if not _fell_silent(scenario_id, now)
    }


def _fell_silent(scenario_id: int, now: datetime) -> bool:
    """Whether nothing of a scenario has ended for longer than chance explains, by how often something did before."""
    quiet = counted.reader.quiet_since(scenario_id, now)
    if quiet is None:
        return False
    enough_s = silence.beyond_chance(counted.reader.ended(scenario_id, quiet - PACE), FALSE_ALARMS_PER_MONTH)
    return enough_s is not None and (now - quiet).total_seconds() >= enough_s


def scenarios_of(
    session: Session, backends: Collection[int], active: Collection[int], now: datetime, pools: Collection[int] = ()
) -> tuple[dict[int, set[int]], dict[int, set[int]]]:
    """The scenarios that each backend serves, and that each pool does: as registered, and as requests lately say."""
    of_backend: dict[int, set[int]] = {}
    of_pool: dict[int, set[int]] = {}
    if not backends and not pools:
        return of_backend, of_pool
    registered = select(Backend.id, Backend.scenario_ids).where(one_of(Backend.id, backends))
    for id_, ids in session.execute(registered):
        of_backend[id_] = set(ids) & set(active)
    for scenario_id, backend_id, pool_id in _served(session, active, now):
        if backend_id in backends:
            of_backend.setdefault(backend_id, set()).add(scenario_id)
        if pool_id in pools:
            of_pool.setdefault(pool_id, set()).add(scenario_id)
    return of_backend, of_pool


def _served(session: Session, active: Collection[int], now: datetime) -> Iterable[tuple[int, int, int]]:
    """Which scenario ran on which backend and pool lately."""
    since = floor(now - SERVED_LATELY, 3600)
    tables: Sequence[Any] = (Rollup1h, UsageDelta)
    parts = [
        select(t.scenario_id, t.backend_id, t.pool_id)
        .where(t.bucket >= since, one_of(t.scenario_id, active))
        .distinct()
        for t in tables
    ]
    return [(s, b, p) for s, b, p in session.execute(union_all(*parts))]
