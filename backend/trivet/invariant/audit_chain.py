"""The audit chain verifies: every row's hash covers the one before it, and none is missing."""

from datetime import datetime

from sqlalchemy.orm import Session

from trivet.identity import audit
from trivet.invariant.finding import Finding


def check(session: Session, now: datetime) -> Finding:
    """Read only. `now` is not looked at."""
    del now
    broken = audit.first_broken(session)
    return Finding(broken is None, "the whole chain" if broken is None else f"row {broken} does not fit")
