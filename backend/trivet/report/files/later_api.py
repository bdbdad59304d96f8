"""Files in the background, over REST: `POST /exports/costs.csv?from&to` begins a job; its file is fetched from `/jobs/{id}/file`."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from trivet import db
from trivet.job import api as jobs
from trivet.job.answers import JobAnswer
from trivet.report.asking import Read
from trivet.report.files import later
from trivet.report.files.files_api import ExportQuery

router = APIRouter(tags=["report"])


@router.post("/exports/{file}", status_code=202, response_model=None, responses={202: {"model": JobAnswer}})
def begin_export(file: str, principal: Read, query: Annotated[ExportQuery, Query()]) -> dict[str, Any]:
    """The same file as `GET` gives, made by a worker: for what takes longer than one waits."""
    with db.transaction() as session:
        return jobs.said(session, [later.begin(session, file, query, principal)])[0]
