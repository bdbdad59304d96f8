"""Requests into their table: straight where none is there yet, which is nearly always, else past those that are."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from psycopg import Cursor, sql

from trivet.ingest.store import columns
from trivet.ingest.store.copybytes import joined
from trivet.ingest.store.ids import array_of, span_bytes, span_number
from trivet.ingest.store.row import Row, RowKey, instant

_names = sql.SQL(", ").join(map(sql.Identifier, columns.COLUMNS))
_definitions = sql.SQL(", ").join(
    sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(columns.TYPES[name])) for name in columns.COLUMNS
)
_COPY = sql.SQL("COPY request ({}) FROM STDIN (FORMAT BINARY)").format(_names)
_MAKE = sql.SQL("CREATE TEMPORARY TABLE IF NOT EXISTS incoming ({}) ON COMMIT DELETE ROWS").format(_definitions)
_FILL = sql.SQL("COPY incoming ({}) FROM STDIN (FORMAT BINARY)").format(_names)
_KEY = "tenant_id, (extract(epoch FROM started_at) * 1000000)::int8, trace_id, span_id"
_MOVE = sql.SQL(
    f"INSERT INTO request ({{0}}) SELECT {{0}} FROM incoming ON CONFLICT DO NOTHING RETURNING {_KEY}"  # noqa: S608  # our own names
).format(_names)
_THERE = f"""
    SELECT {_KEY} FROM request JOIN
        unnest(%s::int4[], %s::timestamptz[], %s::uuid[], %s::int8[]) AS n (tenant_id, started_at, trace_id, span_id)
        USING (tenant_id, started_at, trace_id, span_id)
"""  # noqa: S608  # our own names


def straight(cursor: Cursor[Any], rows: Sequence[Row]) -> list[Row]:
    """Copy rows in, all of them; `psycopg.errors.UniqueViolation` where one is there."""
    with cursor.copy(_COPY) as copy:
        copy.write(joined(map(columns.packed, rows)))
    return list(rows)


def absent(cursor: Cursor[Any], rows: Sequence[Row]) -> list[Row]:
    """The rows that are not there yet."""
    cursor.execute(
        _THERE,
        (
            [row.tenant_id for row in rows],
            [instant(row.fact.start_us) for row in rows],
            array_of(row.fact.trace_id for row in rows),
            [span_number(row.fact.span_id) for row in rows],
        ),
    )
    there = {_key(*found) for found in cursor}
    return [row for row in rows if row.key not in there]


def past(cursor: Cursor[Any], rows: Sequence[Row]) -> list[Row]:
    """Put in the rows that are not there; these."""
    cursor.execute(_MAKE)
    with cursor.copy(_FILL) as copy:
        copy.write(joined(map(columns.packed, rows)))
    cursor.execute(_MOVE)
    if cursor.rowcount == len(rows):
        return list(rows)
    new = {_key(*found) for found in cursor}
    return [row for row in rows if row.key in new]


def _key(tenant_id: int, start_us: int, trace_id: UUID, span: int) -> RowKey:
    return tenant_id, start_us, trace_id.bytes, span_bytes(span)
