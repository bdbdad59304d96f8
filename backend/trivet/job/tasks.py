"""Jobs on the clock, on queue `work`: what was left lying is taken up again, what is old is forgotten."""

from datetime import timedelta

from celery import current_app, shared_task
from sqlalchemy import select

from trivet import db
from trivet.job import service, work
from trivet.job.models import Job
from trivet.kit.clock import utc_now
from trivet.settings import get_settings

SCHEDULE = {"job.sweep": (10.0, "work"), "job.prune": (3600.0, "work")}


@shared_task(name="job.take", soft_time_limit=work.LONGEST_S, time_limit=work.ENDED_S)
def take(job_id: int) -> bool:
    """Do a job, by the task that its kind has; whether it was done."""
    with db.transaction() as session:
        task = session.scalar(select(Job.task).where(Job.id == job_id))
    return bool(task and current_app.tasks[task](job_id))


@shared_task(name="job.sweep")
def sweep() -> int:
    """Take up again what a process left lying; how many jobs were handed on."""
    with db.transaction() as session:
        return service.sweep(session, utc_now(), get_settings().jobs_at_once)


@shared_task(name="job.prune")
def prune() -> int:
    """Forget jobs, and the files they made, that ended `jobs_kept_days` ago."""
    with db.transaction() as session:
        return service.prune(session, utc_now() - timedelta(days=get_settings().jobs_kept_days))
