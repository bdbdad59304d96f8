"""The routes of breaches: now and before, who carries one, and the same as CSV."""

from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Path
from fastapi import Query as Ask
from fastapi.responses import HTMLResponse, StreamingResponse

from trivet import db
from trivet.console import files
from trivet.console.address import settle
from trivet.console.door import Looking
from trivet.console.evidence import breaches_read as reading
from trivet.console.evidence import breaches_words as words
from trivet.console.evidence.breaches_read import Query
from trivet.console.evidence.breaches_views import CarriedBy
from trivet.console.pages import show, templates
from trivet.console.views import Reader
from trivet.evidence import breach_list
from trivet.evidence.breach_list import First, Listed
from trivet.kit.clock import rfc3339, when
from trivet.report.files.table import Column

router = APIRouter()
Id = Annotated[int, Path(ge=1, lt=2**63)]
FILE_ROWS_MAX = 1_000
COLUMNS = (
    Column("id", "count"), Column("scenario"), Column("guard"), Column("severity"), Column("revision", "count"),
    Column("value", "number"), Column("worst_value", "number"), Column("threshold", "number"), Column("sample", "count"),
    Column("opened_at"), Column("closed_at"), Column("reason"), Column("closed_reason"), Column("carrier"),
    Column("carrier_excess_share", "number"), Column("carrier_traffic_share", "number"), Column("command_id", "count"),
    Column("command_kind"), Column("command_level", "count"), Column("command_status"), Column("acted_at"),
    Column("effective_at"), Column("recovered_at"), Column("saved", "money"), Column("currency"), Column("lost", "number"),
)  # fmt: skip


@router.get("/breaches")
def page(looking: Looking, query: Annotated[Query, Ask()]) -> HTMLResponse:
    """Open ones first, then before."""
    address = settle("/breaches", query, looking.now, looking.zone, default="24h")
    with db.transaction() as session:
        return show("evidence/breaches.html", reading.page(session, looking, query, address))


@router.get("/breaches.csv")
def file(looking: Looking, query: Annotated[Query, Ask()]) -> StreamingResponse:
    """The same breaches, all pages of them, each with who carries it."""
    address = settle("/breaches", query, looking.now, looking.zone, default="24h")
    with db.transaction() as session:
        found = breach_list.newest(session, reading.wanted(query, address), limit=FILE_ROWS_MAX)
    return files.csv_answer("breaches", COLUMNS, _lines(found, looking))


@router.get("/breaches/{breach_id}/carrier")
def carrier(looking: Looking, breach_id: Id) -> HTMLResponse:
    """A part of the list: who carries one breach."""
    with db.transaction() as session:
        first = breach_list.carrier(session, breach_id, looking.now)
    return HTMLResponse(_told(words.carried(True, first)))


def _told(carried: CarriedBy) -> str:
    made: Any = templates().get_template("evidence/carried.html").module
    return str(made.carried(carried))


def _lines(found: list[Listed] | Any, looking: Reader) -> Iterator[tuple[object, ...]]:
    for each in found:
        with db.transaction() as session:
            first = breach_list.carrier(session, each.breach.id, looking.now)
        yield _line(each, first)


def _line(each: Listed, first: First | None) -> tuple[object, ...]:
    b, c, t = each.breach, each.command, each.times
    acted, effective = (c.created_at, c.effective_at) if c else (None, None)
    return (
        b.id, each.scenario, b.guard, each.severity, b.revision, b.value, b.worst_value, b.threshold, b.sample,
        rfc3339(b.opened_at), when(b.closed_at), b.reason, b.closed_reason,
        first.name if first else None, first.excess if first else None, first.traffic if first else None,
        c.id if c else None, c.kind if c else None, c.level if c else None, c.status if c else None,
        when(acted), when(effective),
        rfc3339(t.recovered_at) if t and t.recovered_at else None, t.saved if t else None, t.currency if t else None,
        t.lost if t else None,
    )  # fmt: skip
