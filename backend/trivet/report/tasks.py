"""Anomalies and scheduled files on the clock. On queue `work`."""

from celery import shared_task

from trivet import db
from trivet.kit.clock import utc_now
from trivet.report import anomalies
from trivet.report.files import schedule_tasks
from trivet.settings import get_settings

SCHEDULE = {"report.anomalies": (3_600.0, "work")} | schedule_tasks.SCHEDULE


@shared_task(name="report.anomalies")
def find() -> int:
    """Judge the last whole days; how many anomalies stand."""
    with db.transaction() as session:
        return anomalies.judge(session, utc_now(), get_settings().anomaly_least)
