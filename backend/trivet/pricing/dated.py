"""Dated rows of any kind of price: entered once, never edited, each with who and where from."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypeVar

from sqlalchemy import Select, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trivet.identity import audit
from trivet.kit.clock import rfc3339
from trivet.kit.errors import Conflict
from trivet.kit.page import INT4, from_cursor

Row = TypeVar("Row")


def add(session: Session, table: type[Row], values: Mapping[str, Any], *, actor: str) -> Row:
    """A new row of a table whose name says what it is; `Conflict` where its key has one from the same start."""
    name: str = table.__tablename__  # type: ignore[attr-defined]  # a mapped class
    row = {**values, "author": actor}
    made: Row | None = session.scalar(insert(table).values(row).on_conflict_do_nothing().returning(table))
    if made is None:
        raise Conflict(
            f"There is one from {plain(values['effective_from'])} already. What was entered is never edited: add one with "
            "a later effective_from.",
            field="effective_from",
        )
    after = {key: plain(value) for key, value in row.items()}
    audit.record(session, actor=actor, action=f"{name}.add", subject=f"{name}:{_id(made)}", after=after)
    return made


def listed(table: Any, limit: int, cursor: str | None) -> Select[Any]:
    """A page of rows and one more, in the order they were entered."""
    query = select(table).order_by(table.id).limit(limit + 1)
    return query.where(table.id > from_cursor(cursor, INT4)[0]) if cursor else query


def said(row: Any) -> dict[str, Any]:
    """A row as an answer says it: amounts as plain decimals, times RFC 3339."""
    names = [column.name for column in row.__table__.c if column.name != "created_at"]
    return {name: plain(getattr(row, name)) for name in names}


def plain(value: Any) -> Any:
    """A value in the wire form."""
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    return value


def _id(row: Any) -> int:
    return int(row.id)
