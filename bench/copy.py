"""A raw COPY of the rows that ingest has just stored: what is left when nothing is decoded, priced, deduplicated or summed."""

import time
from typing import Any

import psycopg

BATCH = 512
ROWS = 60_000


def rows_per_s(dsn: str, limit: int = ROWS) -> float:
    """Binary COPY from Python tuples, `BATCH` rows a commit, into a table with the same columns and primary key."""
    with psycopg.connect(dsn) as connection:
        rows = connection.execute("SELECT * FROM request LIMIT %s", [limit]).fetchall()
        connection.execute("DROP TABLE IF EXISTS bench_copy")
        connection.execute("CREATE TABLE bench_copy (LIKE request INCLUDING DEFAULTS)")
        connection.execute(f"ALTER TABLE bench_copy ADD PRIMARY KEY ({', '.join(_key(connection))})")
        types = [t for (t,) in connection.execute(
            "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'bench_copy'::regclass "
            "AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
        )]  # fmt: skip
        connection.commit()
        took_s = _copy(connection, rows, types)
        connection.execute("DROP TABLE bench_copy")
    return len(rows) / took_s


def _key(connection: "psycopg.Connection[Any]") -> list[str]:
    return [name for (name,) in connection.execute(
        "SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey) "
        "WHERE i.indrelid = 'request'::regclass AND i.indisprimary ORDER BY array_position(i.indkey, a.attnum)"
    )]  # fmt: skip


def _copy(connection: "psycopg.Connection[Any]", rows: list[Any], types: list[str]) -> float:
    start = time.perf_counter()
    for first in range(0, len(rows), BATCH):
        with connection.cursor().copy("COPY bench_copy FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(types)
            for row in rows[first : first + BATCH]:
                copy.write_row(row)
        connection.commit()
    return time.perf_counter() - start


def stored(dsn: str) -> int:
    """Requests in the database."""
    with psycopg.connect(dsn) as connection:
        row = connection.execute("SELECT count(*) FROM request").fetchone()
    assert row is not None
    return int(row[0])
