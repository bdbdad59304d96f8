"""Guards are evaluated by the clock; what they hand on leaves at once."""

from celery import current_app, shared_task

from trivet import db
from trivet.guard import service
from trivet.kit.clock import utc_now
from trivet.settings import get_settings

SCHEDULE = {"guard.evaluate": (get_settings().guard_interval_s, "control")}


@shared_task(name="guard.evaluate")
def evaluate() -> int:
    """One evaluation; returns how many hand-offs it left."""
    with db.transaction() as session:
        left = service.evaluate(session, utc_now())
    if left:
        current_app.tasks["outbox.relay"]()  # now, and not with the next tick: a breach should be acted on at once
    return left or 0
