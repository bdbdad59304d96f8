"""Bytes in PostgreSQL for a request, and for a row of each rollup, indexes included.

Requests come as 512-span batches of three tenants, three scenarios and two models, at most five seconds late; then all
deltas are folded and the tables vacuumed, as autovacuum would.

    python -m bench.size
"""

import os
import sys

import psycopg
from bench import say
from bench.load import load
from bench.stack import dsn_of, running

GOAL_BYTES = 350
SECONDS = 6.0
ROLLUPS = ("rollup_10s", "rollup_1m", "rollup_1h", "signal_rollup")


def main() -> int:
    with running() as (postgres, api):
        load(port=api.port, connections=4, spans=512, seconds=SECONDS)
        _fold(postgres.url())
        with psycopg.connect(dsn_of(postgres), autocommit=True) as connection:
            connection.execute("VACUUM")
            requests, heap, whole = _size(connection, "request")
            rollups = {table: _size(connection, table) for table in ROLLUPS if _exists(connection, table)}
    met = whole / requests < GOAL_BYTES
    say.verdict("bytes a request, with indexes", f"{whole / requests:.0f} bytes", f"< {GOAL_BYTES} bytes", met=met)
    say.note(f"{requests:,} requests; {heap / requests:.0f} bytes without indexes")
    for table, (rows, heap, whole) in rollups.items():
        if rows:
            say.note(f"{table}: {whole / rows:.0f} bytes a row with indexes, {heap / rows:.0f} without; {rows:,} rows")
    return 0 if met else 1


def _fold(url: str) -> None:
    os.environ["TRIVET_DATABASE_URL"] = url
    from trivet.rollup import tasks

    while tasks.fold() or tasks.fold_signals():
        pass


def _exists(connection: "psycopg.Connection[tuple[object, ...]]", table: str) -> bool:
    row = connection.execute("SELECT to_regclass(%s) IS NOT NULL", [table]).fetchone()
    return bool(row and row[0])


def _size(connection: "psycopg.Connection[tuple[object, ...]]", table: str) -> tuple[int, int, int]:
    """(rows, bytes without indexes, bytes with them) of a table and its partitions."""
    parts = "SELECT relid FROM pg_partition_tree(%(t)s) WHERE isleaf UNION SELECT %(t)s::regclass"
    row = connection.execute(
        f"SELECT (SELECT count(*) FROM {table}), sum(pg_table_size(relid)), sum(pg_total_relation_size(relid)) "  # names of ours
        f"FROM ({parts}) AS part",
        {"t": table},
    ).fetchone()
    assert row is not None
    return int(str(row[0])), int(str(row[1])), int(str(row[2]))


if __name__ == "__main__":
    sys.exit(main())
