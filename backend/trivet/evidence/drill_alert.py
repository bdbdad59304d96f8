"""A drill that did not prove its ladder is an alert, labelled `drill`: it goes to a route that asks for drills, and pages nobody."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet.evidence.models import Drill
from trivet.notify import alerts
from trivet.notify.alerts import Alert
from trivet.tenant.models import Scenario


def tell(session: Session, drill: Drill, now: datetime) -> None:
    """Fire for a drill that failed, resolve with the next one that passed; one that was aborted says nothing of the ladder."""
    scenario = session.scalars(select(Scenario.name).where(Scenario.id == drill.scenario_id)).one()
    labels = {"alertname": "TrivetDrillFailed", "kind": "drill", "scenario": scenario, "drill": "true"}
    if drill.state == "failed":
        why = f"drill {drill.id} of the ladder of {scenario} failed: {drill.outcome}"
        alerts.fire(session, Alert(labels, "ticket", why, "the level is taken back from the drill's backend"), now)
    elif drill.state == "passed":
        alerts.resolve(session, alerts.key_of(labels), now)
