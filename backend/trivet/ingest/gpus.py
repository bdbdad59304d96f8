"""GPU readings into the database, once, with what they add to 10-second buckets."""

from collections.abc import Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trivet import db
from trivet.fleet.models import Gpu, GpuDelta
from trivet.ingest import partitions
from trivet.ingest.dimensions import ids_of
from trivet.ingest.readings import Reading
from trivet.ingest.row import instant
from trivet.kit.clock import floor

BUCKET_S = 10
_ADD = text("""
    INSERT INTO gpu_sample (gpu_id, metric, sampled_at, value)
    SELECT * FROM unnest(CAST(:gpus AS int4[]), CAST(:metrics AS text[]), CAST(:times AS timestamptz[]),
                         CAST(:values AS float8[]))
    ON CONFLICT DO NOTHING RETURNING gpu_id, metric, sampled_at, value
""")


def store(readings: Sequence[Reading], new_names_max: int) -> tuple[int, list[Reading]]:
    """Store the readings not stored before, and their deltas; how many were new, and those refused.

    At most `new_names_max` cards and pools never met are made; readings of one more are refused. Returns after the commit.
    """
    if not readings:
        return 0, []
    partitions.ensure("gpu_sample", {partitions.day_of(reading.at_us) for reading in readings})
    with db.transaction() as session:
        gpus = _gpu_ids(session, readings, new_names_max)
        new = _add(session, [reading for reading in readings if reading.gpu in gpus], gpus)
        if new:
            session.execute(insert(GpuDelta), deltas_of(new))
    return len(new), [reading for reading in readings if reading.gpu not in gpus]


def _gpu_ids(session: Session, readings: Sequence[Reading], new_names_max: int) -> dict[str, int]:
    """Cards by UUID; one never met is kept, and a card that names a pool belongs to it from then on."""
    told = {reading.gpu: reading for reading in readings}
    pools = ids_of(session, "pool", (reading.pool for reading in told.values()), new_names_max)
    told = {uuid: reading for uuid, reading in told.items() if not reading.pool or reading.pool in pools}
    known = {uuid: (row_id, pool_id) for uuid, row_id, pool_id in _known(session, told)}
    met = islice((uuid for uuid in told if uuid not in known), new_names_max)
    missing = [
        {"uuid": r.gpu, "model": r.model, "host": r.host, "pool_id": pools.get(r.pool)}
        for r in (told[uuid] for uuid in sorted(met))
    ]
    if missing:
        session.execute(insert(Gpu).on_conflict_do_nothing(), missing)
        known = {uuid: (row_id, pool_id) for uuid, row_id, pool_id in _known(session, told)}
    for uuid in sorted(known):
        wanted = pools.get(told[uuid].pool)
        if wanted is not None and wanted != known[uuid][1]:
            session.execute(update(Gpu).where(Gpu.id == known[uuid][0]).values(pool_id=wanted))
    return {uuid: row_id for uuid, (row_id, _) in known.items()}


def _known(session: Session, uuids: Any) -> Sequence[Any]:
    return session.execute(select(Gpu.uuid, Gpu.id, Gpu.pool_id).where(Gpu.uuid == func.any(list(uuids)))).all()


def _add(session: Session, readings: Sequence[Reading], gpus: dict[str, int]) -> Sequence[Any]:
    unique = {(gpus[r.gpu], r.metric, r.at_us): r.value for r in reversed(readings)}
    keys = sorted(unique)
    return session.execute(
        _ADD,
        {
            "gpus": [gpu_id for gpu_id, _, _ in keys],
            "metrics": [metric for _, metric, _ in keys],
            "times": [instant(at_us) for _, _, at_us in keys],
            "values": [unique[key] for key in keys],
        },
    ).all()


def deltas_of(samples: Sequence[Any]) -> list[dict[str, Any]]:
    """What samples (gpu_id, metric, sampled_at, value) add to each bucket."""
    groups: dict[tuple[datetime, int, str], list[float]] = {}
    for gpu_id, metric, sampled_at, value in samples:
        groups.setdefault((floor(sampled_at, BUCKET_S), gpu_id, metric), []).append(value)
    return [
        {
            "bucket": bucket,
            "gpu_id": gpu_id,
            "metric": metric,
            "samples": len(values),
            "total": sum(values),
            "least": min(values),
            "most": max(values),
        }
        for (bucket, gpu_id, metric), values in sorted(groups.items())
    ]
