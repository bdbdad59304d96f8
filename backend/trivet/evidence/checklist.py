"""Reads what the readiness of scenarios is told from: cards, regressions, guards, drills. A few statements for all of them."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from trivet.card import service as cards
from trivet.card.models import CardRevision
from trivet.card.service import ActiveCard
from trivet.evidence import drill_state, readiness
from trivet.evidence.drill_plan import ladder_of
from trivet.evidence.models import Drill
from trivet.evidence.readiness import DRILL_DAYS, Baseline, Drilled, Facts, Heard, Line, Written
from trivet.guard.models import GuardState, Regression
from trivet.kit.marked import Say, english
from trivet.tenant.models import Scenario

SCENARIOS_MAX = 500


def registered(session: Session, *, after: str = "", limit: int = SCENARIOS_MAX) -> list[tuple[int, str]]:
    """Scenarios that somebody registered or that have a card, by name."""
    owned = select(CardRevision.id).where(CardRevision.scenario_id == Scenario.id).exists()
    query = select(Scenario.id, Scenario.name).where(Scenario.name > after, Scenario.registered_at.is_not(None) | owned)
    return [(id_, name) for id_, name in session.execute(query.order_by(Scenario.name).limit(limit))]


def told(
    session: Session, scenarios: Sequence[tuple[int, str]], now: datetime, _: Say = english
) -> list[tuple[str, tuple[Line, ...]]]:
    """The checklist of each scenario, in English unless what translates is handed in."""
    ids = [id_ for id_, _name in scenarios]
    active = cards.active(session, ids) if ids else {}
    written, baselines, heard = _written(session, active), _baselines(session, ids, _), _heard(session, ids)
    drills = drill_state.newest(session, ids, now - timedelta(days=DRILL_DAYS)) if ids else {}
    return [
        (
            name,
            readiness.lines(
                Facts(
                    name, active[id_].card if id_ in active else None, written.get(id_),
                    ladder_of(active[id_].card) if id_ in active else "", baselines.get(id_), heard.get(id_, {}),
                    [_drilled(drill) for drill in drills.get(id_, ())], now,
                ),
                _,
            ),
        )
        for id_, name in scenarios
    ]  # fmt: skip


def _written(session: Session, active: Mapping[int, ActiveCard]) -> dict[int, Written]:
    rows = session.scalars(
        select(CardRevision).where(CardRevision.id.in_([card.revision_id for card in active.values()]))
    )
    return {row.scenario_id: _how(row) for row in rows}


def _how(row: CardRevision) -> Written:
    approvers = tuple(who for who in (row.approved_product_by, row.approved_operations_by) if who)
    owes = row.glass_broken_at is not None and row.reviewed_at is None
    from_preset = not approvers and row.glass_broken_at is None
    return Written(row.number, from_preset, approvers, bool(row.solo), owes)


def _baselines(session: Session, ids: Sequence[int], _: Say) -> dict[int, Baseline]:
    query = (
        select(Regression)
        .ext(distinct_on(Regression.scenario_id))
        .where(Regression.scenario_id.in_(ids))
        .order_by(Regression.scenario_id, Regression.id.desc())
    )
    return {
        row.scenario_id: Baseline(
            row.passed, row.revision, row.created_at, row.reference or _("regression {id}", id=row.id)
        )
        for row in session.scalars(query)
    }


def _heard(session: Session, ids: Sequence[int]) -> dict[int, dict[str, Heard]]:
    found: dict[int, dict[str, Heard]] = {}
    for state in session.scalars(select(GuardState).where(GuardState.scenario_id.in_(ids))):
        found.setdefault(state.scenario_id, {})[state.guard] = Heard(state.verdict, state.reason, state.evaluated_at)
    return found


def _drilled(drill: Drill) -> Drilled:
    assert drill.ended_at is not None  # `newest` asks for those that ended
    return Drilled(
        drill.id,
        drill.ladder,
        tuple(drill.levels),
        drill.ended_at,
        dict(drill.record),
        drill.outcome,
        drill.state == "aborted",
    )
