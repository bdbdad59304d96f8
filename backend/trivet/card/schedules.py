"""Revisions that are to be activated at an instant: kept, put aside, found when due."""

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet.card import service
from trivet.card.models import CardSchedule
from trivet.identity import audit
from trivet.kit.clock import rfc3339
from trivet.kit.errors import Conflict, Invalid

AHEAD_MAX = timedelta(days=366)
DUE_MAX = 200


def plan(
    session: Session, *, scenario: str, number: int, at: datetime, actor: str, reason: str, now: datetime
) -> CardSchedule:
    """Activate a revision at an instant to come; both approvals are needed by then."""
    if not reason.strip():
        raise Invalid("Say why: an activation needs a reason.", field="reason")
    if not now < at <= now + AHEAD_MAX:
        raise Invalid(f"Name an instant from now until {AHEAD_MAX.days} days on.", field="at")
    revision = service.revision_named(session, scenario, number, lock=True)
    if revision.status != "in_review":
        words = f"Revision {number} is {revision.status}: only one that is in review can be scheduled."
        raise Conflict(words.replace("_", " "))
    if (other := waiting(session, revision.scenario_id)) is not None:
        raise Conflict(f"Revision {other.number} is scheduled for {rfc3339(other.at)} already: cancel that first.")
    row = CardSchedule(
        scenario_id=revision.scenario_id, number=number, at=at, state="waiting", actor=actor, reason=reason.strip(),
        created_at=now,
    )  # fmt: skip
    session.add(row)
    _record(session, scenario, row, "card.schedule", actor=actor, reason=row.reason, after={"at": rfc3339(at)})
    return row


def cancel(session: Session, *, scenario: str, number: int, actor: str, reason: str, now: datetime) -> CardSchedule:
    """Put a scheduled activation aside."""
    if not reason.strip():
        raise Invalid("Say why the activation is called off.", field="reason")
    found = service.scenario_named(session, scenario, lock=True)
    row = waiting(session, found.id, lock=True)
    if row is None or row.number != number:
        raise Conflict(f"Revision {number} of {scenario} is not scheduled.")
    row.state, row.ended_at, row.outcome = "cancelled", now, f"Called off by {actor}: {reason.strip()}"
    _record(
        session, scenario, row, "card.schedule_cancel", actor=actor, reason=reason.strip(), after={"state": "cancelled"}
    )
    return row


def fail(session: Session, *, scenario: str, row: CardSchedule, why: str, now: datetime) -> None:
    """It was due and could not be: said once, not tried again."""
    row.state, row.ended_at, row.outcome = "failed", now, why
    _record(session, scenario, row, "card.schedule_failed", actor="schedule", reason=why, after={"state": "failed"})


def waiting(session: Session, scenario_id: int, *, lock: bool = False) -> CardSchedule | None:
    """The schedule that waits in a scenario, if any."""
    query = select(CardSchedule).where(CardSchedule.scenario_id == scenario_id, CardSchedule.state == "waiting")
    return session.scalar(query.with_for_update().execution_options(populate_existing=True) if lock else query)


def due(session: Session, now: datetime) -> list[int]:
    """Scenarios whose instant has come."""
    query = select(CardSchedule.scenario_id).where(CardSchedule.state == "waiting", CardSchedule.at <= now)
    return list(session.scalars(query.order_by(CardSchedule.at).limit(DUE_MAX)))


def _record(
    session: Session, scenario: str, row: CardSchedule, action: str, *, actor: str, reason: str, after: dict[str, str]
) -> None:
    session.flush()
    audit.record(
        session, actor=actor, action=action, subject=f"card:{scenario}:{row.number}", after=after, reason=reason
    )
