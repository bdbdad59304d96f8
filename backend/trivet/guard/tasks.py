"""Guards are evaluated by the clock, and woken by what was ingested; what they hand on is done at once."""

import logging

from celery import current_app, shared_task
from psycopg.errors import LockNotAvailable
from sqlalchemy import delete, select
from sqlalchemy.exc import OperationalError

from trivet import db
from trivet.guard import calibrate, counted, later, service, shortages
from trivet.job import work
from trivet.kit.clock import utc_now
from trivet.kit.errors import TrivetError
from trivet.outbox import Outbox
from trivet.settings import get_settings

SCHEDULE = {
    "guard.evaluate": (get_settings().guard_interval_s, "control"),
    "guard.give_way": (5.0, "control"),
    "guard.forget_tallies": (60.0, "work"),
    "guard.calibrate": (1800.0, "work"),
}
HERE = ("command.from_ladder", "command.auto_rollback")  # what an evaluation hands on and does itself
HERE_MAX = 50  # of one evaluation; the others leave by the broker
BATCHES_MAX = 10
_log = logging.getLogger(__name__)


@shared_task(name="guard.evaluate")
def evaluate() -> int:
    """One evaluation of everything; returns how many hand-offs it left."""
    return _hand_on(service.evaluate_by_parts(utc_now()))


@shared_task(name="guard.give_way")
def give_way() -> int:
    """Where something shared is short, the least critical scenario gives way, or one comes back; how many did."""
    with db.transaction() as session:
        return shortages.give_way(session, utc_now())


@shared_task(name="guard.wake")
def wake() -> int:
    """Something that guards watch was committed: judge what it may have broken. The clock makes up for one that is lost."""
    try:
        with db.transaction() as session:
            left = service.wake(session, utc_now())
    except OperationalError as late:
        if not isinstance(late.orig, LockNotAvailable):
            raise
        return 0  # an evaluation takes long; the next one sees what this one would have
    return _hand_on(left)


def _hand_on(left: int | None) -> int:
    """Do what was handed on in this process, without another way through the broker; the rest leaves by it, now."""
    if not left:
        return 0
    with db.transaction() as session:
        waiting = select(Outbox.id, Outbox.task, Outbox.args).where(Outbox.task.in_(HERE)).order_by(Outbox.id)
        rows = session.execute(waiting.limit(HERE_MAX)).all()
    done = [id_ for id_, task, args in rows if _do(task, args)]
    if done:
        with db.transaction() as session:  # killed before this, they are done again and change nothing
            session.execute(delete(Outbox).where(Outbox.id.in_(done)))
    current_app.tasks["outbox.relay"]()
    return left


def _do(task: str, args: list[object]) -> bool:
    """Run a task here; whether it was done. What is refused leaves by the broker and is told there."""
    try:
        current_app.tasks[task](*args)
    except TrivetError as refused:
        _log.info("%s%r was refused here: %s", task, tuple(args), refused.detail)
        return False
    return True


@shared_task(name=later.TASK)
def replay_job(job_id: int) -> bool:
    """The same for all of them now, asked for by somebody who looks how far it is."""
    return work.perform(job_id, later.run)


@shared_task(name="guard.calibrate")
def replay_history() -> int:
    """Replay the last day of the scenarios that are due, each about once a day; how many guards were."""
    with db.transaction() as session:
        return calibrate.calibrate(session, utc_now())


@shared_task(name="guard.forget_tallies")
def forget_tallies() -> int:
    """Take away counts that no window reaches any more; how many rows."""
    total = 0
    for _ in range(BATCHES_MAX):
        with db.transaction() as session:
            count = counted.forget_old(session)
        total += count
        if count < counted.FORGOTTEN:
            break
    return total
