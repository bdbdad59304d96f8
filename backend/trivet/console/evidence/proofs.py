"""The routes of proofs: what commands did to the triangle, one command's sheet, and both as CSV."""

from typing import Annotated

from fastapi import APIRouter, Path
from fastapi import Query as Ask
from fastapi.responses import HTMLResponse, StreamingResponse

from trivet import db
from trivet.console import files
from trivet.console.address import settle
from trivet.console.door import Looking
from trivet.console.evidence import proofs_read as reading
from trivet.console.evidence.proofs_read import Query
from trivet.console.evidence.proofs_words import lines
from trivet.console.pages import show
from trivet.evidence import proof_read
from trivet.report.files.table import Column

router = APIRouter()
Id = Annotated[int, Path(ge=1, lt=2**63)]
COLUMNS = (
    Column("command_id", "count"), Column("level_before", "count"), Column("level_after", "count"),
    Column("revision_before", "count"), Column("revision_after", "count"), Column("measure"), Column("before", "number"),
    Column("after", "number"), Column("difference", "number"), Column("low", "number"), Column("high", "number"),
    Column("change", "number"), Column("verdict"), Column("n_before", "count"), Column("n_after", "count"),
    Column("currency"), Column("missing"),
)  # fmt: skip


@router.get("/proofs")
def page(looking: Looking, query: Annotated[Query, Ask()]) -> HTMLResponse:
    """The newest commands, each with what it did."""
    address = settle("/proofs", query, looking.now, looking.zone, default="7d")
    with db.transaction() as session:
        return show("evidence/proofs.html", reading.page(session, looking, query, address))


@router.get("/proofs.csv")
def file(looking: Looking, query: Annotated[Query, Ask()]) -> StreamingResponse:
    """A line a measure of the newest commands, more of them than a page has."""
    address = settle("/proofs", query, looking.now, looking.zone, default="7d")
    with db.transaction() as session:
        rows, _ = reading.found(session, query, address, reading.FILED)
        told = [line for row in rows for line in lines(proof_read.of(session, row[0].id, looking.now))]
    return files.csv_answer("proofs", COLUMNS, told)


@router.get("/proofs/{command_id}.csv")
def sheet_file(looking: Looking, command_id: Id) -> StreamingResponse:
    """The sheet of one command."""
    with db.transaction() as session:
        told = lines(proof_read.of(session, command_id, looking.now))
    return files.csv_answer(f"proof-{command_id}", COLUMNS, told)


@router.get("/proofs/{command_id}")
def sheet(looking: Looking, command_id: Id) -> HTMLResponse:
    """What one command did: before and after on the same terms, with the interval."""
    with db.transaction() as session:
        return show("evidence/proof.html", reading.one(session, looking, command_id))
