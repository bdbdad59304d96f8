"""Which months are open: what everybody else asks of periods. Only reads."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from trivet.db import once
from trivet.ledger.models import Period

OPEN, CLOSING, CLOSED = "open", "closing", "closed"


@once
def shut(session: Session) -> str:
    """The last closed month, "" where none is: it and every month before it take no posting any more."""
    return session.scalar(select(func.max(Period.month)).where(Period.state == CLOSED)) or ""


@once
def state(session: Session, month: str) -> str:
    """`open`, `closing` (somebody asked, a second person has not agreed yet) or `closed`."""
    if month <= shut(session):
        return CLOSED
    return session.scalar(select(Period.state).where(Period.month == month)) or OPEN


def closed(session: Session) -> list[str]:
    """The months that were closed, oldest first."""
    return list(session.scalars(select(Period.month).where(Period.state == CLOSED).order_by(Period.month)))
