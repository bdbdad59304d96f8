"""What an autoscaler asks of a pool: how much waits and runs, how full KV caches are, and how many servers that would take.

Backlog and KV cache say that capacity is short before latency does; GPU utilisation reads high at any load and is not here.
A figure that is not fresh is null and never 0: an autoscaler that takes silence for idleness scales to nothing in an outage.
"""

import math
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet.fleet.models import Backend, Pool
from trivet.kit.clock import floor, rfc3339
from trivet.kit.errors import NotFound, Unavailable
from trivet.kit.interval import Interval
from trivet.rollup import gauges
from trivet.rollup.gauges import Gauge
from trivet_collectors import semconv as sc

BUCKET_S: Final = 10
FRESH_S: Final = 60  # a figure that is older is none
LOOK_BACK: Final = timedelta(minutes=10)  # to say how old the last one is
AHEAD: Final = timedelta(seconds=2 * BUCKET_S)
TOLERANCE: Final = 0.1  # as the HPA has it: a deviation this small moves nothing
KV_TARGET: Final = 0.8
REPLICAS_MAX: Final = 10_000
WAITING, RUNNING = sc.TRIVET_REQUESTS_WAITING.name, sc.TRIVET_REQUESTS_RUNNING.name
KV, CAP = sc.TRIVET_KV_CACHE_USAGE.name, sc.TRIVET_CONCURRENCY_LIMIT.name
METRICS: Final = (WAITING, RUNNING, KV, CAP)
TABLES: Final[Mapping[str, Any]] = {"pool": Pool, "backend": Backend}


class NoFreshSignals(Unavailable):
    """Nothing is known of the present: 503, so that an autoscaler falls back instead of scaling to nothing."""


@dataclass(frozen=True)
class Load:
    """A pool as its engines say it is; None where they do not say. Shares are 0 to 1; `servers` counts who speaks."""

    name: str
    at: datetime
    servers: int
    backlog: float | None
    running: float | None
    kv_fullest: float | None
    kv_mean: float | None
    per_server: float | None  # calls that one server takes at once, where engines name a cap


@dataclass(frozen=True)
class Advice:
    """How many servers the load would take, and why; None where too little is known to say."""

    replicas: int | None
    reason: str


def load_of(session: Session, of: str, name: str, now: datetime, fresh_s: int = FRESH_S) -> Load:
    """The load of the pool (or `of` a backend) of that name. `NotFound`, or `NoFreshSignals` with how long it was silent."""
    table = TABLES[of]
    id_ = session.scalar(select(table.id).where(table.name == name))
    if id_ is None:
        raise NotFound(f"There is no {of} `{name}`; see GET /api/v1/{of}s.", field=of)
    within = Interval(floor(now - LOOK_BACK, BUCKET_S), floor(now, BUCKET_S) + AHEAD)
    own = [each for each in gauges.newest(session, within, METRICS) if getattr(each, f"{of}_id") == id_]
    fresh = [each for each in own if now - each.at <= timedelta(seconds=fresh_s)]
    if not fresh:
        raise NoFreshSignals(silence(of, name, own, now, fresh_s), retry_after_s=BUCKET_S)
    return summed(name, fresh)


def silence(of: str, name: str, own: Collection[Gauge], now: datetime, fresh_s: int) -> str:
    """Why nothing is answered. Pure."""
    if not own:
        return (
            f"No engine of {of} `{name}` has said how much waits or runs in the last {LOOK_BACK.seconds // 60} minutes: "
            f"is `trivet-collector` running there, with `{of}` set?"
        )
    age_s = (now - max(each.at for each in own)).total_seconds()
    return f"The last word of {of} `{name}` is {age_s:.0f} s old; after {fresh_s} s it is no word of the present."


def summed(name: str, fresh: Collection[Gauge]) -> Load:
    """The gauges of one pool as one load: calls add up, shares do not. Pure."""
    by: dict[str, list[Gauge]] = {metric: [each for each in fresh if each.metric == metric] for metric in METRICS}
    shares = [each.value for each in by[KV]]
    caps = {each.of: each.value for each in sorted(by[CAP], key=lambda each: each.at)}  # whoever repeats a cap
    servers = _servers(fresh)
    return Load(
        name=name,
        at=max(each.at for each in fresh),
        servers=servers,
        backlog=_sum(by[WAITING]),
        running=_sum(by[RUNNING]),
        kv_fullest=max(shares) if shares else None,
        kv_mean=sum(shares) / len(shares) if shares else None,
        per_server=sum(caps.values()) / servers if caps else None,
    )


def _servers(fresh: Collection[Gauge]) -> int:
    """How many engines speak: of each backend, as many as say one and the same thing."""
    alike = Counter(each.of for each in fresh)
    of_backend: dict[int, int] = {}
    for each in fresh:
        of_backend[each.backend_id] = max(of_backend.get(each.backend_id, 0), alike[each.of])
    return sum(of_backend.values())


def _sum(found: Collection[Gauge]) -> float | None:
    return sum(each.value for each in found) if found else None


def advice(load: Load, per_server: float | None = None, kv_target: float = KV_TARGET) -> Advice:
    """The larger of what calls and KV caches ask for, by the HPA's formula: servers x value / target, rounded up. Pure.

    `per_server` is how many calls one server should have at once; else what engines name as their cap.
    """
    target = per_server or load.per_server
    asked: list[tuple[int, str]] = []
    if target and load.backlog is not None and load.running is not None:
        calls = load.backlog + load.running
        asked.append((math.ceil(calls / target), f"{calls:g} calls at {target:g} a server"))
    if load.kv_mean is not None:
        ratio = load.kv_mean / kv_target
        wanted = load.servers if abs(ratio - 1) <= TOLERANCE else math.ceil(load.servers * ratio)
        asked.append((wanted, f"KV caches {load.kv_mean:.0%} full against {kv_target:.0%}"))
    if not asked:
        return Advice(None, "Say `per_server`: engines name neither a cap on calls nor how full their KV caches are.")
    replicas, reason = max(asked)
    return Advice(min(max(replicas, 1), REPLICAS_MAX), f"{reason}; {load.servers} now")


def said(load: Load, told: Advice) -> dict[str, Any]:
    """As an autoscaler reads it: whole numbers bare, fractions as quantities in quotes, what is not known null."""
    return {
        "name": load.name,
        "at": rfc3339(load.at),
        "servers": load.servers,
        "backlog": _whole(load.backlog),
        "running": _whole(load.running),
        "kv_cache_usage": _quantity(load.kv_fullest),
        "kv_cache_usage_mean": _quantity(load.kv_mean),
        "desired_replicas": told.replicas,
        "reason": told.reason,
    }


def exposition(of: str, found: Mapping[str, Any]) -> str:
    """The same in Prometheus' text format; what is not known is left out."""
    label = found["name"].replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    names = ("servers", "backlog", "running", "kv_cache_usage", "kv_cache_usage_mean", "desired_replicas")
    lines = [
        f'# TYPE trivet_scaling_{name} gauge\ntrivet_scaling_{name}{{{of}="{label}"}} {found[name]}\n'
        for name in names
        if found[name] is not None
    ]
    return "".join(lines)


def _whole(value: float | None) -> int | None:
    return None if value is None else math.ceil(value)


def _quantity(value: float | None) -> str | None:
    return None if value is None else f"{value:.4f}".rstrip("0").rstrip(".")
