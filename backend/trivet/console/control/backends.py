"""The routes of backends: what each holds of what it should, and the same as CSV."""

from typing import Annotated

from fastapi import APIRouter
from fastapi import Query as Ask
from fastapi.responses import HTMLResponse, StreamingResponse

from trivet import db
from trivet.console import files
from trivet.console.address import settle
from trivet.console.control import backends_read as reading
from trivet.console.control.backends_read import Query
from trivet.console.door import Looking
from trivet.console.pages import show
from trivet.report.files.table import Column

router = APIRouter()
COLUMNS = (
    Column("backend"), Column("learns"), Column("seen_at"), Column("scenario"), Column("generation", "count"),
    Column("wanted_generation", "count"), Column("level", "count"), Column("running", "number"), Column("waiting", "number"),
    Column("kv_cache_usage", "number"),
)  # fmt: skip


@router.get("/backends")
def page(looking: Looking, query: Annotated[Query, Ask()]) -> HTMLResponse:
    """How things stand now: this page has no range."""
    address = settle("/backends", query, looking.now, looking.zone)
    with db.transaction() as session:
        return show("control/backends.html", reading.page(session, looking, query, address))


@router.get("/backends.csv")
def file(looking: Looking, query: Annotated[Query, Ask()]) -> StreamingResponse:
    """A line for each scenario of each backend."""
    with db.transaction() as session:
        rows = reading.lines(reading.read(session, query, looking.now))
    return files.csv_answer("backends", COLUMNS, rows)
