"""Entries sum to zero per currency: in each of the newest postings, in each of others, and over the balances of all.

A ledger of years has more entries than a check may read: which others are looked at moves on with each run, so that all are
in time. That balances are what entries add up to is a promise of its own.
"""

from datetime import datetime

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from trivet.invariant.finding import Finding, turn
from trivet.ledger.models import Posting

POSTINGS = 200
_ODD = text("""
    SELECT posting_id, currency, sum(amount) FROM entry
    WHERE posting_id > :after AND posting_id <= :to
    GROUP BY posting_id, currency HAVING sum(amount) <> 0 ORDER BY posting_id LIMIT 1
""")
_WHOLE = text("SELECT currency, sum(amount) FROM balance_period GROUP BY currency HAVING sum(amount) <> 0 LIMIT 1")


def check(session: Session, now: datetime) -> Finding:
    """Read only; needs one snapshot for its statements."""
    newest = session.scalar(select(func.max(Posting.id))) or 0
    first = turn(now, newest // POSTINGS + 1) * POSTINGS
    for after in (newest - POSTINGS, first):
        odd = session.execute(_ODD, {"after": after, "to": after + POSTINGS}).first()
        if odd:
            return Finding(False, f"posting {odd[0]} sums to {odd[2]} {odd[1]}")
    whole = session.execute(_WHOLE).first()
    if whole:
        return Finding(False, f"the ledger sums to {whole[1]} {whole[0]}")
    return Finding(True, f"the newest {POSTINGS} postings, {POSTINGS} from {first + 1} on, and the balances of all")
