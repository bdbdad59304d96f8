"""Signal points into the database: each once, with what it adds to 10-second buckets. Returns after the commit."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg import Connection, sql
from sqlalchemy import text
from sqlalchemy.orm import Session

from trivet import db
from trivet.fleet.signal_models import SIGNAL_DIMENSIONS
from trivet.ingest.decode.point import digest_of
from trivet.ingest.request.fact import TOO_OLD
from trivet.ingest.signal import series
from trivet.ingest.signal.cumulative import Standing, amounts
from trivet.ingest.signal.deltas import DELTA_COLUMNS, DELTA_TYPES, Amount, Key, deltas_of
from trivet.ingest.signal.points import ADD, SignalPoint
from trivet.ingest.store import names, partitions, persist
from trivet.ingest.store.row import instant
from trivet.kit import histogram
from trivet.settings import get_settings

OUT_OF_ORDER = "out_of_order"
_SAMPLE_TYPES = {
    "series_id": "int4",
    "sampled_at": "timestamptz",
    "samples": "int8",
    "total": "float8",
    "least": "float8",
    "most": "float8",
    "histogram": "bytea",
}
_ADD = text(
    f"INSERT INTO signal_sample ({', '.join(_SAMPLE_TYPES)}) SELECT * FROM unnest("  # noqa: S608  # names of our own columns
    + ", ".join(f"CAST(:{name} AS {kind}[])" for name, kind in _SAMPLE_TYPES.items())
    + ") ON CONFLICT DO NOTHING RETURNING series_id, sampled_at"
)
_THERE = text(
    "SELECT count(*) FROM signal_sample s JOIN unnest(CAST(:ids AS int4[]), CAST(:times AS timestamptz[])) "
    "AS asked (series_id, sampled_at) USING (series_id, sampled_at)"
)


@dataclass(slots=True)
class Stored:
    """What came of some points: stored now, stored before, and refused by reason."""

    stored: int = 0
    duplicates: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    overflowed: Counter[str] = field(default_factory=Counter)  # kept under the name `overflow`, by kind of name


def store(
    points: Sequence[SignalPoint],
    *,
    tenant_id: int | None,
    key_id: int,
    now: datetime,
    refused: Counter[str] | None = None,
) -> Stored:
    """Store points not stored before; a key bound to a tenant (`tenant_id`) decides the tenant of all.

    What was `refused` before is counted in the same transaction.
    """
    result = Stored(refused=Counter(refused or {}))
    keyed = _keyed(points, tenant_id, key_id, now, result)
    if not keyed and not result.refused:
        return result
    closed = partitions.ensure("signal_sample", {partitions.day_of(point.at_us) for _, _, point in keyed})
    kept = [each for each in keyed if partitions.day_of(each[2].at_us) not in closed]
    result.refused = +(result.refused + Counter({TOO_OLD: len(keyed) - len(kept)}))
    with db.transaction() as session:
        _write(session, kept, result)
        persist.deny(session, result.refused + persist.over_limits(result.overflowed), key_id, now)
    return result


Keyed = tuple[int, Key, SignalPoint]  # of which series


def _keyed(
    points: Sequence[SignalPoint], tenant_id: int | None, key_id: int, now: datetime, result: Stored
) -> list[Keyed]:
    """The points with their series, in short transactions of their own; those without one are refused."""
    if not points:
        return []
    ids, result.overflowed = names.ids_of([_names(point) for point in points], key_id, tenant_id)
    keys = [_key(own, point) for own, point in zip(ids, points, strict=True)]
    identities = [digest_of(point.identity.hex(), key) for key, point in zip(keys, points, strict=True)]
    limits = get_settings()
    with db.transaction() as session:
        found, refused = series.ids_of(
            session,
            dict(zip(identities, keys, strict=True)),
            key_id,
            now,
            export_max=limits.names_per_export_limit,
            key_max=limits.signal_series_limit,
        )
    result.refused.update(refused[identity] for identity in identities if identity in refused)
    each = zip(identities, keys, points, strict=True)
    return [(found[identity], key, point) for identity, key, point in each if identity in found]


def _key(ids: names.Ids, point: SignalPoint) -> Key:
    tenant, scenario, model, backend, pool, *_ = ids
    return tenant, scenario, model, backend, pool, point.metric, point.detail


def _names(point: SignalPoint) -> names.Names:
    """What a point names, in the order of `names.KINDS`, which begins as the dimensions of signals do."""
    place = point.place
    model = (place.provider, place.model) if place.model else ("", "")
    return place.tenant, place.scenario, model, place.backend, place.pool, "", ""


assert [f"{kind}_id" for kind in names.KINDS[:5]] == list(SIGNAL_DIMENSIONS[:5])


def _write(session: Session, keyed: Sequence[Keyed], result: Stored) -> None:
    """Samples and deltas. Series whose counts are differences are held first, by id; samples go in by key: no circle."""
    counted: dict[tuple[int, int], tuple[Key, Amount]] = {}
    late: list[tuple[int, int]] = []
    running = [each for each in keyed if each[2].mode != ADD]
    if running:
        _difference(session, running, counted, late)
    for series_id, key, point in keyed:
        if point.mode == ADD:
            counted.setdefault((series_id, point.at_us), (key, point.amount()))
    new = add_samples(session, counted)
    add_deltas(session, [(key, at_us, amount) for (_, at_us), (key, amount) in new.items() if amount.samples])
    times = {"ids": [row_id for row_id, _ in late], "times": [instant(at_us) for _, at_us in late]}
    out_of_order = len(late) - (session.scalar(_THERE, times) or 0) if late else 0
    result.refused = +(result.refused + Counter({OUT_OF_ORDER: out_of_order}))
    result.stored = len(new)
    result.duplicates = len(keyed) - len(new) - out_of_order


def _difference(
    session: Session,
    running: Sequence[Keyed],
    counted: dict[tuple[int, int], tuple[Key, Amount]],
    late: list[tuple[int, int]],
) -> None:
    by_series: dict[int, list[SignalPoint]] = {}
    keys: dict[int, Key] = {}
    for series_id, key, point in running:
        by_series.setdefault(series_id, []).append(point)
        keys[series_id] = key
    before = series.standings(session, by_series)
    after: dict[int, Standing] = {}
    for series_id, points in by_series.items():
        standing, more, old = amounts(before.get(series_id, Standing()), points)
        counted.update({(series_id, point.at_us): (keys[series_id], amount) for point, amount in more})
        late += [(series_id, point.at_us) for point in old]
        if more:
            after[series_id] = standing
    series.stand(session, after)


def add_samples(
    session: Session, counted: dict[tuple[int, int], tuple[Key, Amount]]
) -> dict[tuple[int, int], tuple[Key, Amount]]:
    """Store samples by (series, microseconds since 1970); those that were not there yet."""
    if not counted:
        return {}
    keys = sorted(counted)
    each = [counted[key][1] for key in keys]
    columns = {
        "series_id": [series_id for series_id, _ in keys],
        "sampled_at": [instant(at_us) for _, at_us in keys],
        "samples": [amount.samples for amount in each],
        "total": [amount.total for amount in each],
        "least": [amount.least for amount in each],
        "most": [amount.most for amount in each],
        "histogram": [histogram.encode(dict(amount.bins)) for amount in each],
    }
    added = {(row_id, at) for row_id, at in session.execute(_ADD, columns)}
    if len(added) == len(keys):
        return counted
    return {key: counted[key] for key in keys if (key[0], instant(key[1])) in added}


def add_deltas(session: Session, points: Iterable[tuple[Key, int, Amount]]) -> None:
    """Leave what points add for the fold."""
    rows = deltas_of(points)
    if not rows:
        return
    connection: Connection[Any] = session.connection().connection.driver_connection  # type: ignore[assignment]  # psycopg's
    columns = sql.SQL(", ").join(map(sql.Identifier, DELTA_COLUMNS))
    statement = sql.SQL("COPY signal_delta ({}) FROM STDIN (FORMAT BINARY)").format(columns)
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types(DELTA_TYPES)
        for row in rows:
            copy.write_row(row)
