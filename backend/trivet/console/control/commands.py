"""The routes of commands: what was commanded and how far it came, one command, and the same as CSV."""

from typing import Annotated

from fastapi import APIRouter, Path
from fastapi import Query as Ask
from fastapi.responses import HTMLResponse, StreamingResponse

from trivet import db
from trivet.command import listing
from trivet.console import files
from trivet.console.address import settle
from trivet.console.control import commands_read as reading
from trivet.console.control.commands_read import Query
from trivet.console.door import Looking
from trivet.console.pages import show
from trivet.kit.clock import when
from trivet.report.files.table import Column

router = APIRouter()
Id = Annotated[int, Path(ge=1, lt=2**63)]
FILE_ROWS_MAX = 20_000
COLUMNS = (
    Column("id", "count"), Column("kind"), Column("scenario"), Column("tenant"), Column("backend"), Column("level", "count"),
    Column("share", "number"), Column("revision", "count"), Column("generation", "count"), Column("status"), Column("actor"),
    Column("reason"), Column("outcome"), Column("breach_id", "count"), Column("created_at"), Column("expires_at"),
    Column("observed_at"), Column("effective_at"), Column("ended_at"),
)  # fmt: skip


@router.get("/commands")
def page(looking: Looking, query: Annotated[Query, Ask()]) -> HTMLResponse:
    """Commands of the range, newest first, with their live state."""
    address = settle("/commands", query, looking.now, looking.zone, default="7d")
    with db.transaction() as session:
        return show("control/commands.html", reading.page(session, looking, query, address))


@router.get("/commands.csv")
def file(looking: Looking, query: Annotated[Query, Ask()]) -> StreamingResponse:
    """The same commands, all pages of them."""
    address = settle("/commands", query, looking.now, looking.zone, default="7d")
    with db.transaction() as session:
        found = listing.newest(session, reading.wanted(query, address), limit=FILE_ROWS_MAX)
        rows = [_line(each) for each in found]
    return files.csv_answer("commands", COLUMNS, rows)


@router.get("/commands/{command_id}")
def one(looking: Looking, command_id: Id) -> HTMLResponse:
    """One command: who asked for it and why, who holds it, what came after."""
    with db.transaction() as session:
        return show("control/command.html", reading.one(session, looking, command_id))


def _line(each: listing.Row) -> tuple[object, ...]:
    row, scenario, tenant, backend = each
    moments = (row.created_at, row.expires_at, row.observed_at, row.effective_at, row.ended_at)
    return (
        row.id, row.kind, scenario, tenant, backend, row.level, row.share, row.revision, row.generation, row.status, row.actor,
        row.reason, row.outcome, row.breach_id, *(when(at) for at in moments),
    )  # fmt: skip
