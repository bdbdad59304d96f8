"""The page of readiness: the checklist of every scenario, and the drills that are evidence for it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Form, Path
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet import db
from trivet.console import format as say
from trivet.console.door import Looking, check_token
from trivet.console.evidence.evidence_views import DrillRow, LineRow, ReadinessPage, ReadyRow
from trivet.console.pages import show
from trivet.console.views import Reader
from trivet.evidence import checklist, drill_start, drill_state, drills
from trivet.evidence.drill_start import Wish
from trivet.evidence.models import Drill
from trivet.evidence.readiness import CHECKS, Line, sentence
from trivet.fleet.models import Backend
from trivet.kit.body import Name
from trivet.kit.errors import Forbidden, TrivetError
from trivet.tenant.models import Scenario

router = APIRouter()
TEMPLATE = "evidence/readiness.html"
SHOWN = 100
DRILLS_SHOWN = 12
MARKS = {"passed": "effective", "running": "pending", "restoring": "pending"}  # how a state's pill looks; else a cross


class Given(BaseModel):
    """What both forms say."""

    reason: str = Field("", max_length=500)
    csrf_token: str = Field(max_length=200)


class NewDrill(Given):
    """What the form of a new drill says."""

    scenario: Name


@router.get("/readiness")
def readiness(looking: Looking) -> HTMLResponse:
    """Every line, with its reason and what to do."""
    with db.transaction() as session:
        return show(TEMPLATE, _page(session, looking))


@router.post("/readiness/drills")
def begin(looking: Looking, given: Annotated[NewDrill, Form()]) -> Response:
    """Drill a scenario's whole ladder on the drill backend in sight; a refusal comes back on the page."""
    _may(looking, given)
    try:
        with db.transaction() as session:
            wish = Wish(given.scenario, reason=given.reason)
            drill_start.start(session, wish, actor=looking.email, now=looking.now)
    except TrivetError as refused:
        return _refused(looking, refused)
    return RedirectResponse("/readiness#drills", 303)


@router.post("/readiness/drills/{drill_id}/abort")
def abort(
    looking: Looking, drill_id: Annotated[int, Path(ge=1, lt=2**63)], given: Annotated[Given, Form()]
) -> Response:
    """Bring the drill's backend back at once."""
    _may(looking, given)
    try:
        with db.transaction() as session:
            drills.abort(session, drill_id, reason=given.reason, actor=looking.email, now=looking.now)
    except TrivetError as refused:
        return _refused(looking, refused)
    return RedirectResponse("/readiness#drills", 303)


def _may(looking: Reader, given: Given) -> None:
    if not looking.may_command:
        raise Forbidden(f"Drills are for sre, product owner and admin; you are {looking.role.replace('_', ' ')}.")
    check_token(looking, given.csrf_token)


def _refused(looking: Reader, refused: TrivetError) -> HTMLResponse:
    with db.transaction() as session:
        return show(TEMPLATE, _page(session, looking, refused.detail), status=refused.status)


def _page(session: Session, looking: Reader, problem: str = "") -> ReadinessPage:
    told = checklist.told(session, checklist.registered(session, limit=SHOWN), looking.now)
    return ReadinessPage(
        reader=looking,
        sentence=sentence(told),
        labels=tuple(label for _, label, _ in CHECKS),
        rows=tuple(
            ReadyRow(
                name,
                say.title(name),
                all(line.holds for line in lines),
                tuple(_line(line) for line in lines),
            )
            for name, lines in told
        ),
        drills=tuple(_drills(session, looking)),
        problem=problem,
    )


def _line(line: Line) -> LineRow:
    path, body = (line.ask.path, line.ask.body) if line.ask else ("", "")
    return LineRow(line.label, line.holds, line.reason, line.to_do, path, body)


def _drills(session: Session, looking: Reader) -> Sequence[DrillRow]:
    query = select(Drill, Scenario.name, Backend.name).join(Scenario, Scenario.id == Drill.scenario_id)
    query = query.join(Backend, Backend.id == Drill.backend_id).order_by(Drill.id.desc()).limit(DRILLS_SHOWN)
    return [_drill(session, looking, *row) for row in session.execute(query)]


def _drill(session: Session, looking: Reader, drill: Drill, scenario: str, backend: str) -> DrillRow:
    until: datetime = drill.ended_at or looking.now
    return DrillRow(
        id=drill.id, scenario=scenario, backend=backend, levels=", ".join(map(str, drill.levels)), state=drill.state,
        mark=MARKS.get(drill.state, "expired"), actor=drill.actor, reason=drill.reason,
        words=drill.outcome or "under way", started_at=drill.started_at,
        lasted=say.elapsed((until - drill.started_at).total_seconds()),
        may_abort=drill.state == "running" and looking.may_command,
        steps=tuple(
            f"{'✓' if step.ok else '…' if step.ok is None else '✗'} {step.kind.replace('_', ' ')}"
            f"{f' {step.level}' if step.level else ''}: {step.reason}"
            for step in drill_state.steps_of(session, drill.id)
        ),
    )  # fmt: skip
