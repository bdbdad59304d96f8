"""The routes of finance periods: months, the same as CSV, and the two steps of closing the next one."""

from typing import Annotated, Literal

from fastapi import APIRouter, Form
from fastapi import Query as Ask
from fastapi.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from trivet import db
from trivet.console import files
from trivet.console.address import settle
from trivet.console.door import Looking, check_token
from trivet.console.money import periods_read as reading
from trivet.console.money.periods_read import Query
from trivet.console.money.periods_words import month_words
from trivet.console.pages import show
from trivet.console.places import check_role
from trivet.console.tongue import _
from trivet.console.views import Reader
from trivet.kit.body import NAME_MAX
from trivet.kit.errors import Invalid, TrivetError
from trivet.ledger import month as months
from trivet.ledger import period_close
from trivet.ledger.period_close import NotReady
from trivet.settings import get_settings

router = APIRouter()
PATH = "/periods"


class Given(BaseModel):
    """What a form says."""

    reason: str = Field("", max_length=NAME_MAX)
    csrf_token: str = Field(max_length=200)


@router.get(PATH)
def periods_page(looking: Looking, query: Annotated[Query, Ask()]) -> HTMLResponse:
    """All months, and one of them: the one asked for, else the oldest that is not closed."""
    return _shown(looking, query)


@router.get(f"{PATH}.csv")
def file(looking: Looking, query: Annotated[Query, Ask()]) -> StreamingResponse:
    """The same months, all pages of them, a row for each currency."""
    with db.transaction() as session:
        rows = reading.lines(session, query, looking.now)
    return files.csv_answer("periods", reading.COLUMNS, rows)


@router.post("/periods/{month}/{step}")
def take_step(
    looking: Looking, month: str, step: Literal["request-close", "close", "cancel"], given: Annotated[Given, Form()]
) -> Response:
    """The same steps as over REST; a refusal comes back on the page."""
    check_role(looking.role, "Closing is for finance and admin", may=looking.may_book)
    check_token(looking, given.csrf_token)
    try:
        with db.transaction() as session:
            _do(session, looking, months.parsed(month), step, given.reason.strip())
    except NotReady as refused:  # the page itself says why
        problem = _("{month} cannot be closed yet.", month=month_words(month))
        return _shown(looking, Query(month=month), given.reason, problem, refused.status)
    except TrivetError as refused:
        return _shown(looking, Query(month=month), given.reason, refused.detail, refused.status)
    return RedirectResponse(f"/periods?month={month}", 303)


def _do(session: Session, looking: Reader, month: str, step: str, reason: str) -> None:
    who, grace_s = looking.email, get_settings().posting_grace_s
    if step == "close":
        period_close.close(session, month=month, actor=who, now=looking.now, grace_s=grace_s)
        return
    if not reason:
        raise Invalid("Say why: it stands in the audit beside your name.", field="reason")
    if step == "cancel":
        period_close.cancel(session, month=month, actor=who, reason=reason)
    else:
        period_close.request(session, month=month, reason=reason, actor=who, now=looking.now, grace_s=grace_s)


def _shown(looking: Reader, query: Query, reason: str = "", problem: str = "", status: int = 200) -> HTMLResponse:
    address = settle(PATH, query, looking.now, looking.zone)
    with db.transaction() as session:
        page = reading.page(session, looking, query, address, reason=reason, problem=problem)
    return show("periods/page.html", page, status=status)
