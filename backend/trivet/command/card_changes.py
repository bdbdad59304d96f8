"""What changes a card for everyone beside a plain activation: break-glass, and activations whose time has come."""

from datetime import datetime

from sqlalchemy.orm import Session

from trivet.card import glass, schedules
from trivet.card import service as cards
from trivet.command import service
from trivet.command.models import Command
from trivet.command.standing import give_once
from trivet.kit.errors import Conflict, Invalid, TrivetError
from trivet.tenant.models import Scenario


def break_glass(session: Session, *, scenario: str, number: int, reason: str, actor: str, now: datetime) -> Command:
    """Activate at once, without approvals; a review is owed."""
    scenario_id = cards.scenario_named(session, scenario).id
    service.lock_generation(session, scenario_id, now, step=0)
    revision = glass.mark(session, scenario=scenario, number=number, actor=actor, reason=reason, now=now)
    command = service.issue(
        session, kind="activate", scenario_id=scenario_id, revision=number, reason=f"break-glass: {reason.strip()}",
        actor=actor, now=now,
    )  # fmt: skip
    glass.record(session, scenario, revision)
    return command


def rollback(
    session: Session,
    *,
    scenario: str,
    to: int | None,
    although_rolled_back: bool,
    reason: str,
    actor: str,
    now: datetime,
) -> Command:
    """To the previous revision, or to any that governed before; one that was rolled back itself is named as such.

    To the previous one, asked for again within a minute, as by a client whose answer was lost, goes no further back.
    """
    scenario_id = cards.scenario_named(session, scenario).id
    said = (
        f"{reason.strip()} (to revision {to}, although it was rolled back before)" if although_rolled_back else reason
    )
    if not reason.strip():
        raise Invalid("Say why: a command needs a reason.", field="reason")
    if to is None:
        return give_once(
            session, kind="rollback", scenario_id=scenario_id, reason=reason, actor=actor,
            although_rolled_back=although_rolled_back, now=now,
        )[0]  # fmt: skip
    return service.issue(
        session, kind="rollback", scenario_id=scenario_id, revision=to, reason=said, actor=actor,
        although_rolled_back=although_rolled_back, now=now,
    )  # fmt: skip


def activate_due(session: Session, scenario_id: int, now: datetime) -> Command | None:
    """The activation that was scheduled, unless it was called off or done meanwhile. A refusal ends it, with its reason."""
    service.lock_generation(session, scenario_id, now, step=0)
    scenario = session.get_one(Scenario, scenario_id).name
    cards.scenario_named(session, scenario, lock=True)  # before the schedule's row, as whoever calls it off does
    row = schedules.waiting(session, scenario_id, lock=True)
    if row is None or row.at > now:
        return None
    try:
        _may_be_activated(session, scenario, row.number)
    except TrivetError as refused:
        schedules.fail(session, scenario=scenario, row=row, why=refused.detail, now=now)
        return None
    return service.issue(
        session, kind="activate", scenario_id=scenario_id, revision=row.number, actor=row.actor, now=now,
        reason=f"{row.reason} (scheduled for this time)",
    )  # fmt: skip


def _may_be_activated(session: Session, scenario: str, number: int) -> None:
    """What the activation would refuse, asked before anything is changed."""
    revision = cards.revision_named(session, scenario, number, lock=True)
    if revision.status != "in_review":
        raise Conflict(f"Revision {number} is {revision.status.replace('_', ' ')} and not in review.")
    cards.must_be_approved(revision)
