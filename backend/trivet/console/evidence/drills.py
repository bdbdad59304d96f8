"""The routes of drills: what was proven, run one, have one come back, end that, abort; and the same as CSV."""

from datetime import time
from typing import Annotated

from fastapi import APIRouter, Form, Path
from fastapi import Query as Ask
from fastapi.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from pydantic import BaseModel, Field

from trivet import db
from trivet.console import files
from trivet.console.address import Address, settle
from trivet.console.door import Looking, check_token
from trivet.console.evidence import drills_read as reading
from trivet.console.evidence.drills_read import Query
from trivet.console.evidence.drills_views import DrillForm
from trivet.console.pages import show
from trivet.console.places import check_role
from trivet.console.views import Reader
from trivet.evidence import drill_schedules, drill_start, drills
from trivet.evidence.drill_start import Wish
from trivet.kit.body import Asked, Name
from trivet.kit.clock import rfc3339, when
from trivet.kit.errors import Invalid, TrivetError
from trivet.report.files.table import Column

router = APIRouter()
TEMPLATE = "evidence/drills.html"
FILE_ROWS_MAX = 1_000
Id = Annotated[int, Path(ge=1, lt=2**63)]
COLUMNS = (
    Column("drill_id", "count"), Column("scenario"), Column("backend"), Column("state"), Column("outcome"), Column("actor"),
    Column("reason"), Column("started_at"), Column("ended_at"), Column("position", "count"), Column("step"),
    Column("level", "count"), Column("ok"), Column("said"), Column("command_id", "count"), Column("observed_at"),
    Column("effective_at"),
)  # fmt: skip


class Given(BaseModel):
    """What every form says."""

    reason: str = Field("", max_length=500)
    csrf_token: str = Field(max_length=200)


class NewDrill(Given):
    """A drill now, or with `every_days` one that comes back."""

    scenario: Name
    backend: Asked = ""
    every_days: str = Field("", max_length=4)
    at: str = Field("", max_length=10)


@router.get("/drills")
def page(looking: Looking, query: Annotated[Query, Ask()]) -> HTMLResponse:
    """Drills of the range, with every step's proof."""
    with db.transaction() as session:
        return show(TEMPLATE, reading.page(session, looking, query, _address(looking, query)))


@router.get("/drills.csv")
def file(looking: Looking, query: Annotated[Query, Ask()]) -> StreamingResponse:
    """A line a step."""
    with db.transaction() as session:
        rows = reading.newest(session, query, _address(looking, query), FILE_ROWS_MAX)
        steps = reading.steps_of(session, [drill.id for drill, *_ in rows])
        lines = [
            (
                d.id, scenario, backend, d.state, d.outcome, d.actor, d.reason, rfc3339(d.started_at),
                when(d.ended_at), s.position, s.kind, s.level, s.ok, s.reason, s.command_id,
                when(s.observed_at), when(s.effective_at),
            )
            for d, scenario, backend in rows
            for s in steps[d.id]
        ]  # fmt: skip
    return files.csv_answer("drills", COLUMNS, lines)


@router.post("/drills")
def begin(looking: Looking, given: Annotated[NewDrill, Form()]) -> Response:
    """Drill a scenario's whole ladder on the drill backend in sight, now or again and again; a refusal comes back in the form."""
    _may(looking, given)
    try:
        with db.transaction() as session:
            wish = Wish(given.scenario, given.backend or None, reason=given.reason)
            if given.every_days:
                days, at = _often(given)
                drill_schedules.make(session, wish, every_days=days, at=at, actor=looking.email, now=looking.now)
            else:
                drill_start.start(session, wish, actor=looking.email, now=looking.now)
    except TrivetError as refused:
        fields = ("reason", "backend", "every_days", "at")
        errors = {refused.field if refused.field in fields else "form": refused.detail}
        form = DrillForm(given.scenario, given.reason, given.backend, given.every_days, given.at, "", errors)
        with db.transaction() as session:
            query = Query()
            shown = reading.page(session, looking, query, _address(looking, query), form)
            return show(TEMPLATE, shown, status=refused.status)
    return RedirectResponse("/drills#schedules" if given.every_days else "/drills#drills", 303)


@router.post("/drills/{drill_id}/abort")
def abort(looking: Looking, drill_id: Id, given: Annotated[Given, Form()]) -> Response:
    """Bring the drill's backend back at once."""
    _may(looking, given)
    with db.transaction() as session:
        drills.abort(session, drill_id, reason=given.reason, actor=looking.email, now=looking.now)
    return RedirectResponse("/drills#drills", 303)


@router.post("/drills/schedules/{schedule_id}/end")
def end(
    looking: Looking, schedule_id: Annotated[int, Path(ge=1, lt=2**31)], given: Annotated[Given, Form()]
) -> Response:
    """No more of it."""
    _may(looking, given)
    with db.transaction() as session:
        drill_schedules.end(session, schedule_id, actor=looking.email, now=looking.now)
    return RedirectResponse("/drills#schedules", 303)


def _address(looking: Reader, query: Query) -> Address:
    return settle("/drills", query, looking.now, looking.zone, default="90d")


def _often(given: NewDrill) -> tuple[int, time]:
    """How often and when, in UTC."""
    most = drill_schedules.EVERY_MAX_DAYS
    if not given.every_days.isdecimal() or not 1 <= int(given.every_days) <= most:
        raise Invalid(f"A drill comes back every 1 to {most} days.", field="every_days")
    try:
        return int(given.every_days), time.fromisoformat(given.at)
    except ValueError as bad:
        raise Invalid("Say a time of day in UTC, such as 04:30.", field="at") from bad


def _may(looking: Reader, given: Given) -> None:
    check_role(looking.role, "Drills are for sre, product owner and admin", may=looking.may_command)
    check_token(looking, given.csrf_token)
