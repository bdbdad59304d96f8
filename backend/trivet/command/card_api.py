"""What changes a card for everyone: activation, at once or at an instant, break-glass, trials and rollback."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from pydantic import Field
from sqlalchemy import select

from trivet import db
from trivet.card import schedules, trials
from trivet.card import service as cards
from trivet.card.models import CardSchedule
from trivet.command import card_changes, service
from trivet.command import trials as steps
from trivet.command.models import Command
from trivet.identity.auth import Principal, platform
from trivet.kit.answer import Answer, Page, answers
from trivet.kit.body import Body, Instant, Words
from trivet.kit.clock import rfc3339, utc_now
from trivet.kit.page import from_cursor, page

router = APIRouter(tags=["card"])
Read = Annotated[Principal, Depends(platform("read"))]
Limit = Annotated[int, Query(ge=1, le=200)]
Commander = Annotated[Principal, Depends(platform("command"))]
Number = Annotated[int, Path(ge=1, lt=2**31)]
REVISION = "/cards/{scenario}/revisions/{number}"


class Reason(Body):
    reason: Words


class Back(Reason):
    """`to` an earlier revision; the previous one where it is left out."""

    to: Annotated[int, Field(ge=1, lt=2**31)] | None = None
    although_rolled_back: bool = False


class Try(Reason):
    """Shares of conversations that grow, the least time of each step and the least requests of the new revision in it."""

    shares: Annotated[tuple[float, ...], Field(max_length=trials.STEPS_MAX)] = trials.SHARES
    step_s: float = trials.STEP_S
    minimum_sample: int = trials.SAMPLE


class Plan(Reason):
    at: Instant


class GivenCommand(Answer):
    """The command that brings it to the backends."""

    id: int
    status: str
    generation: int
    scenario: str
    revision: int


class Scheduled(Answer):
    """An activation to come. `state`: waiting, activated, cancelled, failed; `outcome` says what came of it."""

    scenario: str
    revision: int
    at: str
    state: str
    actor: str
    reason: str
    outcome: str | None


class ScheduledOne(Scheduled):
    """One of a list."""

    id: int


class Schedules(Page):
    """Newest first."""

    items: list[ScheduledOne]


GIVEN: dict[int | str, dict[str, Any]] = {201: {"model": GivenCommand}}
SCHEDULED: dict[int | str, dict[str, Any]] = {200: {"model": Scheduled}}
PLANNED: dict[int | str, dict[str, Any]] = {201: {"model": Scheduled}}


@router.post(REVISION + "/activate", status_code=201, responses=GIVEN)
def activate(scenario: str, number: Number, body: Reason, principal: Commander) -> dict[str, Any]:
    """Takes the approval of two people. The answer is the command that brings it to the backends."""
    with db.transaction() as session:
        row = cards.scenario_named(session, scenario)
        given = service.issue(
            session, kind="activate", scenario_id=row.id, reason=body.reason, actor=principal.actor, revision=number,
            now=utc_now(),
        )  # fmt: skip
        return _given(given, scenario)


@router.post(REVISION + "/break-glass", status_code=201, responses=GIVEN)
def break_glass(scenario: str, number: Number, body: Reason, principal: Commander) -> dict[str, Any]:
    """Activates at once, without approvals. A review by somebody else is owed: `POST …/review`."""
    with db.transaction() as session:
        given = card_changes.break_glass(
            session, scenario=scenario, number=number, reason=body.reason, actor=principal.actor, now=utc_now()
        )
        return _given(given, scenario)


@router.post("/cards/{scenario}/rollback", status_code=201, responses=GIVEN)
def rollback(scenario: str, body: Back, principal: Commander) -> dict[str, Any]:
    """To the previous revision, or `to` any that governed before."""
    with db.transaction() as session:
        given = card_changes.rollback(
            session, scenario=scenario, to=body.to, although_rolled_back=body.although_rolled_back, reason=body.reason,
            actor=principal.actor, now=utc_now(),
        )  # fmt: skip
        return _given(given, scenario)


@router.post(REVISION + "/trial", status_code=201, responses=GIVEN)
def begin_trial(scenario: str, number: Number, body: Try, principal: Commander) -> dict[str, Any]:
    """An approved revision serves a share of conversations first; it grows or goes back by itself."""
    with db.transaction() as session:
        given = steps.start(
            session, scenario=scenario, number=number, shares=body.shares, step_s=body.step_s,
            minimum_sample=body.minimum_sample, reason=body.reason, actor=principal.actor, now=utc_now(),
        )  # fmt: skip
        return _given(given, scenario)


@router.post(REVISION + "/trial/end", status_code=201, responses=GIVEN)
def end_trial(scenario: str, number: Number, body: Reason, principal: Commander) -> dict[str, Any]:
    """Back to the revision that governs, for everyone. The revision stays in review."""
    with db.transaction() as session:
        given = steps.stop(
            session, scenario=scenario, number=number, reason=body.reason, actor=principal.actor, now=utc_now()
        )
        return _given(given, scenario)


@router.post(REVISION + "/schedule", status_code=201, responses=PLANNED)
def schedule(scenario: str, number: Number, body: Plan, principal: Commander) -> dict[str, Any]:
    """Activates at an instant; both approvals are needed by then, or it fails and says so."""
    with db.transaction() as session:
        row = schedules.plan(
            session, scenario=scenario, number=number, at=body.at, actor=principal.actor, reason=body.reason,
            now=utc_now(),
        )  # fmt: skip
        return scheduled(row, scenario)


@router.get("/cards/{scenario}/schedules", responses=answers(Schedules))
def all_scheduled(scenario: str, _: Read, limit: Limit = 50, cursor: str | None = None) -> dict[str, Any]:
    """Activations at an instant, newest first: the one that waits, and what came of the others."""
    with db.transaction() as session:
        row = cards.scenario_named(session, scenario)
        query = select(CardSchedule).where(CardSchedule.scenario_id == row.id)
        if cursor:
            query = query.where(CardSchedule.id < from_cursor(cursor, int)[0])
        found = session.scalars(query.order_by(CardSchedule.id.desc()).limit(limit + 1)).all()
    return page([scheduled(each, scenario) | {"id": each.id} for each in found], limit, lambda item: [item["id"]])


@router.post(REVISION + "/schedule/cancel", responses=SCHEDULED)
def call_off(scenario: str, number: Number, body: Reason, principal: Commander) -> dict[str, Any]:
    with db.transaction() as session:
        row = schedules.cancel(
            session, scenario=scenario, number=number, actor=principal.actor, reason=body.reason, now=utc_now()
        )
        return scheduled(row, scenario)


def scheduled(row: CardSchedule, scenario: str) -> dict[str, Any]:
    """As `Scheduled` describes it."""
    return {
        "scenario": scenario,
        "revision": row.number,
        "at": rfc3339(row.at),
        "state": row.state,
        "actor": row.actor,
        "reason": row.reason,
        "outcome": row.outcome,
    }


def _given(command: Command, scenario: str) -> dict[str, Any]:
    return {
        "id": command.id,
        "status": command.status,
        "generation": command.generation,
        "scenario": scenario,
        "revision": command.revision,
    }
