"""The page of readiness: the checklist of every scenario, each line told from data; and the same as CSV."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter
from fastapi import Query as Ask
from fastapi.responses import HTMLResponse, StreamingResponse
from sqlalchemy import func, select

from trivet import db
from trivet.console import files
from trivet.console import format as say
from trivet.console.address import Times, settle
from trivet.console.door import Looking
from trivet.console.evidence.evidence_views import LineRow, ReadinessPage, ReadyRow
from trivet.console.evidence.readiness_words import sentence
from trivet.console.pages import show
from trivet.console.tongue import _
from trivet.evidence import checklist
from trivet.evidence.readiness import CHECKS, Line
from trivet.report.files.table import Column
from trivet.tenant.models import Scenario

router = APIRouter()
SHOWN, FILE_ROWS_MAX = 100, 1_000
COLUMNS = (Column("scenario"), Column("check"), Column("holds"), Column("reason"), Column("to_do"))


@router.get("/readiness")
def readiness(looking: Looking, query: Annotated[Times, Ask()]) -> HTMLResponse:
    """Every line, with its reason and what to do."""
    address = settle("/readiness", query, looking.now, looking.zone)
    with db.transaction() as session:
        told = checklist.told(session, checklist.registered(session, limit=SHOWN), looking.now, _)
        whole = session.scalar(select(func.count()).select_from(Scenario)) or 0
    page = ReadinessPage(
        reader=looking,
        address=address,
        sentence=sentence(told),
        labels=tuple(_(label) for _key, label, _check in CHECKS),
        rows=tuple(_ready(name, lines) for name, lines in told),
        left_out=max(0, whole - len(told)) if len(told) == SHOWN else 0,
    )
    return show("evidence/readiness.html", page)


@router.get("/readiness.csv")
def file(looking: Looking) -> StreamingResponse:
    """A line a check of each scenario."""
    with db.transaction() as session:
        told = checklist.told(session, checklist.registered(session, limit=FILE_ROWS_MAX), looking.now)
    rows = [(name, line.key, line.holds, line.reason, line.to_do) for name, lines in told for line in lines]
    return files.csv_answer("readiness", COLUMNS, rows)


def _ready(name: str, lines: Sequence[Line]) -> ReadyRow:
    return ReadyRow(name, say.title(name), all(line.holds for line in lines), tuple(map(_line, lines)))


def _line(line: Line) -> LineRow:
    path, body = (line.ask.path, line.ask.body) if line.ask else ("", "")
    return LineRow(_(line.label), line.holds, line.reason, line.to_do, path, body)
