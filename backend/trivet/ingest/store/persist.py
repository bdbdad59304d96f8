"""Exports into the database, several at once: rows, deltas and provisional costs in one transaction.

The 200 of each follows the commit. A span sent twice is stored once, whichever exports it is in; a call told by several
spans is counted once.
"""

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Connection, Cursor, sql
from psycopg.errors import CheckViolation, UniqueViolation
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trivet import db
from trivet.ingest import counters, wake
from trivet.ingest.models import Denial
from trivet.ingest.request.fact import TOO_OLD, LookupFact, RequestFact
from trivet.ingest.signal.deltas import DELTA_COLUMNS as SIGNAL_COLUMNS
from trivet.ingest.signal.deltas import DELTA_TYPES as SIGNAL_TYPES
from trivet.ingest.signal.of_requests import signal_deltas_of
from trivet.ingest.store import deltas, limits, names, partitions, repeats, spends, tallies, tools, users, uses
from trivet.ingest.store import insert as inserting
from trivet.ingest.store import retrieved as retrieving
from trivet.ingest.store.copybytes import joined
from trivet.ingest.store.ids import span_number
from trivet.ingest.store.row import Pricer, Row, RowKey, instant, shape_of
from trivet.kit.clock import floor, utc_now
from trivet.pricing import service as pricing
from trivet.pricing.book import PriceBook

DAY_S = 86_400
CAREFUL_S = 5.0  # after a copy met a row that was there: senders who repeat themselves do so for a while
KEY_COLUMNS = ("tenant_id", "started_at", "trace_id", "span_id")
OVERFLOW = "overflow_"  # before the kind, as the reason in `denial`


@dataclass(frozen=True, slots=True)
class Batch:
    """What one export asks to store. `tenant_id` is that of a key bound to one."""

    requests: Sequence[RequestFact]
    lookups: Sequence[LookupFact] = ()
    refusals: Counter[str] = field(default_factory=Counter)
    tenant_id: int | None = None
    key_id: int = 0

    @property
    def size(self) -> int:
        """How many rows it may become."""
        return len(self.requests) + len(self.lookups)


@dataclass(slots=True)
class Stored:
    """What came of an export: requests stored now, those stored before, spans refused by the store, names over a limit."""

    inserted: int
    duplicates: int
    refused: Counter[str] = field(default_factory=Counter)
    overflowed: Counter[str] = field(default_factory=Counter)  # spans by kind of name
    unpriced: Counter[int] = field(
        default_factory=Counter, compare=False
    )  # new requests by shape; 0: no price in the book


@dataclass(slots=True)
class _Export:
    """A batch on its way: which rows are its own."""

    batch: Batch
    rows: list[Row]
    lookups: list[retrieving.Found]
    came: Stored


def store(
    facts: Sequence[RequestFact], refusals: Iterable[str], *, tenant_id: int | None, key_id: int, now: datetime
) -> Stored:
    """Store one export once, whatever part of it was stored before; returns after the commit."""
    return store_all([Batch(facts, (), Counter(refusals), tenant_id, key_id)], now)[0]


def store_all(batches: Sequence[Batch], now: datetime) -> list[Stored]:
    """Store exports together, in one transaction; what came of each. Returns after the commit.

    Rows go in by the order of their key, so that two transactions with the same spans wait for each other and never in
    a circle. A span in several exports is the first one's.
    """
    try:
        return _store_all(batches, now)
    except CheckViolation:  # a day that this process remembers is gone: another dropped it, or brought back a backup
        partitions.forget()
        return _store_all(batches, now)


def _store_all(batches: Sequence[Batch], now: datetime) -> list[Stored]:
    exports = [_named(batch) for batch in batches]
    rows = _unique(exports, _closed_days(exports))
    if not rows and not any(e.lookups or e.batch.refusals or e.came.refused for e in exports):
        return [export.came for export in exports]
    if time.monotonic() >= _careful.until:
        try:
            _write(exports, rows, now, careful=False)
        except UniqueViolation:
            _careful.until = time.monotonic() + CAREFUL_S
        else:
            return [export.came for export in exports]
    _write(exports, rows, now, careful=True)
    return [export.came for export in exports]


@dataclass(slots=True)
class _Careful:
    """Until when to look before copying. One for the process; a race over it costs one copy."""

    until: float = 0.0


_careful = _Careful()
db.caches.append(lambda: setattr(_careful, "until", 0.0))


def _named(batch: Batch) -> _Export:
    ids, overflowed = names.ids_of([*batch.requests, *batch.lookups], batch.key_id, batch.tenant_id)
    rows = []
    for fact, (tenant, scenario, model, backend, pool, version, region) in zip(batch.requests, ids, strict=False):
        row = Row(fact, tenant, scenario, model, backend, pool, version, region, batch.key_id)
        row.bound = batch.tenant_id is not None
        rows.append(row)
    overflowed += users.name(rows)
    lookups = [
        retrieving.Found(fact, own[0], own[1], own[3])
        for fact, own in zip(batch.lookups, ids[len(rows) :], strict=True)
    ]
    overflowed += tools.name(lookups)
    return _Export(batch, rows, lookups, Stored(0, 0, Counter(), overflowed))


def _closed_days(exports: Iterable[_Export]) -> dict[str, frozenset[Any]]:
    """Make the days that are missing; those that retention closed, by table."""
    starts = {"request": set[int](), "prompt_blocks": set[int](), "cache_lookup": set[int]()}
    for export in exports:
        starts["request"].update(row.fact.start_us // _DAY_US for row in export.rows)
        starts["prompt_blocks"].update(row.fact.start_us // _DAY_US for row in export.rows if row.fact.blocks)
        starts["cache_lookup"].update(each.fact.start_us // _DAY_US for each in export.lookups)
    return {
        table: partitions.ensure(table, {partitions.day_of(day * _DAY_US) for day in days})
        for table, days in starts.items()
    }


_DAY_US = DAY_S * 1_000_000


def _unique(exports: Iterable[_Export], closed: dict[str, frozenset[Any]]) -> dict[RowKey, Row]:
    """Rows by key, in its order; each export keeps those that are its own. Rows of closed days are refused."""
    unique: dict[RowKey, Row] = {}
    for export in exports:
        own = []
        for row in export.rows:
            if closed["request"] and partitions.day_of(row.fact.start_us) in closed["request"]:
                export.came.refused[TOO_OLD] += 1
            elif unique.setdefault(row.key, row) is row:
                own.append(row)
            else:
                export.came.duplicates += 1
        export.rows = own
        gone = closed["cache_lookup"]
        export.lookups = [each for each in export.lookups if partitions.day_of(each.fact.start_us) not in gone]
    return {key: unique[key] for key in sorted(unique)}


def _write(exports: Sequence[_Export], unique: dict[RowKey, Row], now: datetime, *, careful: bool) -> None:
    rows = list(unique.values())
    with db.transaction() as session:
        _price(rows, pricing.book(session))
        with _cursor(session) as cursor:
            new, guarded = _insert(cursor, rows, now, careful=careful) if rows else ([], False)
            signals = signal_deltas_of(row for row in new if row.repeats is None)
            found = [each for export in exports for each in export.lookups]
            signals += retrieving.store(cursor, found)
            copy_rows(cursor, "signal_delta", SIGNAL_COLUMNS, SIGNAL_TYPES, signals)
            _copy_beside(cursor, exports, {id(row) for row in new}, now)
        for key_id, counted in sorted(_denied(exports).items()):
            deny(session, counted, key_id, now)
    if guarded:
        wake.tell()
    _say(exports, {id(row) for row in new})


_pricer: list[Pricer] = []  # of the book used last


def _price(rows: Iterable[Row], book: PriceBook) -> None:
    pricer = _pricer[0] if _pricer and _pricer[0].book is book else Pricer(book)
    _pricer[:] = [pricer]
    for row in rows:
        row.shape = shape_of(row.fact)
        row.cost = pricer.cost_of(row)


def _insert(cursor: Cursor[Any], rows: Sequence[Row], now: datetime, *, careful: bool) -> tuple[list[Row], bool]:
    """The rows that were not there yet, now there, and what they and calls told before add and take back.

    Also whether any of them is of a guarded scenario.
    """
    if careful:
        rows = inserting.absent(cursor, rows)
    if not rows:
        return [], False
    for row in rows:
        row.repeats = None  # of an attempt that failed
    back = repeats.settle(cursor, rows, repeats.told(cursor, rows))
    new = (inserting.past if careful else inserting.straight)(cursor, rows)
    counted = [row for row in new if row.repeats is None]
    return new, bool(counted or back) and _count(cursor, counted, back, now)


def _count(cursor: Cursor[Any], counted: Sequence[Row], back: Sequence[Row], now: datetime) -> bool:
    """What requests add and others take back: to rollups, to what was spent, of the reservations that they name, and to
    what guards count; whether to that.
    """
    copy_packed(cursor, "usage_delta", deltas.COPY_COLUMNS, deltas.packed(counted, back))
    copy_packed(cursor, "spend_delta", spends.COPY_COLUMNS, spends.packed(counted, back))
    copy_rows(cursor, "reservation_use", uses.COLUMNS, uses.TYPES, uses.uses_of(counted, back))
    records = tallies.packed(counted, back, limits.newest(cursor), int(now.timestamp()) * tallies.SECOND_US)
    if records:
        cursor.execute("INSERT INTO guard_tally (records) VALUES (%s)", (records,))
    return bool(records)


def settle_received() -> tuple[int, bool]:
    """Take back what turns out to repeat (see `repeats.settle_received`): how many requests, and whether more waits."""
    with db.transaction() as session, _cursor(session) as cursor:
        back, more = repeats.settle_received(cursor)
        if back:
            _count(cursor, (), back, utc_now())
    counters.taken_back.inc(len(back))
    return len(back), more


def _cursor(session: Session) -> Cursor[Any]:
    connection: Connection[Any] = session.connection().connection.driver_connection  # type: ignore[assignment]  # psycopg's
    return connection.cursor(binary=True)


_BLOCK_TYPES = ["int4", "timestamptz", "uuid", "int8", "text[]"]
_SEEN_COLUMNS = ("backend_id", "scenario_id", "tenant_id", "bound", "generation", "revision", "level", "seen_at")
_SEEN_TYPES = ["int4", "int4", "int4", "bool", "int8", "int4", "int2", "timestamptz"]


def _copy_beside(cursor: Cursor[Any], exports: Iterable[_Export], new: set[int], now: datetime) -> None:
    """Blocks of prompts, and which backend was seen to run under which generation: one row for each, by our clock."""
    blocks, seen = [], set()
    for export in exports:
        bound = export.batch.tenant_id is not None
        for row in export.rows:
            fact = row.fact
            if fact.generation is None and not fact.blocks:
                continue
            if id(row) in new:
                if fact.blocks:
                    blocks.append(_blocks(row))
                if fact.generation is not None:
                    seen.add((
                        row.backend_id, row.scenario_id, row.tenant_id, bound, fact.generation, fact.revision, fact.level,
                    ))  # fmt: skip
    copy_rows(cursor, "prompt_blocks", (*KEY_COLUMNS, "blocks"), _BLOCK_TYPES, blocks)
    copy_rows(cursor, "policy_seen", _SEEN_COLUMNS, _SEEN_TYPES, [(*key, now) for key in sorted(seen)])


def _blocks(row: Row) -> tuple[Any, ...]:
    fact = row.fact
    return (
        row.tenant_id,
        instant(fact.start_us),
        UUID(bytes=fact.trace_id),
        span_number(fact.span_id),
        list(fact.blocks),
    )


def _denied(exports: Iterable[_Export]) -> dict[int, Counter[str]]:
    """What limits did to exports, by key: each row of `denial` is met once, in one order, so nobody waits in a circle."""
    denied: dict[int, Counter[str]] = {}
    for export in exports:
        over = over_limits(export.came.overflowed)
        denied.setdefault(export.batch.key_id, Counter()).update(export.batch.refusals + export.came.refused + over)
    return denied


def over_limits(overflowed: Counter[str]) -> Counter[str]:
    """What went to `overflow`, by kind of name, as reasons of `denial`."""
    return Counter({OVERFLOW + kind: count for kind, count in overflowed.items()})


def _say(exports: Iterable[_Export], new: set[int]) -> None:
    """Set down what came of each export. After the commit: an attempt that failed counts nothing."""
    for export in exports:
        own = [row for row in export.rows if id(row) in new]
        export.came.inserted = len(own)
        export.came.duplicates += len(export.rows) - len(own)
        export.came.unpriced = Counter(row.shape for row in own if row.cost.picos is None and row.repeats is None)


def copy_rows(
    cursor: Cursor[Any], table: str, columns: Sequence[str], types: list[str], rows: Sequence[tuple[Any, ...]]
) -> None:
    """COPY rows of values; types as PostgreSQL names them."""
    if not rows:
        return
    with cursor.copy(_copy_into(table, columns)) as copy:
        copy.set_types(types)
        for row in rows:
            copy.write_row(row)


def copy_packed(cursor: Cursor[Any], table: str, columns: Sequence[str], rows: Iterable[bytes]) -> None:
    """COPY rows that are bytes already."""
    with cursor.copy(_copy_into(table, columns)) as copy:
        copy.write(joined(rows))


def _copy_into(table: str, columns: Sequence[str]) -> sql.Composed:
    quoted = sql.SQL(", ").join(map(sql.Identifier, columns))
    return sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(sql.Identifier(table), quoted)


def deny(session: Session, counted: Counter[str], key_id: int, now: datetime) -> None:
    """Count refusals by day, key and reason. Last in its transaction: these rows are shared with other writers."""
    if not counted:
        return
    day = floor(now, DAY_S)
    values = [{"day": day, "key_id": key_id, "reason": r, "items": n} for r, n in sorted(counted.items())]
    new = insert(Denial).values(values)
    session.execute(
        new.on_conflict_do_update(
            index_elements=["day", "key_id", "reason"], set_={"items": Denial.items + new.excluded["items"]}
        )
    )
