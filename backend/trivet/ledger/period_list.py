"""A period as the API and the page tell it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import select, union
from sqlalchemy.orm import Session

from trivet.kit.interval import month_of
from trivet.ledger import period_figures
from trivet.ledger.models import BalancePeriod, Period
from trivet.ledger.period_figures import Figures
from trivet.ledger.periods import CLOSED, OPEN, shut


@dataclass(frozen=True, slots=True)
class Told:
    """One month: its state, what it comes to by currency, and the row of who asked and who closed, where there is one."""

    month: str
    state: str
    figures: dict[str, Figures]
    row: Period | None

    @property
    def totals(self) -> dict[str, Decimal]:
        """By currency; of a closed month what it closed at."""
        if self.row and self.row.state == CLOSED:
            return {currency: Decimal(amount) for currency, amount in self.row.totals.items()}
        return {currency: each.total for currency, each in self.figures.items()}


def months(session: Session, now: datetime, limit: int, before: str = "") -> list[str]:
    """Months that something is booked in or that somebody asked to close, and the one of `now`; newest first."""
    known = union(select(BalancePeriod.period), select(Period.month)).subquery()
    query = select(known.c[0]).order_by(known.c[0].desc()).limit(limit)
    if before:
        query = query.where(known.c[0] < before)
    current = month_of(now)
    found = set(session.scalars(query)) | ({current} if not before or current < before else set())
    return sorted(found, reverse=True)[:limit]


def told(session: Session, wanted: Sequence[str]) -> list[Told]:
    """Those months, in the order given."""
    last = shut(session)
    rows = {row.month: row for row in session.scalars(select(Period).where(Period.month.in_(wanted)))}
    return [_told(session, month, last, rows.get(month)) for month in wanted]


def _told(session: Session, month: str, last: str, row: Period | None) -> Told:
    state = CLOSED if month <= last else row.state if row else OPEN
    return Told(month, state, period_figures.figures(session, month), row)
