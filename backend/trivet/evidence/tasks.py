"""What is kept of breaches, and drills on their way. Each is a transaction of its own."""

from celery import shared_task

from trivet import db
from trivet.evidence import record
from trivet.kit.clock import utc_now

SCHEDULE = {"evidence.time_breaches": (10.0, "work")}


@shared_task(name="evidence.time_breaches")
def time_breaches() -> int:
    """Measure breaches that are over, and again what late data may have changed; how many. Run twice, the same rows."""
    with db.transaction() as session:
        due = record.due(session, utc_now())
    for breach_id in due:
        with db.transaction() as session:
            record.keep(session, breach_id, utc_now())
    return len(due)
