"""A raw COPY of the rows that ingest has just stored: what is left when nothing is decoded, priced, deduplicated or summed."""

import time
from typing import Any

import psycopg

BATCH = 512
ROWS = 60_000


def rows_per_s(dsn: str, limit: int = ROWS, *, bare: bool = False) -> float:
    """Binary COPY from Python tuples, `BATCH` rows a commit, into a table made like `request`: columns, indexes, days.

    `bare`: into its columns alone, without index or day.
    """
    with psycopg.connect(dsn) as connection:
        rows = connection.execute("SELECT * FROM request LIMIT %s", [limit]).fetchall()
        connection.execute("DROP TABLE IF EXISTS bench_copy")
        if bare:
            connection.execute("CREATE TABLE bench_copy (LIKE request INCLUDING DEFAULTS)")
        else:
            _make_like_request(connection)
        types = [t for (t,) in connection.execute(
            "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'bench_copy'::regclass "
            "AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
        )]  # fmt: skip
        connection.commit()
        took_s = _copy(connection, rows, types)
        connection.execute("DROP TABLE bench_copy")
    return len(rows) / took_s


def _make_like_request(connection: "psycopg.Connection[Any]") -> None:
    connection.execute(
        "CREATE TABLE bench_copy (LIKE request INCLUDING DEFAULTS INCLUDING INDEXES) PARTITION BY RANGE (started_at)"
    )
    for number, bound in enumerate(_days(connection)):
        connection.execute(f"CREATE TABLE bench_copy_{number} PARTITION OF bench_copy {bound}")


def _days(connection: "psycopg.Connection[Any]") -> list[str]:
    """The bounds of `request`'s partitions, as they are declared."""
    return [bound for (bound,) in connection.execute(
        "SELECT pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
        "WHERE i.inhparent = 'request'::regclass"
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
