"""Usage as guards, pages and the API read it: rollups plus what is not folded yet, in one statement.

One statement means one snapshot: a delta is seen either in its own table or in the rollup, never twice and never not.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Any, Self

from sqlalchemy import ARRAY, ColumnElement, LargeBinary, Select, Subquery, any_, func, literal, select, union_all
from sqlalchemy.orm import Session

from trivet.archive import facts
from trivet.ingest.models import COUNTS, DIMENSIONS, HISTOGRAMS, UsageDelta
from trivet.kit import histogram
from trivet.kit.interval import Interval
from trivet.rollup.cover import Segment, cover
from trivet.rollup.fold import total
from trivet.rollup.models import ROLLUPS

QUANTILES = ("p50", "p90", "p95", "p99")
COMPACT_BYTES = 2_048
# Joined histograms are far larger than merged ones: they come piece by piece, those of few large groups in slices.
STREAMED = 512
SLICES = 64


@dataclass(frozen=True, slots=True)
class Usage:
    """Sums over some requests. Tokens by disjoint kinds; `cost` in one currency only where grouped by currency."""

    requests: int = 0
    errors: int = 0
    timeouts: int = 0
    refusals: int = 0
    rejections: int = 0
    unpriced_requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    cost: Decimal = Decimal(0)
    scores: int = 0
    score_total: float = 0.0
    latency: bytes = b""
    ttft: bytes = b""
    inter_token: bytes = b""

    def __add__(self, other: Self) -> Self:
        counts: dict[str, Any] = {name: total((getattr(self, name), getattr(other, name))) for name in COUNTS}
        for name in HISTOGRAMS:
            counts[name] = histogram.compact(getattr(self, name) + getattr(other, name))
        return type(self)(**counts)

    @property
    def tokens(self) -> int:
        """All tokens, whatever their kind."""
        return (
            self.input_tokens
            + self.output_tokens
            + self.cache_read_tokens
            + self.cache_write_tokens
            + self.reasoning_tokens
        )

    @property
    def served(self) -> int:
        """Requests that were let in: what rates of errors and timeouts are shares of."""
        return self.requests - self.rejections

    @property
    def priced(self) -> int:
        """Requests that were let in and have a price; none below zero, as what repricing takes back may come first."""
        return max(0, self.served - self.unpriced_requests)

    @property
    def score(self) -> float | None:
        """Mean quality score; None where nothing was scored."""
        return self.score_total / self.scores if self.scores else None

    def share(self, count: str) -> float | None:
        """Share of served requests that were `errors`, `timeouts` or `refusals`; None where none was served."""
        return getattr(self, count) / self.served if self.served > 0 else None

    def quantiles_ms(self, measure: str) -> dict[str, float | None]:
        """`{"p50": 1.0, "p90": …}` of `latency`, `ttft` or `inter_token`, in milliseconds."""
        return dict(zip(QUANTILES, histogram.quantiles_ms(getattr(self, measure)), strict=True))

    def quantile_ms(self, measure: str, q: float) -> float | None:
        """One quantile of a measure, in milliseconds; None where nothing was measured."""
        return histogram.quantiles_ms(getattr(self, measure), [q])[0]


assert tuple(f.name for f in fields(Usage)) == (*COUNTS, *HISTOGRAMS)


def usage(
    session: Session,
    interval: Interval,
    group_by: Sequence[str],
    where: Mapping[str, Collection[Any]] | None = None,
    grain_s: int | None = None,
    *,
    limit: int | None = None,
) -> dict[tuple[Any, ...], Usage]:
    """Usage in an interval by some of `DIMENSIONS` and optionally "bucket" (its start; 10 s unless a grain is given).

    The ends must fall on buckets: of `grain_s` where it is given, else of 10 s (`Invalid` otherwise, and where they
    need rollups that are not kept any more). `where` keeps
    rows whose dimension has one of the values. Keys of the answer are in the order of `group_by`. With a `limit`, no
    more groups than that; where there are as many, they may be incomplete: ask for one more than you take.
    """
    if "bucket" in group_by and grain_s is None:
        grain_s = 10
    facts.must_be_kept(session, cover(interval, grain_s))
    keys, slices = list(group_by), 1
    options: dict[str, Any] = {}
    if limit is not None:
        slices = 1 if "tenant_id" in group_by else SLICES
        options = {"yield_per": STREAMED // slices}
    rows = _rows(interval, keys if slices == 1 else [*keys, "tenant_id"], (*COUNTS, *HISTOGRAMS), where or {}, grain_s)
    by = [rows.c[name] for name in keys]
    query = select(*by, *(func.sum(rows.c[name]) for name in COUNTS), *(_joined(rows.c[name]) for name in HISTOGRAMS))
    query = query.group_by(*by, *([rows.c.tenant_id % slices] if slices > 1 else []))
    query = query.limit(None if limit is None else limit * slices)
    with session.execute(query, execution_options=options) as found:
        return _gathered(found, len(keys), limit)


def _gathered(rows: Iterable[Sequence[Any]], width: int, limit: int | None) -> dict[tuple[Any, ...], Usage]:
    """Usage by key, the slices of each put together, up to a limit of keys."""
    found: dict[tuple[Any, ...], Usage] = {}
    for row in rows:
        if row[width] is None:  # the sum of no rows at all
            continue
        key, each = tuple(row[:width]), _usage(row[width:])
        found[key] = found[key] + each if key in found else each
        if len(found) == limit:
            break
    return found


def cost(
    session: Session,
    interval: Interval,
    group_by: Sequence[str],
    where: Mapping[str, Collection[Any]] | None = None,
    *,
    limit: int | None = None,
) -> dict[tuple[Any, ...], Decimal]:
    """`usage(…).cost` by some of `DIMENSIONS`, of the groups that have one, without reading anything else."""
    facts.must_be_kept(session, cover(interval))
    rows = _rows(interval, group_by, ("cost",), where or {}, None)
    keys = [rows.c[name] for name in group_by]
    amount = func.sum(rows.c.cost)
    found = session.execute(select(*keys, amount).group_by(*keys).having(amount != 0).limit(limit))
    return {tuple(key): each for *key, each in found}


def counts(
    session: Session,
    interval: Interval,
    group_by: Sequence[str],
    measures: Sequence[str],
    where: Mapping[str, Collection[Any]] | None = None,
    *,
    limit: int | None = None,
) -> dict[tuple[Any, ...], tuple[int, ...]]:
    """Some of `COUNTS` that are whole numbers, in the order of `measures`, by some of `DIMENSIONS`; nothing else is read."""
    facts.must_be_kept(session, cover(interval))
    rows = _rows(interval, group_by, measures, where or {}, None)
    keys, sums = [rows.c[name] for name in group_by], [func.sum(rows.c[name]) for name in measures]
    found = session.execute(select(*keys, *sums).group_by(*keys).limit(limit))
    width = len(keys)
    return {tuple(row[:width]): tuple(map(int, row[width:])) for row in found if row[width] is not None}


def sums(
    session: Session,
    interval: Interval,
    group_by: Sequence[str],
    measures: Sequence[str],
    where: Mapping[str, Collection[Any]],
    *,
    grain_s: int,
    some: str | None = None,
) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """Some of `COUNTS` by some of `DIMENSIONS` and "bucket", as `usage` does, without reading any histogram.

    `some`: only groups in which this count, one of `measures`, is not nothing.
    """
    facts.must_be_kept(session, cover(interval, grain_s))
    rows = _rows(interval, group_by, measures, where, grain_s)
    keys = [rows.c[name] for name in group_by]
    query = select(*keys, *(func.sum(rows.c[name]) for name in measures)).group_by(*keys)
    found = session.execute(query.having(func.sum(rows.c[some]) != 0) if some else query)
    return {tuple(row[: len(keys)]): tuple(row[len(keys) :]) for row in found}


def _rows(
    interval: Interval,
    group_by: Sequence[str],
    measures: Sequence[str],
    where: Mapping[str, Collection[Any]],
    grain_s: int | None,
) -> Subquery:
    """Everything that adds up to the interval: rollups, then what is not folded yet."""
    parts = [_part(segment, group_by, measures, where, grain_s) for segment in cover(interval, grain_s)]
    return union_all(*parts, _part((0, interval), group_by, measures, where, grain_s)).subquery()


def _part(
    segment: Segment,
    group_by: Sequence[str],
    measures: Sequence[str],
    where: Mapping[str, Collection[Any]],
    grain_s: int | None,
) -> Select[Any]:
    """Rows of one rollup for its part of the interval; grain 0 means the deltas, for all of it."""
    grain, interval = segment
    table: Any = ROLLUPS[grain] if grain else UsageDelta
    keys = [_bucket(table, grain, grain_s) if name == "bucket" else _dimension(table, name) for name in group_by]
    columns = [getattr(table, name) for name in measures]
    within = [table.bucket >= interval.start, table.bucket < interval.end]
    kept = [one_of(_dimension(table, name), values) for name, values in where.items()]
    return select(*keys, *columns).where(*within, *kept)


def _bucket(table: Any, grain: int, grain_s: int | None) -> ColumnElement[datetime]:
    if grain == grain_s:
        return table.bucket.label("bucket")  # type: ignore[no-any-return]  # a mapped column
    width = func.make_interval(0, 0, 0, 0, 0, 0, literal(grain_s))
    return func.date_bin(width, table.bucket, func.to_timestamp(0)).label("bucket")


def _dimension(table: Any, name: str) -> Any:
    if name not in DIMENSIONS:
        raise ValueError(f"{name} is not one of {DIMENSIONS}")
    return getattr(table, name)


def one_of(column: Any, values: Collection[Any]) -> ColumnElement[bool]:
    """As one parameter, however many values there are: a statement takes 65,535."""
    return column == any_(literal(list(values), ARRAY(column.type)))  # type: ignore[no-any-return]  # a mapped column


def _joined(column: Any) -> Any:
    return func.string_agg(column, literal(b"", LargeBinary()))


def _usage(values: Sequence[Any]) -> Usage:
    named: dict[str, Any] = dict(zip((*COUNTS, *HISTOGRAMS), values, strict=True))
    for name in set(COUNTS) - {"cost", "score_total"}:
        named[name] = int(named[name])
    for name in HISTOGRAMS:
        named[name] = _short(named[name])
    return Usage(**named)


def _short(joined: bytes) -> bytes:
    """Merged where that saves much; a few joined records are as good as they are."""
    return histogram.compact(joined) if len(joined) > COMPACT_BYTES else joined
