"""Checking on the clock, on queue `work`."""

from celery import shared_task

from trivet.invariant import service
from trivet.invariant.finding import EVERY_S
from trivet.kit.clock import utc_now

SCHEDULE = {"invariant.check": (float(EVERY_S), "work")}


@shared_task(name="invariant.check")
def check() -> int:
    """Check every promise; how many do not hold."""
    return sum(not finding.holds for finding in service.check_all(utc_now()).values())
