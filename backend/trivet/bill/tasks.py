"""Compare bills anew where what was measured changed after it. On queue `work`."""

from celery import shared_task

from trivet import db
from trivet.bill import later, posting
from trivet.job import work
from trivet.kit.clock import utc_now

SCHEDULE = {"bill.rematch": (60.0, "work")}


@shared_task(name=later.TASK)
def import_bill(job_id: int) -> bool:
    """Read a file that somebody brought."""
    return work.perform(job_id, later.run)


@shared_task(name="bill.rematch")
def rematch() -> int:
    """Bills whose days were posted again, or whose names were told, each in a transaction; how many were compared."""
    with db.transaction() as session:
        found = posting.changed(session)
    done = 0
    for bill_id in found:
        with db.transaction() as session:
            done += posting.again(session, bill_id, utc_now())
    return done
