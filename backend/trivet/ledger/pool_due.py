"""Hours of pools that engines and cards may still tell something of: readings come later than requests, and mark nothing due."""

from datetime import datetime, timedelta

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from trivet.kit.clock import floor
from trivet.ledger.pool_models import PoolHourSplit

SETTLED_AFTER = timedelta(hours=4)  # what is said later changes the hour when it is posted again for another reason


def unsettled(session: Session, now: datetime) -> list[datetime]:
    """The latest hours whose split rests on engines' counters or on measured energy, oldest first."""
    rests = or_(PoolHourSplit.evidence == "counters", PoolHourSplit.parts.has_key("power"))
    recent = select(PoolHourSplit.hour).where(PoolHourSplit.hour >= floor(now, 3600) - SETTLED_AFTER, rests)
    return list(session.scalars(recent.distinct().order_by(PoolHourSplit.hour)))
