"""Charges into the table of lines, by COPY."""

from typing import Any

from sqlalchemy.orm import Session

from trivet.bill import aliases
from trivet.bill.models import Bill
from trivet.bill.read.line import Charge

COLUMNS = (
    "bill_id", "file", "number", "part", "day", "days", "alias_id", "kind", "quantity", "unit", "tokens", "amount",
    "places", "effective", "category", "correction", "covered", "service", "sku", "region", "invoice_id",
)  # fmt: skip
_COPY = f"COPY bill_line ({', '.join(COLUMNS)}) FROM STDIN"


def store(session: Session, bill: Bill, charges: list[Charge]) -> None:
    """Keep the charges as lines of a bill."""
    named = aliases.ids_of(session, bill.provider, {charge.model for charge in charges if charge.model})
    connection: Any = session.connection().connection.dbapi_connection
    with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
        for each in charges:
            copy.write_row((
                bill.id, each.file, each.number, each.part, each.day, each.days, named.get(each.model), each.kind,
                each.quantity, each.unit, each.tokens, each.amount, each.places, each.effective, each.category,
                each.correction, each.covered, each.service, each.sku, each.region, each.invoice_id,
            ))  # fmt: skip
