"""Formats that people describe for their own CSV: which column is which, kept by name and used again."""

import re
from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trivet.bill.models import BillFormat
from trivet.bill.read import formats
from trivet.bill.read.formats import Format
from trivet.identity import audit
from trivet.kit.errors import Conflict, Invalid

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
LISTED_MAX = 500


def find(session: Session, name: str, columns: Mapping[str, str] | None, actor: str) -> Format | None:
    """The format that somebody described under a name, now or before; None where a known one is meant, or any."""
    if columns:
        return _keep(session, name, columns, actor)
    kept = session.scalar(select(BillFormat).where(BillFormat.name == name)) if name else None
    return formats.own(kept.name, kept.columns) if kept else None


def _keep(session: Session, name: str, columns: Mapping[str, str], actor: str) -> Format:
    if not _NAME.fullmatch(name) or name in formats.formats():
        raise Invalid(
            "Give the columns a name to find them by: small letters, digits and hyphens, and none of "
            f"{', '.join(formats.formats())}.",
            field="format",
        )
    found = formats.own(name, columns)
    made = session.scalar(
        insert(BillFormat)
        .values(name=name, columns=dict(columns), author=actor)
        .on_conflict_do_nothing()
        .returning(BillFormat)
    )
    if made is not None:
        audit.record(session, actor=actor, action="bill_format.add", subject=f"bill_format:{name}", after=dict(columns))
        return found
    kept = session.scalars(select(BillFormat).where(BillFormat.name == name)).one()
    if kept.columns != dict(columns):
        raise Conflict(f"The format {name} has other columns: {kept.columns}. Choose another name.", field="format")
    return found


def listed(session: Session) -> list[BillFormat]:
    """By name."""
    return list(session.scalars(select(BillFormat).order_by(BillFormat.name).limit(LISTED_MAX)))
