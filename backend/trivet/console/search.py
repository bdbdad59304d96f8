"""Search: what a name, a number or an id could be, as addresses. Whoever is of one tenant finds pages and traces alone."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Header, Query
from fastapi.responses import HTMLResponse
from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet import db
from trivet.command.models import Command
from trivet.console import places
from trivet.console.door import Looking
from trivet.console.pages import show
from trivet.console.tongue import N_, _
from trivet.console.views import Reader
from trivet.fleet.models import Backend
from trivet.guard.models import Breach
from trivet.kit.body import Asked as Text
from trivet.pricing.models import Model
from trivet.tenant.models import CostCentre, Scenario, Tenant

router = APIRouter()
EACH_MAX: Final = 6
LONGEST: Final = 200
ID: Final = re.compile(r"#?(\d{1,18})")
TRACE: Final = re.compile(r"[0-9a-f]{32}", re.IGNORECASE)
REQUEST: Final = re.compile(r"[0-9a-f]{32}-[0-9a-f]{16}", re.IGNORECASE)  # its trace and its span


@dataclass(frozen=True, slots=True)
class Hit:
    """One thing that was found: what kind of thing, its name, and where it is."""

    kind: str
    name: str
    url: str


@dataclass(frozen=True, slots=True)
class SearchPage:
    """templates/search/page.html and its part."""

    reader: Reader
    asked: str
    hits: tuple[Hit, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """A table whose names are searched, and where a name of it leads; `path`: the place that has to be open to somebody."""

    kind: str
    table: Any
    address: str  # with a hole for the name, quoted
    path: str


SOURCES: Final = (
    Source(N_("scenario"), Scenario, "/?open={name}&q={name}", "/"),
    Source(N_("card"), Scenario, "/cards/{name}", "/cards"),
    Source(N_("tenant"), Tenant, "/costs?tenant={name}", "/costs"),
    Source(N_("cost centre"), CostCentre, "/statements?cost_centre={name}", "/statements"),
    Source(N_("model"), Model, "/costs?model={name}", "/costs"),
    Source(N_("backend"), Backend, "/backends?backend={name}", "/backends"),
)


@router.get("/search")
def search(
    looking: Looking,
    q: Annotated[Text, Query(max_length=LONGEST)] = "",
    hx_request: Annotated[str | None, Header()] = None,
) -> HTMLResponse:
    """What `q` could be. As a part of the dialog where htmx asks, else as a page."""
    asked = q.strip()
    with db.transaction() as session:
        hits = tuple(_found(session, looking, asked)) if asked else ()
    return show("search/found.html" if hx_request else "search/page.html", SearchPage(looking, asked, hits))


def _found(session: Session, reader: Reader, asked: str) -> Iterator[Hit]:
    yield from pages(reader.sections, asked)
    if TRACE.fullmatch(asked):
        yield Hit(N_("trace"), asked.lower(), f"/requests/trace/{asked.lower()}")
    if REQUEST.fullmatch(asked):
        yield Hit(N_("request"), asked.lower(), f"/requests/{asked.lower()}")
    if reader.tenant_id is not None:
        return
    if number := ID.fullmatch(asked):
        yield from _numbered(session, int(number[1]))
    for source in SOURCES:
        yield from _named(session, source, asked)


def pages(sections: Iterable[places.Section], asked: str) -> list[Hit]:
    """Pages open to the reader whose name has the text, in their language or in English. Pure."""
    wanted = asked.casefold()
    return [
        Hit(N_("place"), place.words, place.path)
        for section in sections
        for place in section.places
        if wanted in _(place.words).casefold() or wanted in place.words.casefold()
    ][:EACH_MAX]


def _numbered(session: Session, number: int) -> Iterator[Hit]:
    for kind, table, address in ((N_("command"), Command, "/commands/{}"), (N_("breach"), Breach, "/breaches/{}")):
        if session.scalar(select(table.id).where(table.id == number)) is not None:
            yield Hit(kind, f"#{number}", address.format(number))


def _named(session: Session, source: Source, asked: str) -> Iterator[Hit]:
    """Names that begin with the text before names that only have it."""
    name = source.table.name
    begins = name.istartswith(asked, autoescape=True)
    query = select(name, begins).where(name.icontains(asked, autoescape=True)).distinct()
    for found, _begins in session.execute(query.order_by(begins.desc(), name).limit(EACH_MAX)):
        yield Hit(source.kind, found, source.address.format(name=quote(found, safe="")))
