"""Entries sum to zero: in every one of the newest postings, and over the whole ledger, per currency."""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from trivet.invariant.finding import Finding

NEWEST = 5_000
_ODD = text("""
    SELECT posting_id, currency, sum(amount) FROM entry
    WHERE posting_id > (SELECT coalesce(max(id), 0) - :newest FROM posting)
    GROUP BY posting_id, currency HAVING sum(amount) <> 0 ORDER BY posting_id LIMIT 1
""")
_WHOLE = text("SELECT currency, sum(amount) FROM entry GROUP BY currency HAVING sum(amount) <> 0 LIMIT 1")


def check(session: Session, now: datetime) -> Finding:
    """Read only. `now` is not looked at."""
    del now
    odd = session.execute(_ODD, {"newest": NEWEST}).first()
    if odd:
        return Finding(False, f"posting {odd[0]} sums to {odd[2]} {odd[1]}")
    whole = session.execute(_WHOLE).first()
    if whole:
        return Finding(False, f"the ledger sums to {whole[1]} {whole[0]}")
    return Finding(True, f"the newest {NEWEST} postings, and the whole ledger")
