"""The routes of the price book: what has no price, what holds on a day, how one came to be, each as CSV too; one or a list to enter."""

from typing import Annotated

from fastapi import APIRouter
from fastapi import Query as Ask
from fastapi.responses import HTMLResponse, StreamingResponse

from trivet import db
from trivet.console import files
from trivet.console.address import settle
from trivet.console.door import Looking
from trivet.console.money import prices_enter, prices_import
from trivet.console.money import prices_read as reading
from trivet.console.money.prices_read import Query
from trivet.console.pages import show
from trivet.kit.body import Asked
from trivet.pricing.book import Key

router = APIRouter()
router.include_router(prices_import.router)
router.include_router(prices_enter.router)
PATH = "/prices"


@router.get(PATH)
def page_of_prices(looking: Looking, query: Annotated[Query, Ask()]) -> HTMLResponse:
    """Gaps first, then what holds; on another day where the address names one."""
    address = settle(PATH, query, looking.now, looking.zone)
    with db.transaction() as session:
        return show("prices/list.html", reading.page(session, looking, query, address))


@router.get(f"{PATH}.csv")
def file(looking: Looking, query: Annotated[Query, Ask()]) -> StreamingResponse:
    """The same prices, all pages of them."""
    with db.transaction() as session:
        rows = reading.lines(session, query, reading.at_of(query, looking.now, looking.zone))
    return files.csv_answer("prices", reading.COLUMNS, rows)


@router.get(f"{PATH}/one")
def page_of_one(
    looking: Looking,
    provider: Annotated[Asked, Ask()],
    model: Annotated[Asked, Ask()],
    pool: Annotated[Asked, Ask()] = "",
    tier: Annotated[Asked, Ask()] = "",
) -> HTMLResponse:
    """One price over time."""
    with db.transaction() as session:
        return show("prices/history.html", reading.one(session, looking, Key(provider, model, pool, tier)))


@router.get(f"{PATH}/one.csv")
def file_of_one(
    looking: Looking,
    provider: Annotated[Asked, Ask()],
    model: Annotated[Asked, Ask()],
    pool: Annotated[Asked, Ask()] = "",
    tier: Annotated[Asked, Ask()] = "",
) -> StreamingResponse:
    """Every dated row of one price."""
    del looking
    with db.transaction() as session:
        rows = reading.one_lines(session, Key(provider, model, pool, tier))
    return files.csv_answer("price", reading.COLUMNS, rows)
