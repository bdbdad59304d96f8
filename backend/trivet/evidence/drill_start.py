"""Begins a drill, or refuses and says what to do.

A drill commands one backend whose name begins with `drill-`, and nothing else: a production guard sees none of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet.card import service as cards
from trivet.card.service import ActiveCard
from trivet.command import scope as scopes
from trivet.command import service as commands
from trivet.evidence import drill_plan, side_effects
from trivet.evidence.drill_state import trouble
from trivet.evidence.models import Drill
from trivet.identity import audit
from trivet.kit.errors import Conflict, Invalid
from trivet.settings import get_settings
from trivet.tenant.models import Scenario

RUNNING_MAX = 5  # drills at once, of all scenarios
HOLD_S, PATIENCE_S = 10.0, 60.0


@dataclass(frozen=True, slots=True)
class Wish:
    """A drill that is asked for. Without a backend the one drill backend in sight, without levels all of the card's."""

    scenario: str
    backend: str | None = None
    levels: tuple[int, ...] = ()
    hold_s: float = HOLD_S
    patience_s: float = PATIENCE_S
    reason: str = ""


def start(session: Session, wish: Wish, *, actor: str, now: datetime, schedule_id: int | None = None) -> Drill:
    """Begin a drill. Refused, with what to do: while another runs, away from level 0, without a drill backend in sight."""
    if not wish.reason.strip():
        raise Invalid("Say why: a drill needs a reason.", field="reason")
    scenario = cards.scenario_named(session, wish.scenario)
    commands.lock_generation(session, scenario.id, now, step=0)
    card = _card(session, scenario)
    levels = _levels(card, wish.levels)
    _refuse_one_too_many(session, scenario)
    _refuse_introuble(session, scenario, card)
    backend = _backend(session, scenario.id, wish.backend, now)
    drill = Drill(
        scenario_id=scenario.id, backend_id=backend.id, revision=card.number, ladder=drill_plan.ladder_of(card.card),
        levels=list(levels), hold_s=wish.hold_s, patience_s=wish.patience_s, state="running", actor=actor,
        reason=wish.reason.strip(), outcome="", before=side_effects.stand(session, scenario.id, backend.id), record={},
        started_at=now, schedule_id=schedule_id,
    )  # fmt: skip
    session.add(drill)
    session.flush()
    audit.record(
        session, actor=actor, action="drill.start", subject=f"scenario:{scenario.name}",
        after={"drill": drill.id, "backend": backend.name, "levels": list(levels)}, reason=drill.reason,
    )  # fmt: skip
    return drill


def _card(session: Session, scenario: Scenario) -> ActiveCard:
    card = cards.active(session, [scenario.id]).get(scenario.id)
    if card is None:
        raise Conflict(f"{scenario.name} has no active card, so there is no ladder to drill. Activate one first.")
    return card


def _levels(card: ActiveCard, asked: Sequence[int]) -> tuple[int, ...]:
    levels = tuple(asked) or tuple(range(1, card.card.top + 1))
    if list(levels) != sorted(set(levels)) or not all(1 <= level <= card.card.top for level in levels):
        raise Invalid(f"Name some of the levels 1 to {card.card.top}, each once, the lowest first.", field="levels")
    return levels


def _refuse_one_too_many(session: Session, scenario: Scenario) -> None:
    running = session.scalars(select(Drill.scenario_id).where(Drill.ended_at.is_(None))).all()
    if scenario.id in running:
        raise Conflict(f"A drill of {scenario.name} is running: wait for it, or abort it.")
    if len(running) >= RUNNING_MAX:
        raise Conflict(f"{RUNNING_MAX} drills are running: wait for one of them to end.")


def _refuse_introuble(session: Session, scenario: Scenario, card: ActiveCard) -> None:
    reason = trouble(session, scenario.id, card.number)
    if reason:
        raise Conflict(f"{scenario.name} is not calm: {reason}. Drill it when it is back at level 0.")


def _backend(session: Session, scenario_id: int, name: str | None, now: datetime) -> scopes.Present:
    if name is not None and not name.startswith(drill_plan.PREFIX):
        raise Invalid(
            f"A drill commands a backend of its own, named {drill_plan.PREFIX}…, and never one that serves people.",
            field="backend",
        )
    there = [
        each for each in scopes.present(session, now, get_settings().backend_seen_s)
        if each.drills and each.takes(scenario_id, each.id) and name in (None, each.name)
    ]  # fmt: skip
    if len(there) == 1:
        return there[0]
    if there:
        named = ", ".join(each.name for each in there[:5])
        raise Invalid(f"Several drill backends are in sight: name one of {named}.", field="backend")
    wanted = name or f"{drill_plan.PREFIX}1"
    raise Conflict(f"No backend {wanted} is in sight. Start one: trivet drill-backend --name {wanted}", field="backend")
