"""Take deltas, add them to the rollups. Adding commutes, so two folders at once are harmless."""

from collections.abc import Iterable
from functools import cache
from typing import Any

from sqlalchemy import Select, TextClause, delete, func, select, text, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trivet.fleet.models import GpuDelta, GpuRollup
from trivet.ingest.models import COUNTS, HISTOGRAMS, UsageDelta
from trivet.kit import histogram
from trivet.kit.locks import Lock
from trivet.rollup.fold import COLUMNS, GPU_COLUMNS, GPU_KEY, KEY, fold, fold_gpu
from trivet.rollup.models import GRAINS_S, ROLLUPS

# A rollup's histogram grows by joining bytes and is compacted once it is longer than this: some folds later, not each.
COMPACT_BYTES = 6_000
WRITE_ROWS = 5_000
_POSTGRES = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped


def fold_usage(session: Session, limit: int) -> int:
    """Fold up to `limit` of the oldest usage deltas into every rollup; says how many it took."""
    session.execute(text("SELECT pg_advisory_xact_lock_shared(:id)"), {"id": Lock.FOLD})
    rows = _take(session, UsageDelta, COLUMNS, limit)
    add_rows(session, rows)
    return len(rows)


def keep_folds_out(session: Session) -> None:
    """Wait for folds at work and let none begin until this transaction ends."""
    session.execute(text("SELECT pg_advisory_xact_lock(:id)"), {"id": Lock.FOLD})


def add_rows(session: Session, rows: Iterable[Any]) -> None:
    """Add usage rows to the rollups of every grain, and mark their hours as due for posting."""
    for grain_s in GRAINS_S:
        rows = fold(rows, grain_s)
        _add(session, ROLLUPS[grain_s], rows)
    mark_due(session, {row[0] for row in rows})


def mark_due(session: Session, hours: set[Any]) -> None:
    """Say that these hours' usage changed. The ledger posts them (its table is named by string: it comes later)."""
    if hours:
        session.execute(
            text("INSERT INTO hour_due (hour) SELECT unnest(cast(:hours AS timestamptz[])) ON CONFLICT DO NOTHING"),
            {"hours": sorted(hours)},
        )


def fold_gpu_readings(session: Session, limit: int) -> int:
    """Fold up to `limit` of the oldest GPU deltas; says how many it took."""
    rows: Any = _take(session, GpuDelta, GPU_COLUMNS, limit)
    taken = len(rows)
    for grain_s in GRAINS_S:
        rows = fold_gpu(rows, grain_s)
        _add_gpu(session, grain_s, rows)
    return taken


def _take(session: Session, table: Any, columns: tuple[str, ...], limit: int) -> list[Any]:
    """Delete the oldest rows that nobody else is taking, and return them.

    The ids are gathered in an array first: as a plain subquery the planner might run it more than once.
    """
    oldest: Select[Any] = select(table.id).order_by(table.id).limit(limit).with_for_update(skip_locked=True)
    taken = delete(table).where(table.id == func.any(func.array(oldest.scalar_subquery())))
    return list(session.execute(taken.returning(*(getattr(table, name) for name in columns))))


def _add(session: Session, table: Any, rows: list[tuple[Any, ...]]) -> None:
    put = _upsert(table)
    for start in range(0, len(rows), WRITE_ROWS):
        columns = zip(*rows[start : start + WRITE_ROWS], strict=True)
        values = {name: list(column) for name, column in zip(COLUMNS, columns, strict=True)}
        _compact(session, table, session.execute(put, values))


@cache
def _upsert(table: Any) -> TextClause:
    """Add rows given as one array a column: one statement to parse, however many rows. Returns keys and, where they
    have become long, histograms.
    """
    columns = table.__table__.c
    types = {name: columns[name].type.compile(dialect=_POSTGRES) for name in COLUMNS}
    arrays = ", ".join(f"CAST(:{name} AS {types[name]}[])" for name in COLUMNS)
    plus = ", ".join(f"{name} = own.{name} + excluded.{name}" for name in COUNTS)
    join = ", ".join(f"{name} = own.{name} || excluded.{name}" for name in HISTOGRAMS)
    long = ", ".join(f"CASE WHEN octet_length(own.{name}) > {COMPACT_BYTES} THEN own.{name} END" for name in HISTOGRAMS)
    own = ", ".join(f"own.{name}" for name in KEY)
    return text(
        f"INSERT INTO {table.__tablename__} AS own ({', '.join(COLUMNS)}) SELECT * FROM unnest({arrays}) "  # noqa: S608  # names of our own models
        f"ON CONFLICT ({', '.join(KEY)}) DO UPDATE SET {plus}, {join} RETURNING {own}, {long}"
    )


def _compact(session: Session, table: Any, written: Iterable[Any]) -> None:
    """Bring long histograms back to one record a bin. Their rows are locked by the write that has just been made."""
    for row in written:
        long = {
            name: histogram.compact(data)
            for name, data in zip(HISTOGRAMS, row[len(KEY) :], strict=True)
            if data is not None
        }
        if long:
            own = [getattr(table, name) == value for name, value in zip(KEY, row, strict=False)]
            session.execute(update(table).where(*own).values(long))


def _add_gpu(session: Session, grain_s: int, rows: list[tuple[Any, ...]]) -> None:
    put = insert(GpuRollup)
    put = put.on_conflict_do_update(
        index_elements=["grain_s", *GPU_KEY],
        set_={
            "samples": GpuRollup.samples + put.excluded.samples,
            "total": GpuRollup.total + put.excluded.total,
            "least": func.least(GpuRollup.least, put.excluded.least),
            "most": func.greatest(GpuRollup.most, put.excluded.most),
        },
    )
    for start in range(0, len(rows), WRITE_ROWS):
        batch = [
            {"grain_s": grain_s} | dict(zip(GPU_COLUMNS, r, strict=True)) for r in rows[start : start + WRITE_ROWS]
        ]
        session.execute(put, batch)
