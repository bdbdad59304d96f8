"""What runs where, as engines and requests say: the loads that a forecast of headroom starts from, and which stations are full.

A station is a pool, or a backend where its signals name no pool. Its capacity is how many calls it was seen to serve while
others waited; where none waited lately, what its pool's term or its own gauge says; else nobody knows it.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from trivet.card.service import ActiveCard
from trivet.fleet.models import Backend, Pool, PoolTerm
from trivet.guard.headroom import Flow, Load
from trivet.guard.models import LadderState
from trivet.kit import histogram
from trivet.kit.clock import floor
from trivet.kit.interval import Interval
from trivet.rollup import gauges, read, signals
from trivet.rollup.read import Usage
from trivet_collectors import semconv as sc

FRESH_S = 90  # a gauge that is older says nothing: exporters send each 60 s unless told otherwise
FLOW_S = 60  # over which calls are counted
SEEN_FULL_S = 900  # for so long a capacity that was seen counts: engines come back, too
WAITING_MIN = 1.0  # calls that must have waited for the others to have been all that it serves
FULL_BUCKETS = 3  # the newest ones in which calls waited
GROUPS_MAX = 20_000
BUCKET_S, GRAIN_S = 10, 60
AHEAD = timedelta(seconds=2 * BUCKET_S)
RUNNING, WAITING = sc.TRIVET_REQUESTS_RUNNING.name, sc.TRIVET_REQUESTS_WAITING.name
KV, LIMIT = sc.TRIVET_KV_CACHE_USAGE.name, sc.TRIVET_CONCURRENCY_LIMIT.name


class Key(NamedTuple):
    """A pool, or a backend."""

    kind: str
    id: int


@dataclass(slots=True)
class Station:
    """How a station stands now. None: nobody said."""

    key: Key
    name: str
    running: float = 0.0
    waiting: float = 0.0
    kv_cache: float | None = None
    capacity: float | None = None
    scenario_ids: set[int] = field(default_factory=set)  # that its own gauges name


def loads(session: Session, away: Mapping[int, tuple[ActiveCard, LadderState]], now: datetime) -> dict[int, list[Load]]:
    """The loads of each of some scenarios, by station."""
    if not away:
        return {}
    flows = _flows(session, away, now)
    keys = {key for of in flows.values() for key, _ in of}
    known = stations(session, now, keys)
    return {
        id_: [_load(known[key], of, away[id_][1].level) for key in sorted({key for key, _ in of}) if key in known]
        for id_, of in flows.items()
    }


def stations(
    session: Session, now: datetime, keys: Collection[Key] | None = None, *, capacities: bool = True
) -> dict[Key, Station]:
    """Every station that says anything, or some of them; what each serves at once only where that is asked."""
    within = Interval(floor(now - timedelta(seconds=FRESH_S), BUCKET_S), floor(now, BUCKET_S) + AHEAD)
    found: dict[Key, Station] = {}
    for gauge in gauges.newest(session, within, (RUNNING, WAITING, KV, LIMIT)):
        key = _key(gauge.pool_id, gauge.backend_id)
        if key is None or (keys is not None and key not in keys):
            continue
        station = found.setdefault(key, Station(key, ""))
        if gauge.scenario_id:
            station.scenario_ids.add(gauge.scenario_id)
        _add(station, gauge.metric, gauge.value)
    _name(session, found)
    if not capacities:
        return found
    _told_capacity(session, found, now)
    for key, capacity in _seen_full(session, found, now).items():
        found[key].capacity = capacity
    return found


def _key(pool_id: int, backend_id: int) -> Key | None:
    if pool_id:
        return Key("pool", pool_id)
    return Key("backend", backend_id) if backend_id else None


def _add(station: Station, metric: str, value: float) -> None:
    if metric == RUNNING:
        station.running += value
    elif metric == WAITING:
        station.waiting += value
    elif metric == KV:
        station.kv_cache = max(station.kv_cache or 0.0, value)  # the fullest engine is the one that puts calls back
    else:
        station.capacity = (station.capacity or 0.0) + value


def _name(session: Session, found: Mapping[Key, Station]) -> None:
    for kind, table in (("pool", Pool), ("backend", Backend)):
        ids = [key.id for key in found if key.kind == kind]
        if ids:
            for id_, name in session.execute(select(table.id, table.name).where(table.id.in_(ids))):
                found[Key(kind, id_)].name = f"{kind} {name}"


def _told_capacity(session: Session, found: Mapping[Key, Station], now: datetime) -> None:
    """What the pool's own term says it serves at once."""
    ids = [key.id for key in found if key.kind == "pool"]
    if not ids:
        return
    terms = session.execute(
        select(PoolTerm.pool_id, PoolTerm.max_concurrency)
        .ext(distinct_on(PoolTerm.pool_id))
        .where(PoolTerm.pool_id.in_(ids), PoolTerm.effective_from <= now)
        .order_by(PoolTerm.pool_id, PoolTerm.effective_from.desc())
    )
    for pool_id, at_once in terms:
        if at_once is not None:
            found[Key("pool", pool_id)].capacity = float(at_once)


def _seen_full(session: Session, keys: Collection[Key], now: datetime) -> dict[Key, float]:
    """How many calls each station served at once when others had to wait, where that was lately."""
    if not keys:
        return {}
    by = ["pool_id", "backend_id", "metric", "bucket", "scenario_id", "tenant_id", "model_id"]
    within = Interval(floor(now - timedelta(seconds=SEEN_FULL_S), GRAIN_S), floor(now, GRAIN_S) + timedelta(seconds=60))
    sums: dict[tuple[Key, datetime], dict[str, float]] = {}
    seen = signals.read(session, within, by, {"metric": (RUNNING, WAITING)}, grain_s=GRAIN_S, limit=GROUPS_MAX)
    for (pool_id, backend_id, metric, bucket, *_), each in seen.items():
        key = _key(pool_id, backend_id)
        if key is not None and key in keys:
            at = sums.setdefault((key, bucket), {RUNNING: 0.0, WAITING: 0.0})
            at[metric] += each.mean or 0.0
    full: dict[Key, list[float]] = {}
    for (key, _), at in sorted(sums.items(), key=lambda item: item[0][1], reverse=True):
        if at[WAITING] >= WAITING_MIN and len(full.setdefault(key, [])) < FULL_BUCKETS:
            full[key].append(at[RUNNING])
    return {key: max(running) for key, running in full.items()}


_Arms = dict[tuple[Key, int], Flow]  # by station and level


def _flows(session: Session, away: Mapping[int, tuple[ActiveCard, LadderState]], now: datetime) -> dict[int, _Arms]:
    """What each scenario would have on each station, were all of it at one level: under the revision that governs."""
    here = floor(now, BUCKET_S)
    within = Interval(here - timedelta(seconds=FLOW_S), here + AHEAD)
    by = ["scenario_id", "revision", "level", "pool_id", "backend_id"]
    every: dict[int, int] = {}
    arms: dict[tuple[int, int], int] = {}
    found: dict[tuple[int, Key, int], Usage] = {}
    for (id_, revision, level, pool_id, backend_id), usage in read.usage(
        session, within, by, {"scenario_id": list(away)}, grain_s=BUCKET_S
    ).items():
        every[id_] = every.get(id_, 0) + usage.requests
        if revision not in (0, away[id_][0].number):
            continue
        arms[id_, level] = arms.get((id_, level), 0) + usage.requests
        for key in _keys(pool_id, backend_id):
            at = id_, key, level
            found[at] = found[at] + usage if at in found else usage
    seconds = max(float(BUCKET_S), (now - within.start).total_seconds())
    flows: dict[int, _Arms] = {}
    for (id_, key, level), usage in found.items():
        calls_per_s = every[id_] / seconds * usage.requests / max(1, arms[id_, level])
        flows.setdefault(id_, {})[key, level] = _flow(usage, calls_per_s)
    return flows


def _keys(pool_id: int, backend_id: int) -> Iterable[Key]:
    """A call loads its pool and its backend: either may be what speaks."""
    return [key for key in (_key(pool_id, 0), _key(0, backend_id)) if key is not None]


def _flow(usage: Usage, calls_per_s: float) -> Flow:
    served = usage.served
    return Flow(
        calls_per_s,
        admitted=served / usage.requests if usage.requests else 1.0,
        service_s=histogram.sum_us(usage.latency) / 1e6 / served if served else 0.0,
    )


def _load(station: Station, arms: _Arms, level: int) -> Load:
    return Load(
        station.name, station.running, station.waiting, station.capacity, station.kv_cache,
        here=arms.get((station.key, level), Flow()), back=arms.get((station.key, level - 1), Flow()),
    )  # fmt: skip
