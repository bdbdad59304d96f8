"""The page of bills: one of them against what was measured, all of them, a form to import, names to tell, and posting."""

from collections.abc import Callable
from typing import Annotated, Literal

from fastapi import APIRouter, Form, Request
from fastapi import Query as Ask
from fastapi.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile

from trivet import db
from trivet.bill import later, posting, service
from trivet.bill.asked import Given, wanted_of
from trivet.console import files
from trivet.console.address import settle
from trivet.console.door import Looking, check_token
from trivet.console.money import bills_read as reading
from trivet.console.money.bills_read import Query, id_of
from trivet.console.pages import show
from trivet.console.places import check_role
from trivet.console.views import Reader
from trivet.kit.errors import Invalid, TrivetError

router = APIRouter()
PATH = "/bills"
LATER_BYTES = 2 << 20  # a larger file is read by a worker, as a job


class Posted(BaseModel):
    spread: Literal["apart", "use"] = "apart"
    csrf_token: str = Field(max_length=200)


class Named(BaseModel):
    name: str = Field(max_length=256)
    model: str = Field("", max_length=256)
    csrf_token: str = Field(max_length=200)


@router.get(PATH)
def bills_page(looking: Looking, query: Annotated[Query, Ask()]) -> HTMLResponse:
    """All bills, and one of them: the one asked for, else the newest that waits to be posted, else the newest."""
    return _shown(looking, query)


@router.get(f"{PATH}.csv")
def file(looking: Looking, query: Annotated[Query, Ask()]) -> StreamingResponse:
    """The same bill by day and model: billed, measured, the difference and its causes."""
    with db.transaction() as session:
        name, rows = reading.lines(session, query, settle(PATH, query, looking.now, looking.zone))
    return files.csv_answer(name, reading.COLUMNS, rows)


@router.get(f"{PATH}/list.csv")
def list_file(looking: Looking, query: Annotated[Query, Ask()]) -> StreamingResponse:
    """The list of bills, all pages of it."""
    with db.transaction() as session:
        rows = reading.list_lines(session, query, settle(PATH, query, looking.now, looking.zone))
    return files.csv_answer("bills", reading.LIST_COLUMNS, rows)


@router.get("/bills/{bill_id}")
def one_bill(looking: Looking, bill_id: str) -> Response:
    """The address that checks of a close name."""
    del looking
    return RedirectResponse(f"/bills?bill={bill_id if bill_id.isdecimal() else ''}", 303)


@router.post("/bills")
async def import_bill(request: Request, looking: Looking) -> Response:
    """The same import as over REST; a refusal comes back on the page."""
    _may_book(looking)  # before the file is taken
    async with request.form(max_files=2, max_fields=10) as form:
        return await run_in_threadpool(_import, looking, form)


@router.post("/bills/{bill_id}/post")
def post_bill(looking: Looking, bill_id: int, given: Annotated[Posted, Form()]) -> Response:
    """Post it, or again with another way to bear it."""
    _may(looking, given.csrf_token)

    def post(session: Session) -> str:
        service.find(session, id_of(str(bill_id)))
        return _at(posting.post(session, bill_id, spread=given.spread, actor=looking.email, now=looking.now).id)

    return _done(looking, post, str(bill_id))


@router.post("/bills/{bill_id}/names")
def say_name(looking: Looking, bill_id: int, given: Annotated[Named, Form()]) -> Response:
    """Say which model a name on the bill is; nothing: none of ours."""
    _may(looking, given.csrf_token)

    def tell(session: Session) -> str:
        bill = service.find(session, id_of(str(bill_id)))
        service.say_alias(
            session, provider=bill.provider, name=given.name, model=given.model.strip() or None, pool=None,
            actor=looking.email, now=looking.now,
        )  # fmt: skip
        return _at(bill.id)

    return _done(looking, tell, str(bill_id))


def _import(looking: Reader, form: FormData) -> Response:
    _may(looking, str(form.get("csrf_token", "")))
    file, usage = form.get("file"), form.get("usage")

    def bring(session: Session) -> str:
        if not isinstance(file, UploadFile) or not file.filename:
            raise Invalid("Choose the file of the bill.", field="file")
        beside = usage.file if isinstance(usage, UploadFile) and usage.filename else None
        replaces = str(form.get("replaces", "")).strip()
        given = Given(
            provider=str(form.get("provider", ""))[:256].strip(), zone=str(form.get("zone", ""))[:64].strip(),
            replaces=id_of(replaces) if replaces else None,
        )  # fmt: skip
        if (file.size or 0) > LATER_BYTES:
            begun = later.begin(session, file.file, beside, name=file.filename, given=given, actor=looking.email)
            return f"/jobs/{begun.id}"
        wanted = wanted_of(given, file.file, beside, file.filename)
        made = service.do_import(session, wanted, limits=later.limits(), actor=looking.email, now=looking.now)
        return _at(made.bills[0].id)

    return _done(looking, bring, "")


def _may_book(looking: Reader) -> None:
    check_role(looking.role, "Bills are for finance and admin", may=looking.may_book)


def _may(looking: Reader, token: str) -> None:
    _may_book(looking)
    check_token(looking, token)


def _at(bill_id: int) -> str:
    return f"{PATH}?bill={bill_id}"


def _done(looking: Reader, work: Callable[[Session], str], bill: str) -> Response:
    """Go on to where it leads, or say on the page why not."""
    try:
        with db.transaction() as session:
            where = work(session)
    except TrivetError as refused:
        return _shown(looking, Query(bill=bill), refused.detail, refused.status)
    return RedirectResponse(where, 303)


def _shown(looking: Reader, query: Query, problem: str = "", status: int = 200) -> HTMLResponse:
    address = settle(PATH, query, looking.now, looking.zone)
    with db.transaction() as session:
        return show("bills/page.html", reading.page(session, looking, query, address, problem), status=status)
