"""How drills stand: those on their way, their steps, and whether a scenario is calm enough for one."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from trivet.card import service as cards
from trivet.command import service as commands
from trivet.evidence.models import Drill, DrillStep
from trivet.fleet.models import Backend
from trivet.guard.models import LadderState
from trivet.tenant.models import Scenario

KEPT_EACH = 20  # of one scenario, the newest


def running(session: Session) -> list[int]:
    """Drills on their way."""
    return list(session.scalars(select(Drill.id).where(Drill.ended_at.is_(None)).order_by(Drill.id)))


def named() -> Select[Drill, str, str]:
    """All of them, with the names of scenario and backend."""
    query = select(Drill, Scenario.name, Backend.name).join(Scenario, Scenario.id == Drill.scenario_id)
    return query.join(Backend, Backend.id == Drill.backend_id)


def steps_of(session: Session, drill_id: int) -> list[DrillStep]:
    """The steps that were begun, in order."""
    return list(session.scalars(select(DrillStep).where(DrillStep.drill_id == drill_id).order_by(DrillStep.position)))


def newest(session: Session, scenario_ids: Sequence[int], since: datetime) -> dict[int, list[Drill]]:
    """Drills of these scenarios that ended since an instant, newest first, at most `KEPT_EACH` of each."""
    place = func.row_number().over(partition_by=Drill.scenario_id, order_by=Drill.id.desc())
    ranked = (
        select(Drill.id, place.label("place"))
        .where(Drill.scenario_id.in_(scenario_ids), Drill.ended_at >= since)
        .subquery()
    )
    rows = session.scalars(
        select(Drill).join(ranked, ranked.c.id == Drill.id).where(ranked.c.place <= KEPT_EACH).order_by(Drill.id.desc())
    )
    found: dict[int, list[Drill]] = {}
    for drill in rows:
        found.setdefault(drill.scenario_id, []).append(drill)
    return found


def trouble(session: Session, scenario_id: int, revision: int) -> str:
    """Why a drill must not go on; "" where it may."""
    active = cards.active(session, [scenario_id]).get(scenario_id)
    if active is None or active.number != revision:
        return f"revision {revision} does not govern any more"
    level = commands.level_of(session, commands.Scope(scenario_id))
    ladder = session.get(LadderState, scenario_id)
    level = max(level, ladder.level if ladder else 0)
    return f"the scenario itself is at level {level}" if level else ""
