"""What serves, as its own signals say: each backend's queue, caches, cap and cold starts; and looks into caches, by kind."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet.fleet.models import Backend
from trivet.kit.clock import floor
from trivet.kit.interval import Interval
from trivet.rollup import gauges, signals
from trivet.rollup.gauges import Gauge
from trivet.rollup.read import one_of
from trivet.rollup.signals import Signal
from trivet_collectors import semconv as sc

BUCKET_S = 10
FRESH = timedelta(seconds=90)  # a gauge that is older is not shown
COUNTED = timedelta(hours=1)
AHEAD = timedelta(seconds=2 * BUCKET_S)
ENGINES_MAX = 100
REASONS_MAX = 3
GROUPS_MAX = 5_000

GAUGES = {
    sc.TRIVET_REQUESTS_RUNNING.name: "running",
    sc.TRIVET_REQUESTS_WAITING.name: "waiting",
    sc.TRIVET_CONCURRENCY_LIMIT.name: "concurrency_limit",
    sc.TRIVET_KV_CACHE_USAGE.name: "kv_cache_usage",
}
SHARES = frozenset({sc.TRIVET_KV_CACHE_USAGE.name})  # of several, the fullest; the others add up
CAPS = frozenset({sc.TRIVET_CONCURRENCY_LIMIT.name})  # the backend's, whoever repeats it
QUERIES, HITS = sc.TRIVET_PREFIX_CACHE_QUERIES.name, sc.TRIVET_PREFIX_CACHE_HITS.name
STARTS, WAITED = sc.TRIVET_COLD_STARTS.name, sc.TRIVET_COLD_START_TIME.name
PREEMPTED, HEALTH = sc.TRIVET_PREEMPTIONS.name, sc.TRIVET_HEALTH.name
COUNTERS = (QUERIES, HITS, STARTS, WAITED, PREEMPTED, HEALTH)


@dataclass(slots=True)
class Engine:
    """One backend. Gauges as of the last 90 s, None where it says nothing; counts of the last hour."""

    backend: str
    running: float | None = None
    waiting: float | None = None
    concurrency_limit: float | None = None
    kv_cache_usage: float | None = None
    prefix_queries: float = 0.0
    prefix_hits: float = 0.0
    preemptions: float = 0.0
    cold_starts: float = 0.0
    cold_start_wait_s: float = 0.0
    health: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    @property
    def prefix_hit_rate(self) -> float | None:
        """Share of the prompt tokens looked up that the KV cache held; None where none were."""
        return self.prefix_hits / self.prefix_queries if self.prefix_queries > 0 else None

    def said(self) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "backend": self.backend,
            "running": self.running,
            "waiting": self.waiting,
            "concurrency_limit": self.concurrency_limit,
            "kv_cache_usage": self.kv_cache_usage,
            "prefix_cache_hit_rate": self.prefix_hit_rate,
            "preemptions": round(self.preemptions),
            "cold_starts": round(self.cold_starts),
            "cold_start_wait_s": round(self.cold_start_wait_s, 3),
            "health": {kind: round(count) for kind, count in sorted(self.health.items())},
        }


def engines(session: Session, now: datetime) -> list[Engine]:
    """Backends that have said anything of themselves in the last hour, by name."""
    gauges = _gauges(session, now)
    counted = _counts(session, now)
    ids = sorted({*gauges, *counted})
    query = select(Backend.id, Backend.name).where(one_of(Backend.id, ids)).order_by(Backend.name).limit(ENGINES_MAX)
    found = []
    for id_, name in session.execute(query).all() if ids else ():
        engine = Engine(name)
        for gauge, value in gauges.get(id_, {}).items():
            setattr(engine, gauge, value)
        _count(engine, counted.get(id_, {}))
        found.append(engine)
    return found


def _gauges(session: Session, now: datetime) -> dict[int, dict[str, float]]:
    """Each gauge by backend: the newest of each sender, over whatever else they are told apart by."""
    within = Interval(floor(now - FRESH, BUCKET_S), floor(now, BUCKET_S) + AHEAD)
    found: dict[int, dict[str, float]] = defaultdict(dict)
    for gauge in _once(gauges.newest(session, within, GAUGES)):
        if not gauge.backend_id:
            continue
        own, name = found[gauge.backend_id], GAUGES[gauge.metric]
        several = (own.get(name, 0.0), gauge.value)
        own[name] = max(several) if gauge.metric in SHARES else sum(several)
    return found


def _once(found: Iterable[Gauge]) -> list[Gauge]:
    """The gauges, of those who say the same cap the newest."""
    caps: dict[tuple[Any, ...], Gauge] = {}
    others: list[Gauge] = []
    for gauge in sorted(found, key=lambda gauge: gauge.at):
        if gauge.metric in CAPS:
            caps[gauge.of] = gauge
        else:
            others.append(gauge)
    return [*caps.values(), *others]


def _counts(session: Session, now: datetime) -> dict[int, dict[tuple[str, str], Signal]]:
    within = Interval(floor(now - COUNTED, BUCKET_S), floor(now, BUCKET_S) + AHEAD)
    seen = signals.read(session, within, ["backend_id", "metric", "detail"], {"metric": COUNTERS}, limit=GROUPS_MAX)
    found: dict[int, dict[tuple[str, str], Signal]] = defaultdict(dict)
    for (backend, metric, detail), signal in seen.items():
        if backend:
            found[backend][metric, detail] = signal
    return found


def _count(engine: Engine, counted: Mapping[tuple[str, str], Signal]) -> None:
    total: dict[str, float] = defaultdict(float)
    for (metric, detail), signal in counted.items():
        total[metric] += signal.total
        if metric == HEALTH:
            engine.health[detail.split("/")[0]] += signal.total
    engine.prefix_queries, engine.prefix_hits = total[QUERIES], total[HITS]
    engine.cold_starts, engine.cold_start_wait_s = total[STARTS], total[WAITED]
    engine.preemptions = total[PREEMPTED]


@dataclass(slots=True)
class Cache:
    """Looks into caches of one kind, and why they missed where the source says."""

    kind: str
    hits: float = 0.0
    misses: float = 0.0
    reasons: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    @property
    def lookups(self) -> float:
        return self.hits + self.misses

    @property
    def hit_rate(self) -> float | None:
        """None where nothing was looked up."""
        return self.hits / self.lookups if self.lookups > 0 else None

    @property
    def top_reasons(self) -> list[tuple[str, int]]:
        """The commonest reasons of misses."""
        commonest = sorted(self.reasons.items(), key=lambda each: (-each[1], each[0]))
        return [(reason, round(count)) for reason, count in commonest[:REASONS_MAX]]

    def said(self) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "kind": self.kind,
            "lookups": round(self.lookups),
            "hits": round(self.hits),
            "hit_rate": self.hit_rate,
            "miss_reasons": [{"reason": reason, "misses": count} for reason, count in self.top_reasons],
        }


def caches(session: Session, now: datetime, where: Mapping[str, Sequence[int]] | None = None) -> list[Cache]:
    """Looks of the last hour into each kind of cache, most looks first. Kinds are never added up: a look is not a look."""
    within = Interval(floor(now - COUNTED, BUCKET_S), floor(now, BUCKET_S) + AHEAD)
    kept = {"metric": [sc.TRIVET_CACHE_LOOKUPS.name], **(where or {})}
    found: dict[str, Cache] = {}
    for (detail,), signal in signals.read(session, within, ["detail"], kept, limit=GROUPS_MAX).items():
        kind, hit, reason = [*detail.split("/", 2), "", ""][:3]
        cache = found.setdefault(kind, Cache(kind))
        if hit == "true":
            cache.hits += signal.total
            continue
        cache.misses += signal.total
        if reason:
            cache.reasons[reason] += signal.total
    return sorted(found.values(), key=lambda cache: -cache.lookups)
