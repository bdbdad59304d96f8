"""What is kept of breaches, and drills on their way. Each is a transaction of its own."""

import logging

from celery import shared_task

from trivet import db
from trivet.evidence import drill_schedules, drill_state, drills, record
from trivet.kit.clock import utc_now
from trivet.kit.errors import TrivetError

SCHEDULE = {
    "evidence.time_breaches": (10.0, "work"),
    "evidence.advance_drills": (1.0, "control"),
    "evidence.start_drills": (30.0, "control"),
}
_log = logging.getLogger(__name__)


@shared_task(name="evidence.time_breaches")
def time_breaches() -> int:
    """Measure breaches that are over, and again what late data may have changed; how many. Run twice, the same rows."""
    with db.transaction() as session:
        due = record.due(session, utc_now())
    for breach_id in due:
        with db.transaction() as session:
            record.keep(session, breach_id, utc_now())
    return len(due)


@shared_task(name="evidence.advance_drills")
def advance_drills() -> int:
    """Take each drill as far as it goes; how many are on their way. Run twice at once, the second finds it locked."""
    with db.transaction() as session:
        running = drill_state.running(session)
    for drill_id in running:
        try:
            with db.transaction() as session:
                drills.advance(session, drill_id, utc_now())
        except TrivetError as refused:  # tried again; the time limit of its command ends it where that never works
            _log.warning("Drill %d could not go on: %s", drill_id, refused.detail)
    return len(running)


@shared_task(name="evidence.start_drills")
def start_drills() -> int:
    """Drills whose time has come; how many began."""
    with db.transaction() as session:
        due = drill_schedules.due(session, utc_now())
    began = 0
    for schedule_id in due:
        with db.transaction() as session:
            began += drill_schedules.run(session, schedule_id, utc_now()) is not None
    return began
