"""What the close of a month should know of bills."""

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet.bill import telling
from trivet.bill.models import Bill
from trivet.kit.money import plain
from trivet.ledger.month import bounds
from trivet.ledger.period_checks import CHECKS, Found

SHOWN_MAX = 20


def unposted(session: Session, month: str, _: datetime) -> Iterator[Found]:
    """Bills with days in the month that are not posted: their differences would become adjustments."""
    days = bounds(month)
    query = (
        select(Bill)
        .where(Bill.state.in_(("imported", "matched")))
        .where(Bill.starts_on < days.end.date(), Bill.ends_on > days.start.date())
        .order_by(Bill.id)
        .limit(SHOWN_MAX)
    )
    for bill in session.scalars(query):
        who, when = telling.title(bill.provider), telling.days(bill.starts_on, bill.ends_on)
        detail = f"{who}'s bill of {when}, {plain(bill.total)} {bill.currency}, is not posted: post it, or replace it."
        facts = {
            "provider": who, "first": bill.starts_on, "after": bill.ends_on, "amount": bill.total, "currency": bill.currency
        }  # fmt: skip
        yield Found("bill_unposted", detail, f"/bills/{bill.id}", facts)


def register() -> None:
    """Among the checks of every close."""
    CHECKS["bills"] = unposted
