"""A closed month is still what it closed at: one of them, another each time."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from trivet.invariant.finding import Finding, turn
from trivet.ledger.models import Period
from trivet.ledger.period_figures import balances_hash, figures
from trivet.ledger.periods import CLOSED, closed

# What a period comes to is told from `balance_period`, what its hash covers from `balance_day`: the two must agree.
_ODD = text("""
    SELECT account, currency, sum(amount) FROM (
        SELECT account, currency, amount FROM balance_day WHERE period = :month
        UNION ALL SELECT account, currency, -amount FROM balance_period WHERE period = :month
    ) AS both_ways GROUP BY account, currency HAVING sum(amount) <> 0 ORDER BY account, currency LIMIT 1
""")


def check(session: Session, now: datetime) -> Finding:
    """Read only; needs one snapshot for all its statements. Each run takes another of the closed months."""
    months = closed(session)
    if not months:
        return Finding(True, "no month is closed")
    return check_month(session, months[turn(now, len(months))])


def check_month(session: Session, month: str) -> Finding:
    """One closed month."""
    row = session.scalars(select(Period).where(Period.month == month)).one()
    before = session.scalar(
        select(Period.balances_hash).where(
            Period.month
            == select(func.max(Period.month)).where(Period.state == CLOSED, Period.month < month).scalar_subquery()
        )
    )
    if balances_hash(session, month, before or "") != row.balances_hash:
        return Finding(False, f"{month}: its balances have not the hash they closed with")
    odd = session.execute(_ODD, {"month": month}).first()
    if odd:
        return Finding(False, f"{month}: {odd[0]} differs by {odd[2]} {odd[1]} between days and period")
    totals = {currency: found.total for currency, found in figures(session, month).items()}
    if totals != {currency: Decimal(amount) for currency, amount in row.totals.items()}:
        return Finding(False, f"{month}: it stands at {totals} and closed at {row.totals}")
    return Finding(True, f"{month}: hash and totals of its close")
