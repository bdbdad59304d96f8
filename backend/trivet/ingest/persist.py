"""Requests into the database: rows, deltas and provisional costs in one transaction. The 200 follows its commit."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Connection, Cursor, sql
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trivet import db
from trivet.ingest import columns, deltas, partitions
from trivet.ingest.copybytes import joined
from trivet.ingest.dimensions import rows_of
from trivet.ingest.fact import TOO_MANY_NEW_NAMES, RequestFact
from trivet.ingest.ids import span_bytes, span_number
from trivet.ingest.models import Denial
from trivet.ingest.row import UNKNOWN, Row, RowKey, cost_of, instant, shape_of
from trivet.kit.clock import floor
from trivet.pricing import service as pricing
from trivet.settings import get_settings

DAY_S = 86_400

KEY_COLUMNS = ("tenant_id", "started_at", "trace_id", "span_id")
_DELTA_TYPES = [
    "timestamptz",
    *["int4"] * 8,
    *["int2"] * 3,
    "text",
    *["int8"] * 11,
    "numeric",
    "int8",
    "float8",
    *["bytea"] * 3,
]
assert len(_DELTA_TYPES) == len(deltas.COLUMNS)

_names = sql.SQL(", ").join(map(sql.Identifier, columns.COLUMNS))
_definitions = sql.SQL(", ").join(
    sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(columns.TYPES[name])) for name in columns.COLUMNS
)
_MAKE = sql.SQL("CREATE TEMPORARY TABLE IF NOT EXISTS incoming ({}) ON COMMIT DELETE ROWS").format(_definitions)
_FILL = sql.SQL("COPY incoming ({}) FROM STDIN (FORMAT BINARY)").format(_names)
_MOVE = sql.SQL(
    "INSERT INTO request ({0}) SELECT {0} FROM incoming ON CONFLICT DO NOTHING RETURNING trace_id, span_id, tenant_id, "
    "(extract(epoch FROM started_at) * 1000000)::int8"
).format(_names)


@dataclass(frozen=True, slots=True)
class Stored:
    """What came of a batch: requests stored now, those that had been stored before, and how many the store refused."""

    inserted: int
    duplicates: int
    refused: int = 0  # `TOO_MANY_NEW_NAMES`


def store(
    facts: Sequence[RequestFact], refusals: Iterable[str], *, tenant_id: int | None, key_id: int, now: datetime
) -> Stored:
    """Store a batch once, whatever part of it was stored before; returns after the commit.

    `tenant_id` is that of a key bound to one. Rows go in by the order of their key, so that two transactions with the
    same spans wait for each other and never in a circle.
    """
    named = rows_of(facts, tenant_id, get_settings().names_per_export_limit)
    refused = len(facts) - len(named)
    unique: dict[RowKey, Row] = {}
    for row in named:
        unique.setdefault(row.key, row)
    rows = [unique[key] for key in sorted(unique)]
    partitions.ensure("request", {partitions.day_of(row.fact.start_us) for row in rows})
    partitions.ensure("prompt_blocks", {partitions.day_of(row.fact.start_us) for row in rows if row.fact.blocks})
    counted = Counter(refusals) + Counter({TOO_MANY_NEW_NAMES: refused})
    if not rows and not counted:
        return Stored(0, 0)
    with db.transaction() as session:
        inserted = _write(session, rows, key_id, now, bound=tenant_id is not None) if rows else 0
        deny(session, counted, key_id, now)
    return Stored(inserted, len(named) - inserted, refused)


def _write(session: Session, rows: list[Row], key_id: int, now: datetime, *, bound: bool) -> int:
    book = pricing.book(session)
    for row in rows:
        row.key_id, row.shape = key_id, shape_of(row.fact)
        row.cost = UNKNOWN if row.shape else cost_of(row.fact, book)
    connection: Connection[Any] = session.connection().connection.driver_connection  # type: ignore[assignment]  # psycopg's
    with connection.cursor(binary=True) as cursor:
        new = _insert(cursor, rows)
        _copy(cursor, "usage_delta", deltas.COLUMNS, _DELTA_TYPES, deltas.deltas_of(new))
        _copy(
            cursor,
            "prompt_blocks",
            (*KEY_COLUMNS, "blocks"),
            _BLOCK_TYPES,
            map(_blocks, (r for r in new if r.fact.blocks)),
        )
        _copy(cursor, "policy_seen", _SEEN_COLUMNS, _SEEN_TYPES, _seen(new, now, bound=bound))
    return len(new)


def _insert(cursor: Cursor[Any], rows: list[Row]) -> list[Row]:
    """The rows that were not there yet, now there."""
    cursor.execute(_MAKE)
    with cursor.copy(_FILL) as copy:
        copy.write(joined(map(columns.packed, rows)))
    cursor.execute(_MOVE)
    if cursor.rowcount == len(rows):
        return rows
    new = {(tenant_id, start_us, trace_id.bytes, span_bytes(span_id)) for trace_id, span_id, tenant_id, start_us in cursor}
    return [row for row in rows if row.key in new]


_BLOCK_TYPES = ["int4", "timestamptz", "uuid", "int8", "text[]"]


def _blocks(row: Row) -> tuple[Any, ...]:
    fact = row.fact
    return row.tenant_id, instant(fact.start_us), UUID(bytes=fact.trace_id), span_number(fact.span_id), list(fact.blocks)


_SEEN_COLUMNS = ("backend_id", "scenario_id", "tenant_id", "bound", "generation", "revision", "level", "seen_at")
_SEEN_TYPES = ["int4", "int4", "int4", "bool", "int8", "int4", "int2", "timestamptz"]


def _seen(rows: list[Row], now: datetime, *, bound: bool) -> list[tuple[Any, ...]]:
    """Which backend was seen to run under which generation: one row for each, by our own clock."""
    seen = {
        (row.backend_id, row.scenario_id, row.tenant_id, bound, row.fact.generation, row.fact.revision, row.fact.level)
        for row in rows
        if row.fact.generation is not None
    }
    return [(*key, now) for key in sorted(seen)]


def _copy(
    cursor: Cursor[Any], table: str, names: Sequence[str], types: list[str], rows: Iterable[tuple[Any, ...]]
) -> None:
    rows = list(rows)
    if not rows:
        return
    quoted = sql.SQL(", ").join(map(sql.Identifier, names))
    with cursor.copy(sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(sql.Identifier(table), quoted)) as copy:
        copy.set_types(types)
        for row in rows:
            copy.write_row(row)


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
