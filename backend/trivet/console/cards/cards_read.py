"""What the pages of cards read."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from trivet.card import service as cards
from trivet.card import trials as trials_of
from trivet.card.models import Activation, CardRevision, CardSchedule, CardTrial
from trivet.card.service import ActiveCard
from trivet.tenant.models import Scenario

SCENARIOS_SHOWN = 200
REVISIONS_SHOWN = 30
ACTIVATIONS_SHOWN = 60
TRIALS_SHOWN = 20
SCHEDULES_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Standing:
    """A scenario with its card and what is under way beside it."""

    scenario: Scenario
    active: ActiveCard | None
    waiting: tuple[CardRevision, ...]
    trial: CardTrial | None
    schedule: CardSchedule | None
    owed: tuple[CardRevision, ...]


def standings(session: Session, limit: int = SCENARIOS_SHOWN) -> tuple[list[Standing], int]:
    """Scenarios by name, and how many more there are."""
    found = session.scalars(select(Scenario).order_by(Scenario.name).limit(limit)).all()
    total = session.scalar(select(func.count()).select_from(Scenario)) or 0
    ids = [row.id for row in found]
    active = cards.active(session, ids)
    waiting = _by_scenario(session.scalars(_open(ids)).all())
    owed = _by_scenario(session.scalars(_owed(ids)).all())
    running = select(CardTrial).where(CardTrial.scenario_id.in_(ids), CardTrial.state == "running")
    trials = {row.scenario_id: row for row in session.scalars(running)}
    planned = select(CardSchedule).where(CardSchedule.scenario_id.in_(ids), CardSchedule.state == "waiting")
    schedules = {row.scenario_id: row for row in session.scalars(planned)}
    rows = [
        Standing(
            row,
            active.get(row.id),
            waiting.get(row.id, ()),
            trials.get(row.id),
            schedules.get(row.id),
            owed.get(row.id, ()),
        )
        for row in found
    ]
    return rows, total - len(rows)


def standing(session: Session, scenario: Scenario) -> Standing:
    """One of them."""
    ids = [scenario.id]
    return Standing(
        scenario,
        cards.active(session, ids).get(scenario.id),
        tuple(session.scalars(_open(ids))),
        session.scalar(select(CardTrial).where(CardTrial.scenario_id == scenario.id, CardTrial.state == "running")),
        session.scalar(
            select(CardSchedule).where(CardSchedule.scenario_id == scenario.id, CardSchedule.state == "waiting")
        ),
        tuple(session.scalars(_owed(ids))),
    )


def revisions(session: Session, scenario_id: int) -> tuple[list[CardRevision], int]:
    """Newest first, and how many are older."""
    own = CardRevision.scenario_id == scenario_id
    rows = session.scalars(
        select(CardRevision).where(own).order_by(CardRevision.number.desc()).limit(REVISIONS_SHOWN)
    ).all()
    total = session.scalar(select(func.count()).select_from(CardRevision).where(own)) or 0
    return list(rows), total - len(rows)


def activations(session: Session, scenario_id: int) -> list[Activation]:
    """The newest, oldest of them first."""
    own = select(Activation).where(Activation.scenario_id == scenario_id).order_by(Activation.id.desc())
    return list(session.scalars(own.limit(ACTIVATIONS_SHOWN)))[::-1]


def trials(session: Session, scenario_id: int) -> list[CardTrial]:
    """Newest first."""
    own = select(CardTrial).where(CardTrial.scenario_id == scenario_id).order_by(CardTrial.id.desc())
    return list(session.scalars(own.limit(TRIALS_SHOWN)))


def schedules(session: Session, scenario_id: int) -> list[CardSchedule]:
    """Newest first."""
    own = select(CardSchedule).where(CardSchedule.scenario_id == scenario_id).order_by(CardSchedule.id.desc())
    return list(session.scalars(own.limit(SCHEDULES_SHOWN)))


def tried_requests(session: Session, row: CardTrial, now: datetime) -> int | None:
    """Requests of a running trial's new revision in its present step; None where it cannot be told."""
    of = trials_of.plan(session, row)
    if of is None:
        return None
    new, _old = trials_of.arms(session, row.scenario_id, of, now)
    return sum(stretch.served for stretch in new)


def reason(session: Session, card: ActiveCard) -> str:
    """Why the governing revision came. Of just this activation: another may have come since the card was read."""
    row = session.scalar(
        select(Activation.reason)
        .where(
            Activation.scenario_id == card.scenario_id,
            Activation.number == card.number,
            Activation.active_from == card.active_from,
        )
        .limit(1)
    )
    return row or ""


def _open(ids: Sequence[int]) -> Select[CardRevision]:
    return (
        select(CardRevision)
        .where(CardRevision.scenario_id.in_(ids), CardRevision.status.in_(("draft", "in_review")))
        .order_by(CardRevision.number)
        .limit(SCENARIOS_SHOWN)
    )


def _owed(ids: Sequence[int]) -> Select[CardRevision]:
    return (
        select(CardRevision)
        .where(
            CardRevision.scenario_id.in_(ids),
            CardRevision.glass_broken_at.is_not(None),
            CardRevision.reviewed_at.is_(None),
        )
        .order_by(CardRevision.glass_broken_at)
        .limit(SCENARIOS_SHOWN)
    )


def _by_scenario(rows: Sequence[CardRevision]) -> dict[int, tuple[CardRevision, ...]]:
    found: dict[int, tuple[CardRevision, ...]] = {}
    for row in rows:
        found[row.scenario_id] = (*found.get(row.scenario_id, ()), row)
    return found
