"""A table's columns as a Parquet file says them: read from the database, names beside ids, money exact.

Bytes become hex text, times microseconds of UTC, arrays and JSON become JSON text, an index into a list its word.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

from trivet.db import Base
from trivet.ingest.models import OUTCOMES
from trivet.ingest.request.context import CLASSES
from trivet.ingest.request.fact import CAUSES, SHAPES
from trivet.ingest.store.ids import SpanId


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the file: its name, the SQL that gives it, and its type in Arrow's words."""

    name: str
    sql: str
    type: str


@dataclass(frozen=True, slots=True)
class Named:
    """What an id column stands for: a table, and columns of it under the names they get in the file."""

    table: str
    columns: Mapping[str, str]


NAMES: Mapping[str, Named] = {
    "tenant_id": Named("tenant", {"tenant": "name"}),
    "scenario_id": Named("scenario", {"scenario": "name"}),
    "model_id": Named("model", {"provider": "provider", "model": "name"}),
    "backend_id": Named("backend", {"backend": "name"}),
    "pool_id": Named("pool", {"pool": "name"}),
    "version_id": Named("model_version", {"model_version": "name"}),
    "region_id": Named("region", {"region": "name"}),
    "key_id": Named("api_key", {"key": "name"}),
    "price_id": Named("price", {"currency": "currency"}),
    "gpu_id": Named("gpu", {"gpu": "uuid", "gpu_model": "model", "host": "host"}),
}
# A row of these stands for a row of another table, whose columns and names a file says too.
SERIES = {
    "series_id": (
        "signal_series",
        ("tenant_id", "scenario_id", "model_id", "backend_id", "pool_id", "metric", "detail"),
    )
}
WORDS: Mapping[str, tuple[str, ...]] = {"outcome": OUTCOMES, "cause": CAUSES, "shape": SHAPES, "context_class": CLASSES}
# PostgreSQL's type -> the SQL around the column, Arrow's type. What is not here is text.
TYPES: Mapping[str, tuple[str, str]] = {
    "smallint": ("{}", "int16"),
    "integer": ("{}", "int32"),
    "bigint": ("{}", "int64"),
    "boolean": ("{}", "bool"),
    "double precision": ("{}", "double"),
    "real": ("{}", "float"),
    "timestamp with time zone": ("{}", "timestamp"),
    "span": ("lpad(to_hex({}), 16, '0')", "string"),  # an int8 by its place in the models
    "uuid": ("replace({}::text, '-', '')", "string"),
    "bytea": ("encode({}, 'hex')", "string"),
    "text[]": ("array_to_json({})::text", "string"),
}
_COLUMNS = text("""
    SELECT attname, format_type(atttypid, NULL) FROM pg_attribute
    WHERE attrelid = to_regclass(:table) AND attnum > 0 AND NOT attisdropped ORDER BY attnum
""")


def columns_of(session: Session, table: str, own: str = "r") -> tuple[list[Column], list[str]]:
    """The file's columns of a table, and the joins that they need; `own` is the alias of the table itself."""
    spans = {column.name for column in Base.metadata.tables[table].c if isinstance(column.type, SpanId)}
    columns: list[Column] = []
    joins: list[str] = []
    for name, kind in session.execute(_COLUMNS, {"table": table}):
        columns += _said(name, "span" if name in spans else kind, own)
        if name in SERIES:
            other, kept = SERIES[name]
            joins.append(f"LEFT JOIN {other} s ON s.id = {own}.{name}")
            inner, more = columns_of(session, other, "s")
            wanted = {*kept, *(said for each in kept if each in NAMES for said in NAMES[each].columns)}
            columns += [column for column in inner if column.name in wanted]
            joins += [join for join in more if any(f"s.{each}" in join for each in kept)]
        elif name in NAMES and _exists(session, NAMES[name].table):
            said = NAMES[name]
            joins.append(f"LEFT JOIN {said.table} {own}_{name} ON {own}_{name}.id = {own}.{name}")
            columns += [Column(new, f"{own}_{name}.{old}", "string") for new, old in said.columns.items()]
    return columns, joins


def _said(name: str, kind: str, own: str) -> Iterator[Column]:
    """The column itself; of a cost in picos also the amount."""
    if name in WORDS:
        words = ", ".join(f"'{word}'" for word in WORDS[name])
        yield Column(name, f"(ARRAY[{words}])[{own}.{name} + 1]", "string")
        return
    sql, arrow = TYPES.get(kind, ("{}::text", "string"))
    yield Column(name, sql.format(f"{own}.{name}"), arrow)
    if name == "cost_picos":
        yield Column("cost", f"({own}.{name} * 0.000000000001)::numeric(38, 12)", "decimal")


def _exists(session: Session, table: str) -> bool:
    return session.scalar(text("SELECT to_regclass(:table)"), {"table": table}) is not None
