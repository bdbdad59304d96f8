"""Drills, taken one step further or aborted. Each look is a transaction that locks the drill and looks again.

A worker killed in the middle leaves the step as it was, and the next one goes on from there; where none comes back, the
time limit of the step's command ends the level by itself.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet.card import service as cards
from trivet.command import service as commands
from trivet.command.models import Command
from trivet.evidence import drill_alert, drill_plan, drill_trigger, side_effects
from trivet.evidence.drill_plan import Found, Planned, Proof
from trivet.evidence.drill_state import steps_of, trouble
from trivet.evidence.models import Drill, DrillStep
from trivet.identity import audit
from trivet.kit.errors import Conflict, Invalid, NotFound, TrivetError
from trivet.tenant.models import Scenario


def advance(session: Session, drill_id: int, now: datetime) -> str | None:
    """Take a drill as far as it goes at this moment; its state, None where it is over or somebody else is at it."""
    query = select(Drill).where(Drill.id == drill_id, Drill.ended_at.is_(None)).with_for_update(skip_locked=True)
    drill = session.scalar(query)
    if drill is None:
        return None
    commands.lock_generation(session, drill.scenario_id, now, step=0)
    for _ in range(2 * len(drill_plan.plan(drill.levels)) + 2):
        if not _once(session, drill, now):
            break
    return drill.state


def _once(session: Session, drill: Drill, now: datetime) -> bool:
    """One change; False where there is nothing to do yet, or no more."""
    steps = steps_of(session, drill.id)
    if drill.state == "running" and (why := trouble(session, drill.scenario_id, drill.revision)):
        _turn_back(drill, steps, f"aborted: {why}", now)
        return True
    last = steps[-1] if steps else None
    if last is not None and last.ok is None:
        return _look(session, drill, last, now)
    done = [Planned(step.kind, step.level) for step in steps]
    to_come = drill_plan.following(drill.levels, done, ending=drill.state == "restoring")
    if to_come is None:
        _end(session, drill, steps, now)
        return False
    _begin(session, drill, to_come, steps, now)
    return True


def _turn_back(drill: Drill, steps: Sequence[DrillStep], why: str, now: datetime) -> None:
    """From here on only back: the level goes, then the look for side effects."""
    drill.state = "restoring"
    drill.outcome = drill.outcome or why
    if steps and steps[-1].ok is None and steps[-1].kind != drill_plan.ROLL_BACK:
        steps[-1].ok, steps[-1].reason, steps[-1].done_at = False, why, now


def _look(session: Session, drill: Drill, step: DrillStep, now: datetime) -> bool:
    command = session.get(Command, step.command_id) if step.command_id else None
    if command is None:
        found = Found(False, "its command is gone")
    else:
        proof = Proof(command.status, command.outcome or "", command.observed_at, command.effective_at)
        hold_s = 0.0 if step.kind == drill_plan.ROLL_BACK else drill.hold_s
        found = drill_plan.judge(proof, step.started_at, now, hold_s=hold_s, patience_s=drill.patience_s)
        step.observed_at, step.effective_at = command.observed_at, command.effective_at
    step.reason = found.reason
    if found.ok is None:
        return False
    _done(drill, step, found, now)
    return True


def _done(drill: Drill, step: DrillStep, found: Found, now: datetime) -> None:
    step.ok, step.reason, step.done_at = found.ok, found.reason, now
    # A level that no guard asks for by itself is a finding, and can be drilled by command all the same.
    if not found.ok and drill.state == "running" and step.kind in (drill_plan.RAISE, drill_plan.LOWER):
        drill.state, drill.outcome = "restoring", f"{step.kind} to level {step.level} failed: {found.reason}"


def _begin(session: Session, drill: Drill, planned: Planned, steps: Sequence[DrillStep], now: datetime) -> None:
    step = DrillStep(
        drill_id=drill.id, position=len(steps), kind=planned.kind, level=planned.level, simulated=False, reason="",
        started_at=now,
    )  # fmt: skip
    session.add(step)
    if planned.kind == drill_plan.TRIGGER:
        card = cards.active(session, [drill.scenario_id])[drill.scenario_id].card
        told = drill_trigger.trigger(card, planned.level, now)
        step.simulated = True
        _done(drill, step, Found(told.ok, told.reason), now)
    elif planned.kind == drill_plan.SIDE_EFFECTS:
        _done(drill, step, _side_effects(session, drill, steps), now)
    else:
        try:
            step.command_id = _command(session, drill, planned, len(steps), now).id
        except TrivetError as refused:  # the card's ladder is another one by now, say
            _done(drill, step, Found(False, f"refused: {refused.detail}"), now)
    session.flush()


def _command(session: Session, drill: Drill, planned: Planned, position: int, now: datetime) -> Command:
    back = planned.kind == drill_plan.ROLL_BACK
    left = len(drill_plan.plan(drill.levels)) - position
    limit = None if back else drill_plan.expires_in_s(left, hold_s=drill.hold_s, patience_s=drill.patience_s)
    return commands.issue(
        session, kind="restore" if back else "degrade", scenario_id=drill.scenario_id, backend_id=drill.backend_id,
        level=None if back else planned.level, reason=f"drill {drill.id}: {drill.reason}", actor=drill.actor,
        expires_in_s=limit, now=now,
    )  # fmt: skip


def _side_effects(session: Session, drill: Drill, steps: Sequence[DrillStep]) -> Found:
    ours = [step.command_id for step in steps if step.command_id]
    after = side_effects.stand(session, drill.scenario_id, drill.backend_id)
    generations = set(session.scalars(select(Command.generation).where(Command.id.in_(ours))))
    found = [
        *side_effects.of_commands(session, ours, drill.scenario_id, drill.backend_id),
        *side_effects.differences(drill.before, after, ours, generations),
    ]
    return Found(not found, side_effects.said(found, len(after["held"]), drill.started_at))


def _end(session: Session, drill: Drill, steps: Sequence[DrillStep], now: datetime) -> None:
    rows = [{"kind": step.kind, "level": step.level, "ok": step.ok} for step in steps]
    drill.record = drill_plan.record(rows, drill.levels)
    missing = [name.replace("_", " ") for name in drill_plan.FACTS if not drill.record[name]]
    aborted = drill.outcome.startswith("aborted")
    drill.state = "aborted" if aborted else "failed" if missing else "passed"
    if drill.state == "passed":
        drill.outcome = "triggered (simulated), acted, recovered and rolled back, without side effects"
    else:
        why = drill.outcome or next((s.reason for s in steps if not s.ok), "")
        drill.outcome = f"{why.rstrip('.')}; not proven: {', '.join(missing)}" if missing else why
    drill.ended_at = now
    drill_alert.tell(session, drill, now)
    _settle(session, drill)


def _settle(session: Session, drill: Drill) -> None:
    name = session.scalars(select(Scenario.name).where(Scenario.id == drill.scenario_id)).one()
    audit.record(
        session, actor=drill.actor, action="drill.end", subject=f"scenario:{name}",
        after={"drill": drill.id, "state": drill.state, **drill.record}, reason=drill.outcome,
    )  # fmt: skip


def abort(session: Session, drill_id: int, *, reason: str, actor: str, now: datetime) -> Drill:
    """Bring the drill's backend back at once, and end the drill."""
    drill = session.scalar(select(Drill).where(Drill.id == drill_id).with_for_update())
    if drill is None:
        raise NotFound(f"There is no drill {drill_id}.")
    if drill.ended_at is not None:
        raise Conflict(f"Drill {drill_id} is over: {drill.state}.")
    if not reason.strip():
        raise Invalid("Say why: an abort needs a reason.", field="reason")
    if drill.state == "running":
        _turn_back(drill, steps_of(session, drill.id), f"aborted by {actor}: {reason.strip()}", now)
        name = session.scalars(select(Scenario.name).where(Scenario.id == drill.scenario_id)).one()
        audit.record(
            session, actor=actor, action="drill.abort", subject=f"scenario:{name}", after={"drill": drill.id}, reason=reason.strip()
        )  # fmt: skip
    return drill
