"""Guards as they stand, and breaches."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from sqlalchemy import select, tuple_

from trivet import db
from trivet.card import service as cards
from trivet.card.presets import catalogue
from trivet.guard import ladder_api, metrics, replay_api, simulate_api
from trivet.guard.models import Breach, GuardState, LadderState
from trivet.identity.auth import Principal, platform
from trivet.kit.body import Name
from trivet.kit.clock import rfc3339, when
from trivet.kit.page import from_cursor, page
from trivet.tenant.models import Scenario

__all__ = ["metrics", "router"]  # imported, the metrics register themselves

router = APIRouter(tags=["guard"])
router.include_router(ladder_api.router)
router.include_router(replay_api.router)
router.include_router(simulate_api.router)
Read = Annotated[Principal, Depends(platform("read"))]
Limit = Annotated[int, Query(ge=1, le=500)]


@router.get("/guards")
def guards(_: Read, scenario: Name | None = None, limit: Limit = 100, cursor: str | None = None) -> dict[str, Any]:
    """The newest verdict of each guard, with its reason and where to read on."""
    query = select(GuardState, Scenario.name).join(Scenario, Scenario.id == GuardState.scenario_id)
    if scenario:
        query = query.where(Scenario.name == scenario)
    if cursor:
        query = query.where(tuple_(Scenario.name, GuardState.guard) > tuple_(*from_cursor(cursor, str, str)))
    with db.transaction() as session:
        rows = session.execute(query.order_by(Scenario.name, GuardState.guard).limit(limit + 1)).all()
        active = cards.active(session, {state.scenario_id for state, _ in rows})
        items = [_guard(state, name, active.get(state.scenario_id)) for state, name in rows]
    return page(items, limit, lambda item: [item["scenario"], item["guard"]])


@router.get("/ladders")
def ladders(_: Read, limit: Limit = 100, cursor: str | None = None) -> dict[str, Any]:
    """Where each scenario's ladder stands, since when and why."""
    query = select(LadderState, Scenario.name).join(Scenario, Scenario.id == LadderState.scenario_id)
    if cursor:
        query = query.where(Scenario.name > from_cursor(cursor, str)[0])
    with db.transaction() as session:
        rows = session.execute(query.order_by(Scenario.name).limit(limit + 1)).all()
    return page([_ladder(state, name) for state, name in rows], limit, lambda item: [item["scenario"]])


@router.get("/breaches")
def breaches(
    _: Read,
    state: Literal["open", "closed"] | None = None,
    scenario: Name | None = None,
    shadow: bool = False,
    limit: Limit = 100,
    cursor: str | None = None,
) -> dict[str, Any]:
    """Newest first. With `shadow`, those of guards in shadow, which say what they would have done and moved nothing."""
    query = select(Breach, Scenario.name).join(Scenario, Scenario.id == Breach.scenario_id)
    query = query.where(Breach.shadow.is_(shadow))
    if state:
        query = query.where(Breach.closed_at.is_(None) if state == "open" else Breach.closed_at.is_not(None))
    if scenario:
        query = query.where(Scenario.name == scenario)
    if cursor:
        query = query.where(Breach.id < from_cursor(cursor, int)[0])
    with db.transaction() as session:
        rows = session.execute(query.order_by(Breach.id.desc()).limit(limit + 1)).all()
    return page([_breach(breach, name) for breach, name in rows], limit, lambda item: [item["id"]])


def _guard(state: GuardState, scenario: str, active: cards.ActiveCard | None) -> dict[str, Any]:
    guards_ = {guard.name: guard for guard in active.card.guards} if active else {}
    guard = guards_.get(state.guard)
    kind = catalogue().get(guard.metric) if guard else None
    return {
        "scenario": scenario,
        "guard": state.guard,
        "metric": guard.metric if guard else None,
        "unit": kind.unit if kind else None,
        "runbook": kind.runbook if kind else None,
        "verdict": state.verdict,
        "reason": state.reason,
        "value": state.value,
        "threshold": state.threshold,
        "leave": guard.leave if guard else None,
        "raises_to": guard.raises_to if guard else None,
        "sample": state.sample,
        "numbers": state.numbers,
        "shadow": state.shadow,
        "revision": state.revision,
        "since": rfc3339(state.since),
        "evaluated_at": rfc3339(state.evaluated_at),
    }


def _ladder(state: LadderState, scenario: str) -> dict[str, Any]:
    return {
        "scenario": scenario,
        "level": state.level,
        "since": rfc3339(state.since),
        "reason": state.reason,
        "calm_since": when(state.calm_since),
        "held_until": when(state.held_until),
        "held_by": state.held_by,
    }


def _breach(breach: Breach, scenario: str) -> dict[str, Any]:
    return {
        "id": breach.id,
        "scenario": scenario,
        "guard": breach.guard,
        "revision": breach.revision,
        "value": breach.value,
        "worst_value": breach.worst_value,
        "threshold": breach.threshold,
        "sample": breach.sample,
        "reason": breach.reason,
        "numbers": breach.numbers,
        "shadow": breach.shadow,
        "opened_at": rfc3339(breach.opened_at),
        "closed_at": when(breach.closed_at),
        "closed_reason": breach.closed_reason,
    }
