"""Schedules on the clock. On queue `work`."""

import logging

from celery import shared_task

from trivet import db
from trivet.kit.clock import utc_now
from trivet.report.files import ask, schedules, statement

JOBS_MAX = 20  # files of one run; the next run goes on
KEPT_MAX = 100  # statements of closed months kept in one run
SCHEDULE = {"report.schedules": (60.0, "work")}
_log = logging.getLogger(__name__)


@shared_task(name="report.schedules")
def run() -> int:
    """Keep what closed months' statements count, then make what is due, each file in a transaction of its own; how many. One that fails stops no other."""
    with db.transaction() as session:
        statement.keep(session, utc_now(), KEPT_MAX)
    with db.transaction() as session:
        due = schedules.jobs(session, utc_now())[:JOBS_MAX]
    done = 0
    for job in due:
        try:
            with db.transaction() as session:
                ask.one_moment(session)
                done += schedules.run(session, job, utc_now())
        except Exception:
            _log.exception("Schedule %d could not be run; it is tried again.", job.schedule_id)
    return done
