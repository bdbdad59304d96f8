"""Rows by the million from one SELECT: columns that are not named take the emptiest value their type has."""

from typing import Any

import psycopg
from psycopg import sql

COLUMNS = """
    SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
    WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attnotnull AND NOT atthasdef AND attidentity = ''
    ORDER BY attnum
"""
EMPTY = {
    "text": "''", "bytea": "''", "jsonb": "'{}'", "boolean": "false", "timestamp with time zone": "now()",
    "date": "current_date", "time without time zone": "'00:00'", "uuid": "gen_random_uuid()",
}  # fmt: skip


def fill(connection: "psycopg.Connection[Any]", table: str, source: str, /, **columns: str) -> int:
    """`INSERT INTO table SELECT columns FROM source`; how many rows. Values of `columns` are SQL over the source."""
    needed = {name: _empty(kind) for name, kind in connection.execute(COLUMNS, [table]).fetchall()}
    said = needed | columns
    overriding = sql.SQL(" OVERRIDING SYSTEM VALUE" if "id" in columns else "")
    statement = sql.SQL("INSERT INTO {} ({}){} SELECT {} FROM {}").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, said)), overriding,
        sql.SQL(", ".join(said.values())), sql.SQL(source),
    )  # fmt: skip
    return connection.execute(statement).rowcount


def _empty(kind: str) -> str:
    if kind.endswith("[]"):
        return "'{}'"
    return EMPTY.get(kind, "0")
