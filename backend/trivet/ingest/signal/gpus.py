"""GPU readings into the database, once, with what they add to 10-second buckets."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import ARRAY, Integer, any_, func, literal, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trivet import db
from trivet.fleet.models import Gpu, GpuDelta
from trivet.ingest.request.fact import TOO_MANY_NEW_NAMES, TOO_OLD
from trivet.ingest.signal import series
from trivet.ingest.signal.cumulative import Standing, amounts
from trivet.ingest.signal.deltas import Amount
from trivet.ingest.signal.persist import OUT_OF_ORDER
from trivet.ingest.signal.points import ADD, SignalPoint
from trivet.ingest.signal.readings import Reading
from trivet.ingest.store import names, partitions, persist
from trivet.ingest.store.ids import NONE
from trivet.ingest.store.row import instant
from trivet.kit.clock import floor
from trivet.settings import get_settings

BUCKET_S = 10
SEEN_EVERY = timedelta(minutes=1)  # how exactly a card's last sight is known
_ADD = text("""
    INSERT INTO gpu_sample (gpu_id, metric, sampled_at, samples, total, least, most)
    SELECT * FROM unnest(CAST(:gpus AS int4[]), CAST(:metrics AS text[]), CAST(:times AS timestamptz[]),
                         CAST(:samples AS int4[]), CAST(:totals AS float8[]), CAST(:least AS float8[]),
                         CAST(:most AS float8[]))
    ON CONFLICT DO NOTHING RETURNING gpu_id, metric, sampled_at, samples, total, least, most
""")
_THERE = text(
    "SELECT count(*) FROM gpu_sample s JOIN unnest(CAST(:gpus AS int4[]), CAST(:metrics AS text[]), "
    "CAST(:times AS timestamptz[])) AS asked (gpu_id, metric, sampled_at) USING (gpu_id, metric, sampled_at)"
)

Key = tuple[int, str, int]  # gpu, metric, microseconds since 1970


@dataclass(slots=True)
class Stored:
    """What came of some readings: stored now, and refused by reason; the rest were stored before."""

    stored: int = 0
    refused: Counter[str] = field(default_factory=Counter)


def store(readings: Sequence[Reading], *, key_id: int, now: datetime) -> Stored:
    """Store the readings not stored before, and their deltas. Returns after the commit.

    At most `names_per_export_limit` cards never met are made; readings of one more are refused. Names of pools have the
    limit of the key.
    """
    result = Stored()
    if not readings:
        return result
    closed = partitions.ensure("gpu_sample", {partitions.day_of(reading.point.at_us) for reading in readings})
    kept = [reading for reading in readings if partitions.day_of(reading.point.at_us) not in closed]
    result.refused[TOO_OLD] = len(readings) - len(kept)
    told = {reading.gpu: reading for reading in kept}
    ids_of, overflowed = names.ids_of([_names(reading) for reading in told.values()], key_id, None)
    pools = {uuid: ids[_POOL] for uuid, ids in zip(told, ids_of, strict=True)}
    with db.transaction() as session:  # short, so that nobody waits for a card's row while it holds another's series
        gpus = _gpu_ids(session, told, pools, get_settings().names_per_export_limit)
    known = [reading for reading in kept if reading.gpu in gpus]
    result.refused[TOO_MANY_NEW_NAMES] = len(kept) - len(known)
    counted, running = _counted(known, gpus)
    ids = _series(running, key_id, now, result) if running else {}
    with db.transaction() as session:
        more, late = _difference(session, running, ids, gpus)
        new = _add(session, counted | more)
        if new:
            session.execute(insert(GpuDelta), deltas_of(new))
            _seen(session, new)
        result.refused[OUT_OF_ORDER] = len(late) - _there(session, late)
        persist.deny(session, persist.over_limits(overflowed), key_id, now)
    result.stored = len(new)
    result.refused = +result.refused
    return result


_POOL = names.KINDS.index("pool")


def _names(reading: Reading) -> names.Names:
    """What a reading names, in the order of `names.KINDS`."""
    return "", "", ("", ""), "", reading.pool, "", ""


def _gpu_ids(
    session: Session, told: Mapping[str, Reading], pools: Mapping[str, int], new_names_max: int
) -> dict[str, int]:
    """Cards by UUID; one never met is kept, and a card that names a pool belongs to it from then on."""
    known = {uuid: (row_id, pool_id, parent) for uuid, row_id, pool_id, parent in _known(session, told)}
    met = islice((uuid for uuid in told if uuid not in known), new_names_max)
    missing = [
        {"uuid": r.gpu, "model": r.model, "host": r.host, "parent": r.parent, "pool_id": pools[r.gpu] or None}
        for r in (told[uuid] for uuid in sorted(met))
    ]
    if missing:
        session.execute(insert(Gpu).on_conflict_do_nothing(), missing)
        known = {uuid: (row_id, pool_id, parent) for uuid, row_id, pool_id, parent in _known(session, told)}
    for uuid in sorted(known):
        row_id, pool_id, parent = known[uuid]
        own = {"pool_id": pools[uuid] or pool_id, "parent": told[uuid].parent or parent}
        if own != {"pool_id": pool_id, "parent": parent}:
            session.execute(update(Gpu).where(Gpu.id == row_id).values(own))
    return {uuid: row_id for uuid, (row_id, _, _) in known.items()}


def _known(session: Session, uuids: Any) -> Sequence[Any]:
    return session.execute(
        select(Gpu.uuid, Gpu.id, Gpu.pool_id, Gpu.parent).where(Gpu.uuid == func.any(list(uuids)))
    ).all()


def _counted(
    readings: Sequence[Reading], gpus: Mapping[str, int]
) -> tuple[dict[Key, Amount], dict[bytes, list[Reading]]]:
    """What each reading adds, the first of equals; and running totals, by their series."""
    counted: dict[Key, Amount] = {}
    running: dict[bytes, list[Reading]] = {}
    for reading in readings:
        if reading.point.mode == ADD:
            counted.setdefault(_key(gpus, reading, reading.point), reading.point.amount())
        else:
            running.setdefault(reading.point.identity, []).append(reading)
    return counted, running


def _difference(
    session: Session, running: Mapping[bytes, Sequence[Reading]], ids: Mapping[bytes, int], gpus: Mapping[str, int]
) -> tuple[dict[Key, Amount], list[Key]]:
    """What running totals add, and those of them that are not newer than the last."""
    counted: dict[Key, Amount] = {}
    late: list[Key] = []
    if not ids:
        return counted, late
    before = series.standings(session, ids.values())
    after: dict[int, Standing] = {}
    for identity in ids:
        own = running[identity]
        standing, more, old = amounts(before.get(ids[identity], Standing()), [reading.point for reading in own])
        counted.update({_key(gpus, own[0], point): amount for point, amount in more if amount.samples})
        late += [_key(gpus, own[0], point) for point in old]
        if more:
            after[ids[identity]] = standing
    series.stand(session, after)
    return counted, late


def _series(running: Mapping[bytes, Sequence[Reading]], key_id: int, now: datetime, result: Stored) -> dict[bytes, int]:
    """Where the running totals of cards are remembered: series of nobody's, with the card as their detail."""
    limits = get_settings()
    wanted = {
        identity: (NONE, NONE, NONE, NONE, NONE, own[0].point.metric, own[0].gpu) for identity, own in running.items()
    }
    with db.transaction() as session:
        ids, refused = series.ids_of(
            session,
            wanted,
            key_id,
            now,
            export_max=limits.names_per_export_limit,
            key_max=limits.signal_series_limit,
        )
    for identity, reason in refused.items():
        result.refused[reason] += len(running[identity])
    return ids


def _key(gpus: Mapping[str, int], reading: Reading, point: SignalPoint) -> Key:
    return gpus[reading.gpu], point.metric, point.at_us


def _add(session: Session, counted: Mapping[Key, Amount]) -> Sequence[Any]:
    """Store samples; those that were not there yet. Where nobody said the least and the most, they are the mean."""
    keys = sorted(counted)
    each = [counted[key] for key in keys]
    if not keys:
        return []
    return session.execute(
        _ADD,
        {
            "gpus": [gpu_id for gpu_id, _, _ in keys],
            "metrics": [metric for _, metric, _ in keys],
            "times": [instant(at_us) for _, _, at_us in keys],
            "samples": [amount.samples for amount in each],
            "totals": [amount.total for amount in each],
            "least": [amount.last if amount.least is None else amount.least for amount in each],
            "most": [amount.last if amount.most is None else amount.most for amount in each],
        },
    ).all()


def _there(session: Session, late: Sequence[Key]) -> int:
    """How many of some samples were stored before."""
    if not late:
        return 0
    gpus, metrics, times = zip(*late, strict=True)
    asked = {"gpus": list(gpus), "metrics": list(metrics), "times": [instant(at_us) for at_us in times]}
    return session.scalar(_THERE, asked) or 0


def _seen(session: Session, samples: Iterable[Any]) -> None:
    """Note when cards were last seen, about once a minute."""
    newest: dict[int, datetime] = {}
    for gpu_id, _, sampled_at, *_ in samples:
        newest[gpu_id] = max(newest.get(gpu_id, sampled_at), sampled_at)
    asked = literal(sorted(newest), ARRAY(Integer))
    stale = session.execute(select(Gpu.id, Gpu.seen_at).where(Gpu.id == any_(asked)).order_by(Gpu.id)).all()
    for gpu_id, seen_at in stale:
        if seen_at is None or newest[gpu_id] - seen_at >= SEEN_EVERY:
            later = or_(Gpu.seen_at.is_(None), Gpu.seen_at < newest[gpu_id])
            session.execute(update(Gpu).where(Gpu.id == gpu_id, later).values(seen_at=newest[gpu_id]))


def deltas_of(samples: Iterable[Any]) -> list[dict[str, Any]]:
    """What samples (gpu_id, metric, sampled_at, samples, total, least, most) add to each bucket."""
    groups: dict[tuple[datetime, int, str], list[Any]] = {}
    for gpu_id, metric, sampled_at, *values in samples:
        groups.setdefault((floor(sampled_at, BUCKET_S), gpu_id, metric), []).append(values)
    return [
        {
            "bucket": bucket,
            "gpu_id": gpu_id,
            "metric": metric,
            "samples": sum(samples for samples, *_ in values),
            "total": sum(total for _, total, *_ in values),
            "least": min(least for _, _, least, _ in values),
            "most": max(most for *_, most in values),
        }
        for (bucket, gpu_id, metric), values in sorted(groups.items())
    ]
