"""The routes of jobs: the list, one of them, its file, and stopping it."""

from typing import Annotated

from fastapi import APIRouter, Form, Path
from fastapi import Query as Ask
from fastapi.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse

from trivet import db
from trivet.console import files
from trivet.console.address import settle
from trivet.console.door import Looking, check_token
from trivet.console.jobs import jobs_read as reading
from trivet.console.jobs.jobs_read import Query
from trivet.console.pages import show
from trivet.job import api as jobs
from trivet.job import service
from trivet.report.files.table import Column

router = APIRouter()
Id = Annotated[int, Path(ge=1, lt=2**63)]
PATH = "/jobs"
COLUMNS = (
    Column("id", "count"), Column("kind"), Column("title"), Column("state"), Column("done", "count"),
    Column("total", "count"), Column("unit"), Column("note"), Column("problem"), Column("actor"), Column("tenant"),
    Column("created_at"), Column("started_at"), Column("ended_at"),
)  # fmt: skip


@router.get(PATH)
def page(looking: Looking, query: Annotated[Query, Ask()]) -> HTMLResponse:
    """Jobs of the range, newest first, with how far they are."""
    address = settle(PATH, query, looking.now, looking.zone, default="7d")
    with db.transaction() as session:
        return show("jobs/list.html", reading.page(session, looking, query, address))


@router.get(f"{PATH}.csv")
def file(looking: Looking, query: Annotated[Query, Ask()]) -> StreamingResponse:
    """The same jobs, all pages of them."""
    address = settle(PATH, query, looking.now, looking.zone, default="7d")
    with db.transaction() as session:
        found = jobs.said(session, reading.listed(session, looking, query, address, files.ROWS_MAX))
    return files.csv_answer("jobs", COLUMNS, [[each[column.name] for column in COLUMNS] for each in found])


@router.get(f"{PATH}/{{job_id}}")
def one(looking: Looking, job_id: Id) -> HTMLResponse:
    """One job: how far it is, what came of it."""
    with db.transaction() as session:
        return show("jobs/one.html", reading.one(session, looking, job_id))


@router.get(f"{PATH}/{{job_id}}/file")
def its_file(looking: Looking, job_id: Id) -> StreamingResponse:
    """The file that it made, while it is kept."""
    with db.transaction() as session:
        return jobs.file_of(service.find(session, job_id, looking.tenant_id))


@router.post(f"{PATH}/{{job_id}}/stop")
def stop(looking: Looking, job_id: Id, csrf_token: Annotated[str, Form(max_length=200)]) -> Response:
    """Stop it."""
    check_token(looking, csrf_token)
    with db.transaction() as session:
        job = service.find(session, job_id, looking.tenant_id)
        service.ask_stop(session, job, actor=looking.email, is_admin=looking.may_administer, now=looking.now)
    return RedirectResponse(f"{PATH}/{job_id}", 303)
