"""Revisions on trial: begun by a person, moved by what both arms did, each step one command under one generation.

What is decided is read without a lock; it is acted on under the generation's, and only if the trial still stands where it
was read. So two workers that decide at once have one effect.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from trivet.card import service as cards
from trivet.card import trial, trials
from trivet.card.models import CardTrial
from trivet.command import service
from trivet.command.models import Command
from trivet.kit.errors import Conflict, Invalid

ACTOR = "trial"


@dataclass(frozen=True, slots=True)
class Decided:
    """A verdict, and where the trial stood when it was reached."""

    trial_id: int
    step: int
    verdict: trial.Verdict


def start(
    session: Session, *, scenario: str, number: int, shares: Collection[float] = trials.SHARES, step_s: float = trials.STEP_S,
    minimum_sample: int = trials.SAMPLE, reason: str, actor: str, now: datetime,
) -> Command:  # fmt: skip
    """An approved revision serves its first share."""
    if not reason.strip():
        raise Invalid("Say why: a trial needs a reason.", field="reason")
    scenario_id = cards.scenario_named(session, scenario).id
    service.lock_generation(session, scenario_id, now, step=0)
    revision = cards.revision_named(session, scenario, number, lock=True)
    row = trials.begin(
        session, revision, scenario, shares=shares, step_s=step_s, minimum_sample=minimum_sample, actor=actor,
        reason=reason, now=now,
    )  # fmt: skip
    return service.issue(
        session, kind="trial", scenario_id=scenario_id, revision=number, share=row.shares[0], reason=reason, actor=actor,
        now=now,
    )  # fmt: skip


def stop(session: Session, *, scenario: str, number: int, reason: str, actor: str, now: datetime) -> Command:
    """A person ends a trial: nobody is served by the revision any more; it stays in review."""
    if not reason.strip():
        raise Invalid("Say why: the end of a trial needs a reason.", field="reason")
    scenario_id = cards.scenario_named(session, scenario).id
    service.lock_generation(session, scenario_id, now, step=0)
    row = trials.running_row(session, scenario_id, lock=True)
    if row is None or row.number != number:
        raise Conflict(f"Revision {number} is not on trial in {scenario}.")
    trials.note(row, trial.Verdict("back", f"Ended by {actor}: {reason.strip()}"), now)
    return _command(session, row, 0.0, reason=reason.strip(), actor=actor, now=now)


def decide(session: Session, scenario_id: int, now: datetime) -> Decided | None:
    """What both arms say now; None where nothing is on trial. Changes nothing."""
    row = trials.running_row(session, scenario_id)
    if row is None:
        return None
    plan = trials.plan(session, row)
    if plan is None:
        gone = (
            f"Revision {row.against}, which it was compared with, does not govern any more, or a card cannot be read."
        )
        return Decided(row.id, row.step, trial.Verdict("back", gone))
    found = trial.judge(plan, *trials.arms(session, scenario_id, plan, now), now)
    level = service.level_of(session, service.Scope(scenario_id))
    if level and found.action != "back":
        found = trial.Verdict("wait", f"Waits: {plan.number} is tried at level 0 only, and level {level} holds.")
    return Decided(row.id, row.step, found)


def act(session: Session, scenario_id: int, decided: Decided, now: datetime) -> Command | None:
    """Do what was decided, unless the trial has moved since. None where there was nothing to do."""
    service.lock_generation(session, scenario_id, now, step=0)
    row = trials.running_row(session, scenario_id, lock=True)
    if row is None or (row.id, row.step) != (decided.trial_id, decided.step):
        return None
    found = decided.verdict
    if found.action == "wait":
        row.said = found.words
        return None
    trials.note(row, found, now)
    if found.action == "activate":
        return service.issue(
            session, kind="activate", scenario_id=scenario_id, revision=row.number, reason=found.words, actor=ACTOR,
            now=now,
        )  # fmt: skip
    share = row.shares[row.step] if found.action == "grow" else 0.0
    return _command(session, row, share, reason=found.words, actor=ACTOR, now=now)


def _command(session: Session, row: CardTrial, share: float, *, reason: str, actor: str, now: datetime) -> Command:
    session.flush()
    return service.issue(
        session, kind="trial", scenario_id=row.scenario_id, revision=row.number, share=share, reason=reason, actor=actor,
        now=now,
    )  # fmt: skip
