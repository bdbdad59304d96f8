"""Alerts of ladders that stand frozen: they changed direction too often and wait for a person."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet.guard.ladder_models import LadderState
from trivet.notify import alert_models as rows
from trivet.notify import alerts
from trivet.notify.alerts import Alert
from trivet.tenant.models import Scenario

NAME = "TrivetLadderFrozen"


def keep(session: Session, scenario_id: int, now: datetime) -> None:
    """Fire the alert while the ladder is frozen, resolve it once it is not."""
    row = session.get(LadderState, scenario_id)
    scenario = session.scalar(select(Scenario.name).where(Scenario.id == scenario_id))
    if row is None or scenario is None:
        return
    labels = {"alertname": NAME, "kind": "ladder", "scenario": scenario}
    if row.frozen_since is None:
        alerts.resolve(session, alerts.key_of(labels), now)
        return
    why = f"the ladder of {scenario} stands frozen at level {row.level}: {row.frozen_reason or 'it turned too often'}"
    done = f"nothing moves by itself any more: restore or degrade {scenario} by hand"
    alert = Alert(labels, "page", why, done, path="/#control", started_at=row.frozen_since)
    alerts.fire(session, alert, now)


def missed(session: Session) -> list[int]:
    """Scenarios whose ladder froze or thawed and whose alert does not say so."""
    open_ = select(rows.Alert.labels["scenario"].astext).where(
        rows.Alert.ended_at.is_(None), rows.Alert.labels["kind"].astext == "ladder"
    )
    known = set(session.scalars(open_))
    frozen = dict(
        session.execute(
            select(Scenario.name, Scenario.id)
            .join(LadderState, LadderState.scenario_id == Scenario.id)
            .where(LadderState.frozen_since.is_not(None) | Scenario.name.in_(known))
        ).all()
    )
    still = set(
        session.scalars(
            select(Scenario.name)
            .join(LadderState, LadderState.scenario_id == Scenario.id)
            .where(LadderState.frozen_since.is_not(None))
        )
    )
    return sorted(frozen[name] for name in known ^ still if name in frozen)
