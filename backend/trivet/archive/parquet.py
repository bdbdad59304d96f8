"""One day of one table as Parquet files, written and read back in pieces: memory stays the same however large the day.

PostgreSQL writes CSV (COPY), Arrow parses it: a few times quicker than rows that pass through Python one by one.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
from psycopg import Copy, Cursor

from trivet.archive.columns import Column
from trivet.archive.place import Place

BLOCK_BYTES = 4 << 20  # of CSV parsed at once
GROUP_ROWS = 50_000
PART_ROWS = 5_000_000
_TYPES = {
    "timestamp": pa.timestamp("us", tz="UTC"),
    "decimal": pa.decimal128(38, 12),
    "double": pa.float64(),
    "float": pa.float32(),
    "bool": pa.bool_(),
}
_SUM = pa.decimal128(38, 0)


@dataclass(frozen=True, slots=True)
class Found:
    """What files hold: rows, and the exact sum of a column of picos (0 where there is none)."""

    files: int
    rows: int
    bytes: int
    picos: Decimal


def write(
    cursor: Cursor[Any], query: str, columns: Sequence[Column], *, place: Place, paths: Iterator[str], comment: str
) -> list[str]:
    """Write what a query finds (at least one row) to as many of the paths as it takes; those paths."""
    schema = pa.schema([(c.name, _TYPES.get(c.type) or pa.type_for_alias(c.type)) for c in columns])
    schema = schema.with_metadata({"trivet": comment})
    written: list[str] = []
    with cursor.copy(f"COPY ({query}) TO STDOUT (FORMAT csv)") as copy:
        groups = _groups(_tables(copy, schema))
        for group in groups:
            written.append(next(paths))
            with place.create(written[-1]) as file:
                _write_part(file, schema, group, groups)
    return written


def _write_part(file: Any, schema: pa.Schema, first: pa.Table, more: Iterable[pa.Table]) -> None:
    options: dict[str, Any] = {"compression": "zstd", "write_page_checksum": True}
    with pq.ParquetWriter(file, schema, **options) as writer:
        writer.write_table(first)
        rows = first.num_rows
        if rows >= PART_ROWS:
            return
        for group in more:
            writer.write_table(group)
            rows += group.num_rows
            if rows >= PART_ROWS:
                return


def _tables(copy: Copy, schema: pa.Schema) -> Iterator[pa.Table]:
    """Rows as they come, some megabytes at a time. A message of COPY is a whole row, so none is cut."""
    waiting: list[bytes] = []
    size = 0
    for line in copy:
        waiting.append(bytes(line))
        size += len(line)
        if size >= BLOCK_BYTES:
            yield _parsed(b"".join(waiting), schema)
            waiting, size = [], 0
    if waiting:
        yield _parsed(b"".join(waiting), schema)


def _parsed(lines: bytes, schema: pa.Schema) -> pa.Table:
    """An empty text is quoted and NULL is not, so they stay apart."""
    return pcsv.read_csv(
        pa.BufferReader(lines),
        read_options=pcsv.ReadOptions(column_names=schema.names, block_size=len(lines) + 1, use_threads=False),
        parse_options=pcsv.ParseOptions(newlines_in_values=True),
        convert_options=pcsv.ConvertOptions(
            column_types=schema,
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            null_values=[""],
            true_values=["t"],
            false_values=["f"],
        ),
    )


def _groups(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Put together into row groups."""
    waiting: list[pa.Table] = []
    for table in tables:
        waiting.append(table)
        if sum(each.num_rows for each in waiting) >= GROUP_ROWS:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


def read_back(place: Place, paths: Iterable[str], cost: str) -> Found:
    """Read every page of the files, checksums and all, and add up; raises where one cannot be read."""
    files = rows = size = 0
    picos = Decimal(0)
    for path in paths:
        files += 1
        size += place.size(path)
        with place.open(path) as file:
            parquet = pq.ParquetFile(file, page_checksum_verification=True)
            for batch in parquet.iter_batches(batch_size=GROUP_ROWS):
                rows += batch.num_rows
                if cost:
                    picos += pc.sum(batch.column(cost).cast(_SUM)).as_py() or 0
    pa.default_memory_pool().release_unused()  # a worker lives long after this
    return Found(files, rows, size, picos)
