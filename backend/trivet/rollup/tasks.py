"""Folding on the clock, on queue `work`."""

from collections.abc import Callable
from datetime import datetime

from celery import shared_task
from sqlalchemy.orm import Session

from trivet import db
from trivet.job import work
from trivet.kit.interval import Interval
from trivet.rollup import later, service, signal_fold
from trivet.rollup import rebuild as rebuilding
from trivet.settings import get_settings

ROUNDS_MAX = 50
SCHEDULE = {"rollup.fold": (1.0, "work"), "rollup.fold_gpu": (2.0, "work"), "rollup.fold_signals": (2.0, "work")}


def until_empty(fold: Callable[[Session, int], int]) -> int:
    """Fold batch after batch, each in its own transaction, until little is left; bounded, the next beat goes on."""
    limit, taken = get_settings().fold_batch_rows, 0
    for _ in range(ROUNDS_MAX):
        with db.transaction() as session:
            count = fold(session, limit)
        taken += count
        if count < limit:
            break
    return taken


@shared_task(name="rollup.fold")
def fold() -> int:
    return until_empty(service.fold_usage)


@shared_task(name="rollup.fold_gpu")
def fold_gpu() -> int:
    return until_empty(service.fold_gpu_readings)


@shared_task(name="rollup.fold_signals")
def fold_signals() -> int:
    return until_empty(signal_fold.fold_signals)


@shared_task(name=later.TASK)
def rebuild_job(job_id: int) -> bool:
    """The same, asked for by somebody who looks how far it is."""
    return work.perform(job_id, later.run)


@shared_task(name="rollup.rebuild")
def rebuild(start: str, end: str) -> int:
    """Make the rollups of whole hours (RFC 3339, half-open) again out of requests and scores."""
    return rebuilding.rebuild(Interval(datetime.fromisoformat(start), datetime.fromisoformat(end)))
