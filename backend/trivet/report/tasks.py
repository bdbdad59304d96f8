"""Anomalies and scheduled files on the clock. On queue `work`."""

from datetime import datetime

from celery import shared_task

from trivet import db
from trivet.job import work
from trivet.kit.clock import utc_now
from trivet.report import anomalies
from trivet.report.files import later, schedule_tasks
from trivet.settings import get_settings

SCHEDULE = {"report.anomalies": (60.0, "work")} | schedule_tasks.SCHEDULE
_judged: set[tuple[datetime | None, int]] = set()  # the one state of the ledger that this process judged last
db.caches.append(_judged.clear)


@shared_task(name=later.TASK)
def export(job_id: int) -> bool:
    """Make a file that somebody asked for in the background."""
    return work.perform(job_id, later.export)


@shared_task(name="report.anomalies")
def find() -> int | None:
    """Judge the last whole days, where anything was posted for them since; how many anomalies stand."""
    now = utc_now()
    with db.transaction() as session:
        state = anomalies.posted(session, now)
        if state in _judged:
            return None
        found = anomalies.judge(session, now, get_settings().anomaly_least)
    _judged.clear()
    _judged.add(state)
    return found
