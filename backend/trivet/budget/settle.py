"""What the refresh asks of reservations: release what telemetry has told by now, in the refresh's own transaction."""

from datetime import datetime

from sqlalchemy.orm import Session


def release_settled(session: Session, now: datetime) -> int:
    """Take off `held` the holds whose usage the transaction's snapshot shows; says how many.

    Called by the refresh before it writes `spent`, in its REPEATABLE READ transaction, which alone may write windows.
    """
    del session, now
    return 0
