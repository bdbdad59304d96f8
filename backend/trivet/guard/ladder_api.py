"""A ladder over the API: where it stands and stood, thawing it, the regressions it waits for, who gives way first."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import Field, JsonValue
from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet import db
from trivet.card import service as cards
from trivet.fleet.models import Pool
from trivet.guard import giving_way, shortages, steering
from trivet.guard.models import LadderMove, LadderState, Regression
from trivet.guard.stations import Key
from trivet.identity.auth import Principal, platform
from trivet.kit.answer import Answer, Page, answers
from trivet.kit.body import Asked, Body, Name
from trivet.kit.clock import rfc3339, utc_now, when
from trivet.kit.errors import NotFound
from trivet.kit.page import from_cursor, page

router = APIRouter(tags=["guard"])
Read = Annotated[Principal, Depends(platform("read"))]
Commander = Annotated[Principal, Depends(platform("command"))]
Limit = Annotated[int, Query(ge=1, le=500)]


class Move(Answer):
    """One move; `share_*` are of conversations that were at the level below, by way of trial. -1 is on the way back."""

    id: int
    at: str
    level_from: int
    level_to: int
    share_from: float | None
    share_to: float | None
    direction: int
    actor: str
    reason: str
    guard: str | None
    breach_id: int | None


class Standing(Page):
    """Where a ladder stands, what it waits for, and its moves, newest first."""

    scenario: str
    level: int
    since: str
    reason: str
    calm_since: str | None
    held_until: str | None
    held_by: str | None
    probe: dict[str, JsonValue] | None = Field(
        description="{level, share, since} of conversations that are back already"
    )
    retry_at: str | None
    frozen_since: str | None
    frozen_reason: str | None
    gives_way_to: int
    items: list[Move]


class Written(Answer):
    """One regression."""

    id: int
    scenario: str
    revision: int | None
    passed: bool
    source: str
    reference: str
    details: dict[str, JsonValue]
    created_at: str


class Writtens(Page):
    items: list[Written]


class Turn(Answer):
    """Whose turn it would be, from which level to which, and why."""

    scenario: str
    level_from: int
    level_to: int
    reason: str


class Order(Answer):
    """Who would give way one after the other; `effect_s` seconds at least lie between two steps."""

    short: str
    effect_s: float
    items: list[Turn]


class Reason(Body):
    reason: Asked


class NewRegression(Body):
    passed: bool
    reference: Asked = ""
    revision: int | None = Field(None, ge=1, lt=2**31)
    details: dict[Name, JsonValue] = Field(default_factory=dict)


@router.get("/scenarios/{name}/ladder", responses=answers(Standing))
def ladder(name: str, _: Read, limit: Limit = 100, cursor: str | None = None) -> dict[str, Any]:
    """Where the ladder stands, why and what it waits for; and its moves, newest first."""
    query = select(LadderMove)
    if cursor:
        query = query.where(LadderMove.id < from_cursor(cursor, int)[0])
    with db.transaction() as session:
        scenario = cards.scenario_named(session, name)
        row = session.get(LadderState, scenario.id)
        moved = query.where(LadderMove.scenario_id == scenario.id).order_by(LadderMove.id.desc()).limit(limit + 1)
        items = [_move(each) for each in session.scalars(moved)]
    if row is None:
        raise NotFound(f"The ladder of {name!r} has not been looked at yet: it needs an active card, and a second.")
    return _standing(row, name) | page(items, limit, lambda item: [item["id"]])


@router.post("/scenarios/{name}/ladder/thaw", responses=answers(Standing))
def thaw(name: str, body: Reason, principal: Commander) -> dict[str, Any]:
    """Let a frozen ladder move again, from where it stands."""
    with db.transaction() as session:
        scenario = cards.scenario_named(session, name)
        row = steering.thaw(session, scenario, actor=principal.actor, reason=body.reason)
        return _standing(row, name) | {"items": [], "next_cursor": None}


@router.post("/scenarios/{name}/regressions", status_code=201)
def write_regression(name: str, body: NewRegression, principal: Commander) -> dict[str, Any]:
    """Say that a regression test passed or failed: the way back `regression_passed` waits for one that passed."""
    with db.transaction() as session:
        row = steering.regression(
            session, cards.scenario_named(session, name), passed=body.passed, source=principal.actor,
            reference=body.reference, revision=body.revision, details=body.details, now=utc_now(),
        )  # fmt: skip
        return _written(row, name)


@router.get("/scenarios/{name}/regressions", responses=answers(Writtens))
def regressions(name: str, _: Read, limit: Limit = 100, cursor: str | None = None) -> dict[str, Any]:
    """Newest first."""
    query = select(Regression)
    if cursor:
        query = query.where(Regression.id < from_cursor(cursor, int)[0])
    with db.transaction() as session:
        scenario = cards.scenario_named(session, name)
        found = query.where(Regression.scenario_id == scenario.id).order_by(Regression.id.desc()).limit(limit + 1)
        items = [_written(row, name) for row in session.scalars(found)]
    return page(items, limit, lambda item: [item["id"]])


@router.get("/ladder/order", responses=answers(Order))
def order(_: Read, pool: Name | None = None) -> dict[str, Any]:
    """Who would give way first, as ladders stand now: were this pool short, or (without one) the global budget. Nothing moves."""
    with db.transaction() as session:
        what = f"pool {pool} is short" if pool else "the global budget is short"
        ids = _on_pool(session, pool) if pool else list(cards.active(session))
        turns = shortages.order(session, ids, what)
    items = [{"scenario": t.name, "level_from": t.level_from, "level_to": t.to, "reason": t.reason} for t in turns]
    return {"short": what, "effect_s": giving_way.EFFECT_S, "items": items}


def _on_pool(session: Session, pool: str) -> list[int]:
    id_ = session.scalar(select(Pool.id).where(Pool.name == pool))
    if id_ is None:
        raise NotFound(f"There is no pool {pool!r}.")
    key = Key("pool", id_)
    return sorted(shortages.sharing(session, [key], utc_now())[key])


def _standing(row: LadderState, name: str) -> dict[str, Any]:
    probe = (
        {"level": row.level - 1, "share": row.probe_share, "since": when(row.probe_since)} if row.probe_share else None
    )
    return {
        "scenario": name,
        "level": row.level,
        "since": rfc3339(row.since),
        "reason": row.reason,
        "calm_since": when(row.calm_since),
        "held_until": when(row.held_until),
        "held_by": row.held_by,
        "probe": probe,
        "retry_at": when(row.retry_at),
        "frozen_since": when(row.frozen_since),
        "frozen_reason": row.frozen_reason,
        "gives_way_to": row.yields,
    }


def _move(row: LadderMove) -> dict[str, Any]:
    names = (
        "id",
        "level_from",
        "level_to",
        "share_from",
        "share_to",
        "direction",
        "actor",
        "reason",
        "guard",
        "breach_id",
    )
    return {name: getattr(row, name) for name in names} | {"at": rfc3339(row.at)}


def _written(row: Regression, name: str) -> dict[str, Any]:
    names = ("id", "revision", "passed", "source", "reference", "details")
    return {key: getattr(row, key) for key in names} | {"scenario": name, "created_at": rfc3339(row.created_at)}
