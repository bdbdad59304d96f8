"""The routes of ladders: position over time with every step's why, and the moves as CSV."""

from typing import Annotated

from fastapi import APIRouter
from fastapi import Query as Ask
from fastapi.responses import HTMLResponse, StreamingResponse

from trivet import db
from trivet.console import files
from trivet.console.address import settle
from trivet.console.control import ladder_read as reading
from trivet.console.control.ladder_read import Query
from trivet.console.door import Looking
from trivet.console.pages import show
from trivet.guard import moved
from trivet.kit.clock import rfc3339
from trivet.report.files.table import Column

router = APIRouter()
FILE_ROWS_MAX = 20_000
COLUMNS = (
    Column("id", "count"), Column("at"), Column("scenario"), Column("level_from", "count"), Column("level_to", "count"),
    Column("share_from", "number"), Column("share_to", "number"), Column("direction", "count"), Column("actor"),
    Column("reason"), Column("guard"), Column("breach_id", "count"),
)  # fmt: skip


@router.get("/ladder")
def page(looking: Looking, query: Annotated[Query, Ask()]) -> HTMLResponse:
    """Where each ladder stands and stood."""
    address = settle("/ladder", query, looking.now, looking.zone)
    with db.transaction() as session:
        return show("control/ladder.html", reading.page(session, looking, query, address))


@router.get("/ladder.csv")
def file(looking: Looking, query: Annotated[Query, Ask()]) -> StreamingResponse:
    """Every move of the range."""
    address = settle("/ladder", query, looking.now, looking.zone)
    with db.transaction() as session:
        found = moved.newest(session, address.interval, scenario=query.scenario, limit=FILE_ROWS_MAX)
        rows = [
            (
                row.id, rfc3339(row.at), name, row.level_from, row.level_to, row.share_from, row.share_to, row.direction,
                row.actor, row.reason, row.guard, row.breach_id,
            )
            for row, name in found
        ]  # fmt: skip
    return files.csv_answer("ladder", COLUMNS, rows)
