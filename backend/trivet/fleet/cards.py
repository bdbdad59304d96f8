"""What cards last said: how they are now, and what they counted in the last day."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from trivet.fleet import service
from trivet.fleet.models import Gpu, GpuRollup, Pool
from trivet.kit.clock import floor, rfc3339, when
from trivet_collectors import semconv as sc

HOUR_S = 3_600
DAY = timedelta(days=1)
CHILDREN_MAX = 5_000  # instances shown on one page: a card has at most seven
COUNTERS = tuple(metric.name for metric in sc.GPU_METRICS if metric.kind == "counter")


def shown(session: Session, rows: Sequence[Gpu], now: datetime) -> list[dict[str, Any]]:
    """The cards as JSON says them, in their order."""
    ids = [row.id for row in rows]
    newest = service.newest_readings(session, ids, now)
    counted = _last_day(session, ids, now)
    children = _children(session, rows)
    pools = dict(session.execute(select(Pool.id, Pool.name).where(Pool.id.in_({r.pool_id for r in rows}))).all())
    return [
        {
            "id": row.id,
            "uuid": row.uuid,
            "model": row.model,
            "host": row.host,
            "pool": pools.get(row.pool_id or 0),
            "parent": row.parent or None,
            "instances": children.get(row.uuid, []),
            "first_seen_at": rfc3339(row.first_seen_at),
            "last_seen_at": when(row.seen_at),
        }
        | _now(newest.get(row.id, {}))
        | {"last_day": _counts(counted.get(row.id, {}))}
        for row in rows
    ]


def _now(readings: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Readings of levels; which reasons hold the clocks, which states of memory hold, and each process's memory."""
    plain = {name: each for name, each in readings.items() if ":" not in name and name not in COUNTERS}
    processes = _of(readings, sc.TRIVET_GPU_PROCESS_MEMORY)
    return {
        "readings": plain,
        "throttled_by": sorted(why for why, each in _of(readings, sc.TRIVET_GPU_THROTTLE).items() if each["value"] > 0),
        "row_remap": sorted(what for what, each in _of(readings, sc.TRIVET_GPU_ROW_REMAP).items() if each["value"] > 0),
        "processes": [
            {"pid": pid, "memory_bytes": round(each["value"]), "at": each["at"]}
            for pid, each in sorted(processes.items(), key=lambda item: (-item[1]["value"], item[0]))
        ],
    }


def _counts(totals: Mapping[str, float]) -> dict[str, Any]:
    """What was counted: energy in joules, ECC errors by kind, XID events by code, seconds throttled by reason."""
    return {
        "energy_j": totals.get(sc.HW_ENERGY.name),
        "ecc_errors": _whole(_of(totals, sc.HW_ERRORS)),
        "xid": _whole(_of(totals, sc.TRIVET_GPU_XID)),
        "throttled_s": {why: total for why, total in _of(totals, sc.TRIVET_GPU_THROTTLE_TIME).items() if total},
    }


def _of(by_name: Mapping[str, Any], metric: sc.Metric) -> dict[str, Any]:
    """{detail: …} of a metric."""
    prefix = f"{metric.name}:"
    return {name.removeprefix(prefix): each for name, each in sorted(by_name.items()) if name.startswith(prefix)}


def _whole(totals: Mapping[str, float]) -> dict[str, int]:
    return {detail: round(total) for detail, total in totals.items() if total}


def _last_day(session: Session, ids: Sequence[int], now: datetime) -> dict[int, dict[str, float]]:
    """{gpu id: {metric: how much}} since the beginning of this hour yesterday."""
    counters = or_(GpuRollup.metric.in_(COUNTERS), *(GpuRollup.metric.startswith(f"{name}:") for name in COUNTERS))
    total = func.sum(GpuRollup.total)
    found: dict[int, dict[str, float]] = {}
    for gpu_id, metric, amount in session.execute(
        select(GpuRollup.gpu_id, GpuRollup.metric, total)
        .where(GpuRollup.grain_s == HOUR_S, GpuRollup.gpu_id.in_(ids), GpuRollup.bucket >= floor(now, HOUR_S) - DAY)
        .where(counters)
        .group_by(GpuRollup.gpu_id, GpuRollup.metric)
    ):
        found.setdefault(gpu_id, {})[metric] = amount
    return found


def _children(session: Session, rows: Sequence[Gpu]) -> dict[str, list[str]]:
    """UUIDs of the instances of divided cards."""
    asked = select(Gpu.parent, Gpu.uuid).where(Gpu.parent.in_([row.uuid for row in rows]))
    found: dict[str, list[str]] = {}
    for parent, uuid in session.execute(asked.order_by(Gpu.uuid).limit(CHILDREN_MAX)):
        found.setdefault(parent, []).append(uuid)
    return found
