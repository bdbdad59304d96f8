"""What keeps itself: the audit chain is verified again and again, a step at a time; sessions that ended are cleared away."""

from celery import shared_task

from trivet import db
from trivet.identity import chain, sessions
from trivet.kit.clock import utc_now

SCHEDULE = {"identity.verify_chain": (60.0, "work"), "identity.clear_sessions": (600.0, "work")}


@shared_task(name="identity.verify_chain")
def verify_chain() -> int | None:
    """One step; the first row that does not fit, None where all that was looked at does."""
    with db.transaction() as session:
        now = utc_now()
        return chain.step(session, now, again=chain.is_due(session, now)).broken_id


@shared_task(name="identity.clear_sessions")
def clear_sessions() -> int:
    """Tokens that ended are forgotten; how many."""
    with db.transaction() as session:
        return sessions.clear(session, utc_now())
