"""Drills that come back by themselves: every so many days at a time of day in UTC."""

from datetime import datetime, time, timedelta

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from trivet.card import service as cards
from trivet.db import named_ids
from trivet.evidence import drill_plan, drill_start
from trivet.evidence.drill_start import Wish
from trivet.evidence.models import DrillSchedule
from trivet.fleet.models import Backend
from trivet.identity import audit
from trivet.kit.errors import Conflict, Invalid, NotFound, TrivetError
from trivet.tenant.models import Scenario

LATE = timedelta(hours=1)  # a time missed for longer is left out: a drill does not come at any hour
EVERY_MAX_DAYS = 90  # older drills do not count for readiness


def make(session: Session, wish: Wish, *, every_days: int, at: time, actor: str, now: datetime) -> DrillSchedule:
    """Have a drill come back. One stands for each scenario and backend."""
    if wish.backend is None or not wish.backend.startswith(drill_plan.PREFIX):
        raise Invalid(f"Name the backend that is drilled each time: {drill_plan.PREFIX}…", field="backend")
    if not wish.reason.strip():
        raise Invalid("Say why: a drill needs a reason.", field="reason")
    scenario = cards.scenario_named(session, wish.scenario, lock=True)
    backend_id = named_ids(session, Backend, [wish.backend])[wish.backend]
    already = select(DrillSchedule.id).where(
        DrillSchedule.scenario_id == scenario.id,
        DrillSchedule.backend_id == backend_id,
        DrillSchedule.ended_at.is_(None),
    )
    if session.scalar(already) is not None:
        raise Conflict(f"{scenario.name} is drilled on {wish.backend} by a schedule already: end that one first.")
    row = DrillSchedule(
        scenario_id=scenario.id, backend_id=backend_id, levels=list(wish.levels), hold_s=wish.hold_s,
        patience_s=wish.patience_s, every_days=every_days, at=at, next_at=drill_plan.next_at(at, every_days, now),
        reason=wish.reason.strip(), actor=actor, said="", created_at=now,
    )  # fmt: skip
    session.add(row)
    session.flush()
    after = {"schedule": row.id, "backend": wish.backend, "every_days": every_days, "at": at.isoformat()}
    audit.record(session, actor=actor, action="drill.schedule", subject=f"scenario:{scenario.name}", after=after, reason=row.reason)  # fmt: skip
    return row


def end(session: Session, schedule_id: int, *, actor: str, now: datetime) -> None:
    """No more of it. What is running goes on."""
    row = session.scalar(select(DrillSchedule).where(DrillSchedule.id == schedule_id).with_for_update())
    if row is None or row.ended_at is not None:
        raise NotFound(f"There is no schedule {schedule_id} that stands.")
    row.ended_at = now
    name = session.scalars(select(Scenario.name).where(Scenario.id == row.scenario_id)).one()
    audit.record(
        session, actor=actor, action="drill.unschedule", subject=f"scenario:{name}", before={"schedule": row.id}
    )


def standing() -> Select[DrillSchedule, str, str]:
    """Those that were not ended, with the names of scenario and backend."""
    query = select(DrillSchedule, Scenario.name, Backend.name).join(Scenario, Scenario.id == DrillSchedule.scenario_id)
    return query.join(Backend, Backend.id == DrillSchedule.backend_id).where(DrillSchedule.ended_at.is_(None))


def due(session: Session, now: datetime) -> list[int]:
    """Schedules whose time has come."""
    query = select(DrillSchedule.id).where(DrillSchedule.ended_at.is_(None), DrillSchedule.next_at <= now)
    return list(session.scalars(query.order_by(DrillSchedule.next_at).limit(100)))


def run(session: Session, schedule_id: int, now: datetime) -> int | None:
    """Start its drill and set the next time; the drill's id, None where it was refused (it says why) or started already."""
    query = select(DrillSchedule).where(DrillSchedule.id == schedule_id, DrillSchedule.ended_at.is_(None))
    row = session.scalar(query.with_for_update(skip_locked=True))
    if row is None or row.next_at > now:
        return None
    missed = now - row.next_at > LATE
    row.next_at = drill_plan.next_at(row.at, row.every_days, now, last=row.next_at)
    if missed:
        row.said = f"left out at {now:%Y-%m-%d %H:%M} UTC: its time had passed an hour before"
        return None
    scenario = session.scalars(select(Scenario.name).where(Scenario.id == row.scenario_id)).one()
    backend = session.scalars(select(Backend.name).where(Backend.id == row.backend_id)).one()
    wish = Wish(scenario, backend, tuple(row.levels), row.hold_s, row.patience_s, row.reason)
    try:
        with session.begin_nested():
            drill = drill_start.start(session, wish, actor=row.actor, now=now, schedule_id=row.id)
    except TrivetError as refused:
        row.said = f"refused at {now:%Y-%m-%d %H:%M} UTC: {refused.detail}"
        return None
    row.said = f"drill {drill.id} began at {now:%Y-%m-%d %H:%M} UTC"
    return drill.id
