"""Ids of traces and spans: bytes in Python, a uuid and an int8 in the database, where every byte is paid for daily."""

from collections.abc import Collection, Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, ColumnElement, Dialect, Uuid, and_, any_, func, literal, select
from sqlalchemy.types import TypeDecorator

NONE = 0  # of a name: nobody named one


class TraceId(TypeDecorator[bytes]):
    """16 bytes, as a uuid."""

    impl = Uuid
    cache_ok = True

    def process_bind_param(self, value: bytes | None, dialect: Dialect) -> Any:
        del dialect
        return None if value is None else UUID(bytes=value)

    def process_result_value(self, value: Any, dialect: Dialect) -> bytes | None:
        del dialect
        return None if value is None else value.bytes


class SpanId(TypeDecorator[bytes]):
    """8 bytes, as an int8."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: bytes | None, dialect: Dialect) -> int | None:
        del dialect
        return None if value is None else span_number(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> bytes | None:
        del dialect
        return None if value is None else span_bytes(value)


def of_traces(column: Any, traces: Collection[bytes]) -> ColumnElement[bool]:
    """Whether a request is of one of some traces, by the index on `request`, which holds four bytes of each trace.

    `column` is the `trace_id` of the table or alias. Bound `started_at` as well: each day has an index of its own.
    """
    wanted = literal(list(traces), ARRAY(TraceId))
    each = func.unnest(wanted).column_valued("trace")
    hashes = func.array(select(func.uuid_hash(each)).scalar_subquery())
    return and_(func.uuid_hash(column) == any_(hashes), column == any_(wanted))


def array_of(traces: Iterable[bytes]) -> str:
    """Traces as the text of a `uuid[]`, which the driver passes on in a fraction of the time of a list of UUIDs."""
    return f"{{{','.join([trace.hex() for trace in traces])}}}"


def span_number(span_id: bytes) -> int:
    """A span id as its column holds it."""
    return int.from_bytes(span_id, "big", signed=True)


def span_bytes(number: int) -> bytes:
    """A span id out of its column."""
    return number.to_bytes(8, "big", signed=True)
