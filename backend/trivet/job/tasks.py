"""Jobs on the clock, on queue `work`: what was left lying is taken up again, what is old is forgotten."""

from datetime import timedelta

from celery import shared_task

from trivet import db
from trivet.job import service
from trivet.kit.clock import utc_now
from trivet.settings import get_settings

SCHEDULE = {"job.sweep": (10.0, "work"), "job.prune": (3600.0, "work")}


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
