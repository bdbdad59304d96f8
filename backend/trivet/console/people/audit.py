"""The audit log: what was changed by whom, and whether its chain holds."""

from typing import Annotated

from fastapi import APIRouter
from fastapi import Query as Ask
from fastapi.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse

from trivet import db
from trivet.console import files
from trivet.console.door import Looking, check_token
from trivet.console.pages import show
from trivet.console.people import audit_read as read
from trivet.console.people.forms import VerifyForm
from trivet.identity import chain
from trivet.kit.errors import Forbidden
from trivet.report.files.table import Column

router = APIRouter()
PATH = read.PATH
COLUMNS = (
    Column("id", "count"), Column("at"), Column("actor"), Column("action"), Column("subject"), Column("before"),
    Column("after"), Column("reason"), Column("hash"),
)  # fmt: skip


@router.get(PATH)
def page(looking: Looking, query: Annotated[read.Query, Ask()]) -> HTMLResponse:
    """Changes of the range, newest first."""
    with db.transaction() as session:
        return show("people/audit.html", read.page(session, looking, query))


@router.get(f"{PATH}.csv")
def file(looking: Looking, query: Annotated[read.Query, Ask()]) -> StreamingResponse:
    """The same changes, all pages of them."""
    with db.transaction() as session:
        rows = read.lines(session, looking, query)
    return files.csv_answer("audit", COLUMNS, rows)


@router.post(f"{PATH}/verify")
def verify(looking: Looking, given: VerifyForm) -> Response:
    """Verify the next rows, or begin again with the first; the workers go on from there."""
    check_token(looking, given.csrf_token)
    if not looking.may_administer:
        raise Forbidden("The chain is verified by an admin, and by the workers every minute.")
    with db.transaction() as session:
        chain.step(session, looking.now, again=given.again)
    return RedirectResponse(PATH, 303)
