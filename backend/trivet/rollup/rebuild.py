"""Make the rollups of some hours again, out of requests and scores: what a rollup says can always be proven.

Costs are those the request rows hold; the price book is never asked. A request that was priced late stands under its
currency at once, where the first time it came under none with a correction: summed over currencies both are the same.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, func, insert, select
from sqlalchemy.orm import Session

from trivet import db
from trivet.archive import facts
from trivet.ingest.models import Request, Score, UsageDelta
from trivet.ingest.score import scores
from trivet.ingest.store import deltas, read_back
from trivet.ingest.store.row import Row
from trivet.kit.errors import Invalid
from trivet.kit.interval import Interval
from trivet.pricing.models import Price
from trivet.rollup import service
from trivet.rollup.cover import cover
from trivet.rollup.fold import COLUMNS, fold
from trivet.rollup.models import GRAINS_S, ROLLUPS

CHUNK_ROWS = 10_000
HOUR = timedelta(hours=1)
HOURS_MAX = 24 * 62
# A request's partition is found by its start, its bucket by its end: how far apart the two may lie.
LONGEST = timedelta(days=2)


def hours(interval: Interval) -> int:
    """How many there are; `Invalid` where they are not whole, or too many."""
    cover(interval, 3600)
    count = int((interval.end - interval.start) / HOUR)
    if count > HOURS_MAX:
        raise Invalid(f"Rebuild at most {HOURS_MAX} hours at once.", field="to")
    return count


def rebuild(interval: Interval, tell: Callable[[int, int], None] = lambda *_: None) -> int:
    """Rebuild whole hours, one transaction each; how many. `RowsDropped` where retention dropped rows of any.

    `tell(done, of)` is called before each.
    """
    count = hours(interval)
    with db.transaction() as session:
        facts.must_have_rows(session, interval)
    for number in range(count):
        tell(number, count)
        start = interval.start + HOUR * number
        rebuild_hour(Interval(start, start + HOUR))
    return count


def rebuild_hour(hour: Interval) -> None:
    """Replace the rollups of an hour, while ingest goes on.

    The first transaction keeps folds out; only then the second takes its snapshot, in which requests and the deltas it
    deletes belong together. Deltas that come later are folded later.
    """
    with db.transaction() as guard:
        service.keep_folds_out(guard)
        facts.must_have_rows(guard, hour)  # a day closes under the same lock: it stays as it is until this is done
        with Session(db.engine().execution_options(isolation_level="REPEATABLE READ")) as session, session.begin():
            tables: tuple[Any, ...] = (UsageDelta, *ROLLUPS.values())
            for table in tables:
                session.execute(delete(table).where(table.bucket >= hour.start, table.bucket < hour.end))
            rows = usage_of(session, hour)
            for grain_s in GRAINS_S:
                rows = fold(rows, grain_s)
                _write(session, ROLLUPS[grain_s], rows)
        service.mark_due(guard, {hour.start})


def usage_of(session: Session, interval: Interval) -> list[tuple[Any, ...]]:
    """What the requests and scores of an interval add up to: rows of 10 s, in memory a chunk at a time."""
    rows: list[tuple[Any, ...]] = []
    for chunk in _chunks(_requests(session, interval)):
        rows = fold([*rows, *deltas.deltas_of(chunk)], GRAINS_S[0])
    scored = session.scalars(select(Score).where(Score.scored_at >= interval.start, Score.scored_at < interval.end))
    for chunk in _chunks(scored.yield_per(CHUNK_ROWS)):
        named = scores.deltas_of(chunk)
        rows = fold([*rows, *(tuple(row[name] for name in COLUMNS) for row in named)], GRAINS_S[0])
    return rows


def _chunks(items: Iterable[Any]) -> Iterator[list[Any]]:
    chunk: list[Any] = []
    for item in items:
        chunk.append(item)
        if len(chunk) >= CHUNK_ROWS:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _requests(session: Session, interval: Interval) -> Iterator[Row]:
    query = (
        select(
            *(getattr(Request, name) for name in read_back.COLUMNS), func.coalesce(Price.currency, "").label("currency")
        )
        .outerjoin(Price, Price.id == Request.price_id)
        .where(
            Request.started_at >= interval.start - LONGEST,
            Request.started_at < interval.end,
            Request.ended_at >= interval.start,
            Request.ended_at < interval.end,
            Request.repeats.is_(None),
        )
        .execution_options(yield_per=CHUNK_ROWS)
    )
    return (read_back.row_of(found._asdict()) for found in session.execute(query))


def _write(session: Session, table: Any, rows: list[tuple[Any, ...]]) -> None:
    for start in range(0, len(rows), service.WRITE_ROWS):
        batch = rows[start : start + service.WRITE_ROWS]
        session.execute(insert(table), [dict(zip(COLUMNS, row, strict=True)) for row in batch])
