"""Alerts of breaches and of ladders that stand frozen: read as they are, so that a note that was lost or came twice changes
nothing.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from trivet.card import service as cards
from trivet.card.presets import catalogue
from trivet.card.watched import Guard
from trivet.command.models import Command
from trivet.guard.models import Breach
from trivet.notify import alert_models as rows
from trivet.notify import alerts
from trivet.notify.alerts import Alert
from trivet.tenant.models import Scenario

MISSED_MAX = 200  # in one sweep
MISSED_BACK = timedelta(hours=6)  # a breach that opened and closed longer ago is no news any more
NAME = "TrivetGuard"


@dataclass(frozen=True, slots=True)
class Told:
    """A breach with what its alert needs beside it."""

    breach: Breach
    scenario: str
    guard: Guard | None  # None where the card no longer has it
    command: Command | None


def keep(session: Session, breach_id: int, now: datetime) -> Told | None:
    """Fire or resolve the alert of a breach; None where there is no such breach."""
    told = _read(session, breach_id)
    if told is None:
        return None
    alert = alert_of(told)
    key = alerts.key_of(alert.labels)
    open_ = session.scalar(select(rows.Alert).where(rows.Alert.key == key, rows.Alert.ended_at.is_(None)))
    breach = told.breach
    if open_ is not None and open_.breach_id != breach_id:
        if breach.closed_at is None or (open_.breach_id or 0) < breach_id:
            alerts.resolve(session, key, now)  # an earlier breach of this guard, whose end was lost
        else:
            return told  # a later one is open: this one is history
        open_ = None
    known = exists().where(rows.Alert.breach_id == breach_id)
    if open_ is not None or breach.closed_at is None or not session.scalar(select(known)):
        alerts.fire(session, alert, now)
    if breach.closed_at is not None:
        alerts.resolve(session, key, breach.closed_at)
    return told


def missed(session: Session, now: datetime) -> list[int]:
    """Breaches whose alert does not say what they say: a note was lost. Oldest first, at most `MISSED_MAX`."""
    alert = rows.Alert
    without = (
        select(Breach.id)
        .where(Breach.closed_at.is_(None) | (Breach.opened_at > now - MISSED_BACK))
        .where(~exists().where(alert.breach_id == Breach.id))
    )
    stale = select(Breach.id).join(alert, alert.breach_id == Breach.id)
    stale = stale.where(alert.ended_at.is_(None), Breach.closed_at.is_not(None))
    return sorted(session.scalars(without.union(stale).limit(MISSED_MAX)))


def follow_commands(session: Session) -> int:
    """Say of open alerts what was done about them meanwhile, and how far it is; of how many that changed."""
    alert = rows.Alert
    caused = (
        select(alert, Command)
        .join(Command, Command.breach_id == alert.breach_id)
        .where(alert.ended_at.is_(None))
        .order_by(alert.id, Command.id)
    )
    newest = dict(session.execute(caused).all())
    changed = 0
    for row, command in newest.items():
        said = words_of(command)
        if (row.command_id, row.annotations.get("done")) != (command.id, said):
            row.command_id, row.annotations = command.id, {**row.annotations, "done": said}
            changed += 1
    session.flush()
    return changed


def alert_of(told: Told) -> Alert:
    """The alert that a breach is."""
    breach, guard = told.breach, told.guard
    metric = guard.metric if guard else ""
    shadow = breach.shadow or (guard is not None and guard.shadow)
    labels = {
        "alertname": NAME, "kind": "guard", "scenario": told.scenario, "guard": breach.guard, "metric": metric,
        "shadow": "true" if shadow else "",
    }  # fmt: skip
    return Alert(
        labels={name: value for name, value in labels.items() if value},
        severity="info" if shadow else severity_of(guard),
        why=breach.reason,
        done=done(told),
        level=guard.raises_to if guard and not shadow else 0,
        runbook=metric if metric in catalogue() else "",
        path=f"/breaches/{breach.id}",
        breach_id=breach.id,
        command_id=told.command.id if told.command else None,
        started_at=breach.opened_at,
        more={"revision": str(breach.revision), "ended": breach.closed_reason or ""},
    )


def severity_of(guard: Guard | None) -> str:
    """As the card says; else a page where the guard moves the ladder, a ticket where it only watches."""
    if guard is None:
        return "ticket"
    if guard.severity:
        return guard.severity
    return guard.burn.severity if guard.burn else "page" if guard.raises_to else "ticket"


def done(told: Told) -> str:
    """What was done about a breach, in words."""
    if told.command is not None:
        return words_of(told.command)
    if told.guard is not None and told.guard.shadow:
        return "nothing: the guard is in shadow and moves nothing"
    if told.guard is not None and told.guard.raises_to:
        return f"nothing yet: the guard raises to level {told.guard.raises_to}"
    return "nothing: the guard only watches"


def words_of(command: Command) -> str:
    """`command 12: degrade to level 2, effective`."""
    level = f" to level {command.level}" if command.level is not None else ""
    return f"command {command.id}: {command.kind}{level}, {command.status}"


def _read(session: Session, breach_id: int) -> Told | None:
    breach = session.get(Breach, breach_id)
    if breach is None:
        return None
    scenario = session.scalars(select(Scenario.name).where(Scenario.id == breach.scenario_id)).one()
    card = cards.active(session, [breach.scenario_id]).get(breach.scenario_id)
    guard = next((each for each in card.card.guards if each.name == breach.guard), None) if card else None
    caused = select(Command).where(Command.breach_id == breach_id).order_by(Command.id.desc()).limit(1)
    return Told(breach, scenario, guard, session.scalar(caused))
