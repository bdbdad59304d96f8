"""Signals of 10 seconds, folded: the pure sums, and the task's statement that takes deltas and adds them to the rollups."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import text, update
from sqlalchemy.orm import Session

from trivet.fleet.signal_models import SIGNAL_DIMENSIONS, SIGNAL_MEASURES, SignalRollup
from trivet.kit import histogram
from trivet.kit.clock import floor
from trivet.rollup.models import GRAINS_S
from trivet.rollup.service import mark_due
from trivet_collectors import semconv as sc

KEY = ("bucket", *SIGNAL_DIMENSIONS)
COLUMNS = (*KEY, *SIGNAL_MEASURES)
TYPES = (
    "timestamptz", *["int4"] * 5, "text", "text", "int8", *["float8"] * 4, "timestamptz", "bytea",
)  # fmt: skip
COMPACT_BYTES = 6_000  # a rollup's histogram grows by joining bytes, and is compacted once it is longer
WRITE_ROWS = 5_000
assert len(TYPES) == len(COLUMNS)

Row = Sequence[Any]
# Signals that have a price by the piece: their hours are posted.
WITH_PRICE = frozenset({sc.TRIVET_TOOL_CALLS.name, sc.TRIVET_RETRIEVAL_CALLS.name})
_METRIC = KEY.index("metric")
HOUR_S = 3600

_COLUMNS = ", ".join(COLUMNS)
_TAKE = text(
    # The ids are gathered in an array first: as a plain subquery the planner might run it more than once.
    f"DELETE FROM signal_delta WHERE id = ANY(ARRAY(SELECT id FROM signal_delta ORDER BY id LIMIT :limit "  # noqa: S608  # names of our own model
    f"FOR UPDATE SKIP LOCKED)) RETURNING {_COLUMNS}"
)
_ADD = text(
    f"INSERT INTO signal_rollup AS own (grain_s, {_COLUMNS}) SELECT :grain_s, * FROM unnest("  # noqa: S608  # names of our own model
    + ", ".join(f"CAST(:{name} AS {kind}[])" for name, kind in zip(COLUMNS, TYPES, strict=True))
    + f") ON CONFLICT (grain_s, {', '.join(KEY)}) DO UPDATE SET samples = own.samples + excluded.samples, "
    "total = own.total + excluded.total, least = least(own.least, excluded.least), "
    "most = greatest(own.most, excluded.most), last = CASE WHEN (excluded.last_at, excluded.last) > "
    "(own.last_at, own.last) THEN excluded.last ELSE own.last END, last_at = greatest(own.last_at, excluded.last_at), "
    "histogram = own.histogram || excluded.histogram "
    f"RETURNING {', '.join(f'own.{name}' for name in KEY)}, "
    f"CASE WHEN octet_length(own.histogram) > {COMPACT_BYTES} THEN own.histogram END"
)


def fold(rows: Iterable[Row], grain_s: int) -> list[tuple[Any, ...]]:
    """One row in the order of `COLUMNS` for each bucket of `grain_s` seconds and set of dimensions, in key order.

    Pure. The same rows in any order and any batches give the same result, where totals are whole numbers to the last
    bit. Of two values at one instant the larger is the newest.
    """
    groups: dict[tuple[Any, ...], list[Any]] = {}
    for row in rows:
        key = (floor(row[0], grain_s), *row[1 : len(KEY)])
        sums = groups.get(key)
        if sums is None:
            groups[key] = [*row[len(KEY) : -1], [row[-1]]]
        else:
            _merge(sums, row[len(KEY) :])
    return [(*key, *sums[:-1], _joined(sums[-1])) for key, sums in sorted(groups.items())]


def _merge(sums: list[Any], more: Row) -> None:
    samples, total, least, most, last, last_at, bins = more
    sums[0] += samples
    sums[1] += total
    sums[2] = _of(min, sums[2], least)
    sums[3] = _of(max, sums[3], most)
    sums[5], sums[4] = max((sums[5], sums[4]), (last_at, last))
    sums[6].append(bins)


def _of(choose: Any, one: float | None, other: float | None) -> float | None:
    known = [value for value in (one, other) if value is not None]
    return choose(known) if known else None


def _joined(parts: list[bytes]) -> bytes:
    joined = b"".join(parts)
    return histogram.compact(joined) if joined else b""


def fold_signals(session: Session, limit: int) -> int:
    """Fold up to `limit` of the oldest signal deltas into every grain; says how many it took.

    Adding commutes and each delta is taken once, so folders beside each other leave exact totals.
    """
    rows: Any = session.execute(_TAKE, {"limit": limit}).all()
    taken = len(rows)
    due = {floor(row[0], HOUR_S) for row in rows if row[_METRIC] in WITH_PRICE}
    for grain_s in GRAINS_S:
        rows = fold(rows, grain_s)
        _add(session, grain_s, rows)
    mark_due(session, due)
    return taken


def _add(session: Session, grain_s: int, rows: list[tuple[Any, ...]]) -> None:
    for start in range(0, len(rows), WRITE_ROWS):
        columns = zip(*rows[start : start + WRITE_ROWS], strict=True)
        values = {name: list(column) for name, column in zip(COLUMNS, columns, strict=True)}
        for *key, long in session.execute(_ADD, {"grain_s": grain_s} | values).all():
            if long is not None:
                _compact(session, grain_s, key, long)


def _compact(session: Session, grain_s: int, key: list[datetime | int | str], long: bytes) -> None:
    """Bring a long histogram back to one record a bin. Its row is locked by the write that has just been made."""
    own = [getattr(SignalRollup, name) == value for name, value in zip(KEY, key, strict=True)]
    session.execute(
        update(SignalRollup).where(SignalRollup.grain_s == grain_s, *own).values(histogram=histogram.compact(long))
    )
