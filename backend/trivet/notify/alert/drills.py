"""Drills: while one runs, breaches of its scenario are its own, and their alerts say so."""

from datetime import datetime

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trivet.notify.alert_models import DrillMark


def mark(session: Session, scenario_id: int, since: datetime, until: datetime) -> None:
    """Alerts of breaches of this scenario that open from `since` to `until` are labelled `drill`; the newest mark counts."""
    row = insert(DrillMark).values(scenario_id=scenario_id, since=since, until=until)
    session.execute(row.on_conflict_do_update(index_elements=["scenario_id"], set_={"since": since, "until": until}))
