"""Rollups made again by a worker, hour by hour, each in a transaction of its own: one that is done again says the same."""

from datetime import datetime

from sqlalchemy.orm import Session

from trivet.job import api as jobs
from trivet.job.models import Job
from trivet.job.service import Came, Wanted
from trivet.job.work import Running
from trivet.kit.clock import rfc3339
from trivet.kit.interval import Interval
from trivet.rollup import rebuild

KIND, TASK = "rebuild", "rollup.rebuild_job"


def begin(session: Session, interval: Interval, actor: str) -> Job:
    """Ask for it; `Invalid` where the ends are no whole hours, or there are too many."""
    rebuild.hours(interval)
    params = {"from": rfc3339(interval.start), "to": rfc3339(interval.end)}
    title = f"Rollups from {interval.start:%Y-%m-%d %H:%M} to before {interval.end:%Y-%m-%d %H:%M} UTC made again"
    return jobs.begun(session, Wanted(KIND, title, TASK, params, unit="hours"), actor)


def run(running: Running) -> None:
    """Make them again."""
    params = running.claim.params
    interval = Interval(datetime.fromisoformat(params["from"]), datetime.fromisoformat(params["to"]))
    done = rebuild.rebuild(interval, running.advance)
    with running.finishing() as session:
        running.finish(session, Came(f"{done:,} hours."))
