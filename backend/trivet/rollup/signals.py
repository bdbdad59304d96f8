"""Signals as guards, pages and the API read them: rollups plus what is not folded yet, in one statement, so one snapshot."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from sqlalchemy import ColumnElement, LargeBinary, Select, func, literal, select, union_all
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import Session

from trivet.archive import facts
from trivet.fleet.signal_models import SIGNAL_DIMENSIONS, SIGNAL_MEASURES, SignalDelta, SignalRollup
from trivet.kit import histogram
from trivet.kit.interval import Interval
from trivet.rollup.cover import Segment, cover
from trivet.rollup.read import one_of

BUCKET = "bucket"


@dataclass(frozen=True, slots=True)
class Signal:
    """Some points of a signal together, in its metric's unit. `least`, `most` None: nobody said; `last_at` None: no point."""

    samples: int = 0
    total: float = 0.0
    least: float | None = None
    most: float | None = None
    last: float = 0.0
    last_at: datetime | None = None
    histogram: bytes = b""

    @property
    def mean(self) -> float | None:
        """Of a gauge: its mean over its samples. None where there was no point."""
        return self.total / self.samples if self.samples else None

    def quantiles_ms(self) -> list[float | None]:
        """p50, p90, p95 and p99 of a latency, in milliseconds; None where nothing was measured."""
        return histogram.quantiles_ms(self.histogram)

    def __add__(self, other: Self) -> Self:
        last_at, last = max(((s.last_at, s.last) for s in (self, other) if s.last_at), default=(None, 0.0))
        least = [each.least for each in (self, other) if each.least is not None]
        most = [each.most for each in (self, other) if each.most is not None]
        return type(self)(
            self.samples + other.samples,
            self.total + other.total,
            min(least, default=None),
            max(most, default=None),
            last,
            last_at,
            histogram.compact(self.histogram + other.histogram),
        )


def read(
    session: Session,
    interval: Interval,
    group_by: Sequence[str],
    where: Mapping[str, Collection[Any]] | None = None,
    *,
    grain_s: int | None = None,
    limit: int | None = None,
) -> dict[tuple[Any, ...], Signal]:
    """Signals in an interval by some of `SIGNAL_DIMENSIONS` and optionally "bucket" (its start; 10 s without a grain).

    The ends must fall on buckets (of `grain_s` where given, else of 10 s), else `Invalid`. `where` keeps rows whose
    dimension has one of the values. Keys are in the order of `group_by`, ascending. With `limit`, no more groups.
    """
    if BUCKET in group_by and grain_s is None:
        grain_s = 10
    where = where or {}
    segments = cover(interval, grain_s)
    facts.must_be_kept(session, segments)
    parts = [_part(segment, group_by, where, grain_s) for segment in segments]
    rows = union_all(*parts, _part((0, interval), group_by, where, grain_s)).subquery()
    keys = [rows.c[name] for name in group_by]
    newest = func.array_agg(aggregate_order_by(rows.c.last, rows.c.last_at.desc(), rows.c.last.desc()))
    query = select(
        *keys,
        func.sum(rows.c.samples),
        func.sum(rows.c.total),
        func.min(rows.c.least),
        func.max(rows.c.most),
        newest[1],
        func.max(rows.c.last_at),
        func.string_agg(rows.c.histogram, literal(b"", LargeBinary())),
    )
    found = session.execute(query.group_by(*keys).order_by(*keys).limit(limit))
    return {tuple(row[: len(keys)]): _signal(row[len(keys) :]) for row in found if row[len(keys)] is not None}


def _signal(values: Sequence[Any]) -> Signal:
    samples, total, least, most, last, last_at, joined = values
    bins = histogram.compact(joined) if joined else b""
    return Signal(int(samples), total, least, most, last, last_at, bins)


def _part(
    segment: Segment, group_by: Sequence[str], where: Mapping[str, Collection[Any]], grain_s: int | None
) -> Select[Any]:
    """Rows of one grain for its part of the interval; grain 0 means the deltas, for all of it."""
    grain, interval = segment
    table: Any = SignalRollup if grain else SignalDelta
    keys = [_bucket(table, grain, grain_s) if name == BUCKET else _dimension(table, name) for name in group_by]
    within = [table.bucket >= interval.start, table.bucket < interval.end]
    if grain:
        within.append(SignalRollup.grain_s == grain)
    kept = [one_of(_dimension(table, name), values) for name, values in where.items()]
    return select(*keys, *(getattr(table, name) for name in SIGNAL_MEASURES)).where(*within, *kept)


def _bucket(table: Any, grain: int, grain_s: int | None) -> ColumnElement[datetime]:
    if grain == grain_s:
        return table.bucket.label(BUCKET)  # type: ignore[no-any-return]  # a mapped column
    width = func.make_interval(0, 0, 0, 0, 0, 0, literal(grain_s))
    return func.date_bin(width, table.bucket, func.to_timestamp(0)).label(BUCKET)


def _dimension(table: Any, name: str) -> Any:
    if name not in SIGNAL_DIMENSIONS:
        raise ValueError(f"{name} is not one of {SIGNAL_DIMENSIONS}")
    return getattr(table, name)
