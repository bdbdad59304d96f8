"""Schedules over REST."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query
from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet import db
from trivet.identity.auth import Principal, platform
from trivet.kit.answer import Answer, Page, answers
from trivet.kit.body import Body, Name
from trivet.kit.clock import rfc3339, utc_now, when
from trivet.kit.page import INT4, from_cursor, page
from trivet.notify.compose import ADDRESSES_MAX
from trivet.report.files import make, schedules
from trivet.report.files.schedule_models import ReportRun, ReportSchedule
from trivet.report.query import Names

router = APIRouter(tags=["report"])
Finance = Annotated[Principal, Depends(platform("admin", "finance"))]
RUNS_SHOWN = 20


class NewSchedule(Body):
    """A file every day, Monday or first of a month at a time of a zone; it is of the UTC day, week or month before."""

    name: Name
    kind: str = Field(max_length=20)
    format: str = Field(max_length=20)
    every: Literal["day", "week", "month"]
    at: str = Field("08:00", max_length=5)
    zone: str = Field("UTC", max_length=64)
    to: list[str] | Literal["owners"] = Field(max_length=ADDRESSES_MAX)
    group_by: str = Field("", max_length=200)
    cost_centre: Name | None = None
    tenant: Names = Field(default_factory=list)
    scenario: Names = Field(default_factory=list)
    model: Names = Field(default_factory=list)
    provider: Names = Field(default_factory=list)
    pool: Names = Field(default_factory=list)


class Run(Answer):
    """What came of one due time."""

    due_at: str
    cost_centre: str | None
    state: Literal["mailed", "failed"]
    detail: str
    message: str | None


class Schedule(Answer):
    """One schedule and its newest runs."""

    id: int
    name: str
    kind: str
    format: str
    group_by: str
    cost_centre: str | None
    filters: dict[str, list[str]]
    every: Literal["day", "week", "month"]
    at: str
    zone: str
    to: list[str] | Literal["owners"]
    created_by: str
    created_at: str
    ended_at: str | None
    runs: list[Run]


class Schedules(Page):
    """Oldest first."""

    items: list[Schedule]


@router.post("/schedules", status_code=201, response_model=None)
def create_schedule(body: NewSchedule, principal: Finance) -> dict[str, Any]:
    """`to: "owners"` sends each cost centre's statement to its owners, when the month has been closed."""
    filters = {name: getattr(body, name) for name in ("tenant", "scenario", "model", "provider", "pool")}
    whose = body.cost_centre or ""
    if body.kind != "statement":
        filters["cost_centre"], whose = [whose] if whose else [], ""
    group_by = body.group_by or make.GROUP_BY.get(body.kind, "")
    wanted = schedules.Wanted(
        body.name, body.kind, body.format, body.every, body.at, body.zone, () if body.to == "owners" else tuple(body.to),
        group_by, whose, {name: values for name, values in filters.items() if values},
    )  # fmt: skip
    with db.transaction() as session:
        return told(schedules.create(session, wanted, actor=principal.actor), [])


@router.get("/schedules", responses=answers(Schedules))
def list_schedules(
    _: Finance, limit: Annotated[int, Query(ge=1, le=100)] = 50, cursor: str | None = None
) -> dict[str, Any]:
    """Oldest first, each with its newest runs."""
    query = select(ReportSchedule).order_by(ReportSchedule.id).limit(limit + 1)
    if cursor:
        query = query.where(ReportSchedule.id > from_cursor(cursor, INT4)[0])
    with db.transaction() as session:
        rows = session.scalars(query).all()
        return page([told(row, runs(session, row.id)) for row in rows], limit, lambda item: [item["id"]])


@router.delete("/schedules/{schedule_id}", status_code=204)
def end_schedule(schedule_id: Annotated[int, Path(ge=1, lt=2**31)], principal: Finance) -> None:
    """No more of it; what was sent stays listed."""
    with db.transaction() as session:
        schedules.end(session, schedule_id, actor=principal.actor, now=utc_now())


def runs(session: Session, schedule_id: int) -> list[ReportRun]:
    """The newest runs of a schedule."""
    newest = select(ReportRun).where(ReportRun.schedule_id == schedule_id)
    order = (ReportRun.due_at.desc(), ReportRun.cost_centre)
    return list(session.scalars(newest.order_by(*order).limit(RUNS_SHOWN)))


def told(row: ReportSchedule, of: list[ReportRun]) -> dict[str, Any]:
    """A schedule as JSON."""
    return {
        "id": row.id,
        "name": row.name,
        "kind": row.kind,
        "format": row.form,
        "group_by": row.group_by,
        "cost_centre": row.cost_centre or None,
        "filters": row.filters,
        "every": row.every,
        "at": row.at,
        "zone": row.zone,
        "to": row.recipients or "owners",
        "created_by": row.created_by,
        "created_at": rfc3339(row.created_at),
        "ended_at": when(row.ended_at),
        "runs": [
            {
                "due_at": rfc3339(run.due_at),
                "cost_centre": run.cost_centre or None,
                "state": run.state,
                "detail": run.detail,
                "message": run.message_key or None,
            }
            for run in of
        ],
    }
