"""Drills: begin, look, abort, schedule; and the readiness that they are evidence for."""

from collections.abc import Sequence
from datetime import time
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from pydantic import AfterValidator, Field, StringConstraints

from trivet import db
from trivet.card import service as cards
from trivet.evidence import checklist, drill_schedules, drill_start, drill_state, drills
from trivet.evidence.drill_answers import DrillAnswer, DrillsPage, ReadinessAnswer, ReadinessPage, SchedulesPage
from trivet.evidence.drill_start import HOLD_S, PATIENCE_S, Wish
from trivet.evidence.models import Drill, DrillSchedule, DrillStep
from trivet.evidence.readiness import Line
from trivet.identity.auth import Principal, platform
from trivet.kit.answer import answers
from trivet.kit.body import Body, Name
from trivet.kit.clock import rfc3339, utc_now, when
from trivet.kit.errors import NotFound
from trivet.kit.page import INT8, from_cursor, page
from trivet.tenant.models import Scenario

router = APIRouter(tags=["evidence"])
Read = Annotated[Principal, Depends(platform("read"))]
Commander = Annotated[Principal, Depends(platform("command"))]
Id = Annotated[int, Path(ge=1, lt=2**63)]
ScheduleId = Annotated[int, Path(ge=1, lt=2**31)]
Limit = Annotated[int, Query(ge=1, le=500)]
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
Level = Annotated[int, Field(ge=1, le=3)]


def _of_utc(at: time) -> time:
    if at.utcoffset():
        raise ValueError("is a time of day in UTC: say it without an offset, or with Z")
    return at.replace(tzinfo=None)


class NewDrill(Body):
    """Without a backend the one drill backend in sight; without levels all that the card has."""

    scenario: Name
    backend: Name | None = None
    levels: list[Level] = Field(default_factory=list, max_length=3)
    hold_s: float = Field(HOLD_S, ge=0, le=3_600)
    patience_s: float = Field(PATIENCE_S, ge=1, le=3_600)
    reason: Reason

    def wish(self) -> Wish:
        """As the service takes it."""
        return Wish(self.scenario, self.backend, tuple(self.levels), self.hold_s, self.patience_s, self.reason)


class NewSchedule(NewDrill):
    """`at` is a time of day in UTC: another zone's would mean another hour after each of its clock changes."""

    every_days: int = Field(ge=1, le=drill_schedules.EVERY_MAX_DAYS)
    at: Annotated[time, AfterValidator(_of_utc)]


class Abort(Body):
    reason: Reason


@router.post("/drills", status_code=201)
def begin(body: NewDrill, principal: Commander) -> dict[str, Any]:
    """Run a card's ladder on purpose on a drill backend."""
    with db.transaction() as session:
        drill = drill_start.start(session, body.wish(), actor=principal.actor, now=utc_now())
        return {"id": drill.id, "state": drill.state, "levels": drill.levels}


@router.get("/drills", responses=answers(DrillsPage))
def listed(_: Read, scenario: Name | None = None, limit: Limit = 50, cursor: str | None = None) -> dict[str, Any]:
    """Newest first, without their steps."""
    query = drill_state.named()
    if scenario:
        query = query.where(Scenario.name == scenario)
    if cursor:
        query = query.where(Drill.id < from_cursor(cursor, INT8)[0])
    with db.transaction() as session:
        rows = session.execute(query.order_by(Drill.id.desc()).limit(limit + 1)).all()
    return page([_drill(*row) for row in rows], limit, lambda item: [item["id"]])


@router.post("/drill-schedules", status_code=201)
def schedule(body: NewSchedule, principal: Commander) -> dict[str, Any]:
    """Have a drill come back every so many days."""
    with db.transaction() as session:
        row = drill_schedules.make(
            session, body.wish(), every_days=body.every_days, at=body.at, actor=principal.actor, now=utc_now()
        )  # fmt: skip
        return {"id": row.id, "next_at": rfc3339(row.next_at)}


@router.get("/drill-schedules", responses=answers(SchedulesPage))
def schedules(_: Read, limit: Limit = 50, cursor: str | None = None) -> dict[str, Any]:
    """Those that stand."""
    query = drill_schedules.standing()
    if cursor:
        query = query.where(DrillSchedule.id > from_cursor(cursor, INT8)[0])
    with db.transaction() as session:
        rows = session.execute(query.order_by(DrillSchedule.id).limit(limit + 1)).all()
    return page([_schedule(*found) for found in rows], limit, lambda item: [item["id"]])


@router.post("/drill-schedules/{schedule_id}/end", status_code=204)
def end_schedule(schedule_id: ScheduleId, principal: Commander) -> None:
    """No more of it."""
    with db.transaction() as session:
        drill_schedules.end(session, schedule_id, actor=principal.actor, now=utc_now())


@router.get("/drills/{drill_id}", responses=answers(DrillAnswer))
def one(drill_id: Id, _: Read) -> dict[str, Any]:
    """The record of a drill, step by step."""
    with db.transaction() as session:
        row = session.execute(drill_state.named().where(Drill.id == drill_id)).first()
        if row is None:
            raise NotFound(f"There is no drill {drill_id}.")
        return _drill(*row) | {"steps": [_step(step) for step in drill_state.steps_of(session, drill_id)]}


@router.post("/drills/{drill_id}/abort")
def abort(drill_id: Id, body: Abort, principal: Commander) -> dict[str, Any]:
    """Bring its backend back at once."""
    with db.transaction() as session:
        drill = drills.abort(session, drill_id, reason=body.reason, actor=principal.actor, now=utc_now())
        return {"id": drill.id, "state": drill.state, "outcome": drill.outcome}


@router.get("/readiness", responses=answers(ReadinessPage))
def readiness(_: Read, limit: Limit = 100, cursor: str | None = None) -> dict[str, Any]:
    """The checklist of every scenario."""
    now = utc_now()
    with db.transaction() as session:
        after = from_cursor(cursor, str)[0] if cursor else ""
        found = checklist.told(session, checklist.registered(session, after=after, limit=limit + 1), now)
    return page([_ready(name, lines) for name, lines in found], limit, lambda item: [item["scenario"]])


@router.get("/scenarios/{name}/readiness", responses=answers(ReadinessAnswer))
def ready(name: Name, _: Read) -> dict[str, Any]:
    """Each line of the checklist, verified from data, with what to do where it does not hold."""
    with db.transaction() as session:
        scenario = cards.scenario_named(session, name)
        ((_name, lines),) = checklist.told(session, [(scenario.id, scenario.name)], utc_now())
    return _ready(name, lines)


def _drill(row: Drill, scenario: str, backend: str) -> dict[str, Any]:
    return {
        "id": row.id, "scenario": scenario, "backend": backend, "revision": row.revision, "levels": row.levels,
        "hold_s": row.hold_s, "patience_s": row.patience_s, "state": row.state, "record": row.record,
        "outcome": row.outcome, "actor": row.actor, "reason": row.reason, "started_at": rfc3339(row.started_at),
        "ended_at": when(row.ended_at), "schedule_id": row.schedule_id,
    }  # fmt: skip


def _step(step: DrillStep) -> dict[str, Any]:
    return {
        "position": step.position, "kind": step.kind, "level": step.level, "ok": step.ok, "simulated": step.simulated,
        "reason": step.reason, "command_id": step.command_id, "started_at": rfc3339(step.started_at),
        "observed_at": when(step.observed_at), "effective_at": when(step.effective_at), "done_at": when(step.done_at),
    }  # fmt: skip


def _schedule(row: DrillSchedule, scenario: str, backend: str) -> dict[str, Any]:
    return {
        "id": row.id, "scenario": scenario, "backend": backend, "levels": row.levels, "every_days": row.every_days,
        "at": row.at.isoformat(), "next_at": rfc3339(row.next_at), "reason": row.reason, "actor": row.actor,
        "said": row.said,
    }  # fmt: skip


def _ready(name: str, lines: Sequence[Line]) -> dict[str, Any]:
    return {
        "scenario": name,
        "ready": all(line.holds for line in lines),
        "lines": [
            {
                "key": each.key, "label": each.label, "holds": each.holds, "reason": each.reason, "to_do": each.to_do,
                "ask": {"path": f"/api/v1{each.ask.path}", "body": each.ask.body} if each.ask else None,
            }
            for each in lines
        ],
    }  # fmt: skip
