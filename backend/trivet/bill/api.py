"""Bills over REST."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import IO, Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field
from sqlalchemy import select
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from trivet import db
from trivet.bill import answers, check, later, matching, own_formats, posting, service
from trivet.bill.asked import Given, wanted_of
from trivet.bill.later import limits
from trivet.bill.models import Bill, BillAlias, BillLine
from trivet.bill.read.formats import formats
from trivet.identity.auth import Principal, platform
from trivet.job import api as jobs
from trivet.kit.answer import answers as shaped
from trivet.kit.body import Asked, Body, Name
from trivet.kit.clock import utc_now
from trivet.kit.errors import Invalid
from trivet.kit.page import INT4, from_cursor, page

router = APIRouter(tags=["bill"])
check.register()
Read = Annotated[Principal, Depends(platform("read"))]
Write = Annotated[Principal, Depends(platform("admin", "finance"))]
Limit = Annotated[int, Query(ge=1, le=500)]
HELD_IN_MEMORY = 1 << 20
FIELDS_MAX = 20


class Posted(Body):
    """How the differences are borne: kept `apart`, or spread by `use` over who used the provider's model that day."""

    spread: Literal["apart", "use"] = "apart"


class NewAlias(Body):
    """What a name on a provider's bills is: a model as its calls name it, or a pool. Neither: none of ours."""

    provider: Name
    name: Name
    model: Name | None = None
    pool: Name | None = None


class NewFormat(Body):
    """Columns of somebody's own CSV, kept by name: date, model, amount, currency, and perhaps others."""

    name: Name
    columns: dict[str, Annotated[str, Field(max_length=256)]] = Field(max_length=20)


class GivenOver(Given):
    """`later`: it is read by a worker, as a job."""

    later: bool = False


@router.post("/bills", status_code=201)
async def import_bill(
    request: Request, response: Response, principal: Write, given: Annotated[GivenOver, Query()]
) -> dict[str, Any]:
    """A file, as the body or as `file` of a form (with `usage` beside it). What to do with it stands in the address.

    Answers `{"new", "bills": [...]}`: one for each provider and currency in it. A file imported before answers the bills
    that it made then. With `later` it answers 202 and a job.
    """
    async with _files(request) as (file, usage, name):
        if given.later:
            response.status_code = 202
            return await run_in_threadpool(_begin, file, usage, given.file_name or name, given, principal.actor)
        return await run_in_threadpool(_import, file, usage, given.file_name or name, given, principal.actor)


def _begin(file: IO[bytes], usage: IO[bytes] | None, name: str, given: Given, actor: str) -> dict[str, Any]:
    with db.transaction() as session:
        return jobs.said(session, [later.begin(session, file, usage, name=name, given=given, actor=actor)])[0]


def _import(file: IO[bytes], usage: IO[bytes] | None, name: str, given: Given, actor: str) -> dict[str, Any]:
    with db.transaction() as session:
        wanted = wanted_of(given, file, usage, name)
        made = service.do_import(session, wanted, limits=limits(), actor=actor, now=utc_now())
        return {"new": made.new, "bills": [answers.whole(session, bill) for bill in made.bills]}


@asynccontextmanager
async def _files(request: Request) -> AsyncIterator[tuple[IO[bytes], IO[bytes] | None, str]]:
    if request.headers.get("content-type", "").startswith("multipart/form-data"):
        async with request.form(max_files=2, max_fields=FIELDS_MAX) as form:
            file, usage = form.get("file"), form.get("usage")
            if not isinstance(file, UploadFile):
                raise Invalid("The form has no file in its field `file`.", field="file")
            yield file.file, usage.file if isinstance(usage, UploadFile) else None, (file.filename or "upload")
        return
    with tempfile.SpooledTemporaryFile(HELD_IN_MEMORY) as kept:
        async for data in request.stream():
            await run_in_threadpool(kept.write, data)
        kept.seek(0)
        yield kept, None, "upload"


@router.get("/bills", response_model=None, responses=shaped(answers.Bills))
def list_bills(
    _: Read,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    cursor: str | None = None,
    provider: Asked | None = None,
    state: Asked | None = None,
) -> dict[str, Any]:
    """The newest first. Replaced ones are among them."""
    query = select(Bill).order_by(Bill.id.desc()).limit(limit + 1)
    if cursor:
        query = query.where(Bill.id < from_cursor(cursor, INT4)[0])
    if provider:
        query = query.where(Bill.provider == provider)
    if state:
        query = query.where(Bill.state == state)
    with db.transaction() as session:
        items = [_one(session, bill) for bill in session.scalars(query)]
    return page(items, limit, lambda item: [item["id"]])


def _one(session: Any, bill: Bill) -> dict[str, Any]:
    return answers.one(bill, answers.told(bill, answers.rows_of(session, bill.id)))


@router.get("/bill-formats")
def list_formats(_: Read) -> dict[str, Any]:
    """Formats that are known, with what each is based on and how sure that is, and those that people described."""
    known = [
        {"name": f.name, "title": f.title, "based_on": f.based_on, "evidence": f.evidence} for f in formats().values()
    ]
    with db.transaction() as session:
        own = [{"name": f.name, "columns": f.columns, "author": f.author} for f in own_formats.listed(session)]
    return {"known": known, "own": own}


@router.post("/bill-formats", status_code=201)
def add_format(body: NewFormat, principal: Write) -> dict[str, Any]:
    """Describe a CSV of your own; imports name it as their `format`."""
    with db.transaction() as session:
        own_formats.find(session, body.name, body.columns, principal.actor)
    return {"name": body.name, "columns": body.columns}


@router.get("/bills/{bill_id}", response_model=None, responses=shaped(answers.WholeBill))
def get_bill(_: Read, bill_id: int) -> dict[str, Any]:
    """A bill against what was measured, by cause and by day and model."""
    with db.transaction() as session:
        return answers.whole(session, service.find(session, _in_range(bill_id)))


@router.get("/bills/{bill_id}/lines", response_model=None, responses=shaped(answers.Lines))
def list_lines(
    _: Read,
    bill_id: int,
    state: Literal["", "matched", "unknown", "unnamed"] = "",
    limit: Limit = 100,
    cursor: str | None = None,
) -> dict[str, Any]:
    """Lines in the order of the file. `matched` to a model or pool, of an `unknown` name, or `unnamed`: of none."""
    key = (BillLine.file, BillLine.number, BillLine.part)
    query = select(BillLine, BillAlias).outerjoin(BillAlias, BillAlias.id == BillLine.alias_id)
    query = query.where(BillLine.bill_id == _in_range(bill_id)).order_by(*key).limit(limit + 1)
    known = BillAlias.model_id.is_not(None) | BillAlias.pool_id.is_not(None)
    where = {"matched": known, "unknown": BillAlias.id.is_not(None) & ~known, "unnamed": BillAlias.id.is_(None)}
    if state:
        query = query.where(where[state])
    if cursor:
        file, number, part = from_cursor(cursor, INT4, INT4, INT4)
        query = query.where(_after(file, number, part))
    with db.transaction() as session:
        service.find(session, _in_range(bill_id))
        rows = session.execute(query).all()
        named = answers.targets(session, [alias for _, alias in rows if alias])
        items = [
            answers.line(line, alias, next(filter(None, named[alias.id]), None) if alias else None)
            for line, alias in rows
        ]
    return page(items, limit, lambda item: [item["file"], item["number"], item["part"]])


def _after(file: int, number: int, part: int) -> Any:
    in_file = (BillLine.number > number) | ((BillLine.number == number) & (BillLine.part > part))
    return (BillLine.file > file) | ((BillLine.file == file) & in_file)


@router.post("/bills/{bill_id}/match")
def match_bill(bill_id: int, principal: Write) -> dict[str, Any]:
    """Compare it anew with what is measured and priced by now. Nothing is posted."""
    del principal  # who may; the comparison is nobody's change
    with db.transaction() as session:
        bill = service.find(session, _in_range(bill_id), lock=True)
        matching.run(session, bill, utc_now())
        return answers.whole(session, bill)


@router.post("/bills/{bill_id}/post")
def post_bill(bill_id: int, body: Posted, principal: Write) -> dict[str, Any]:
    """Post each day's difference to `bill_variance` against `supply.bill`. Posted twice is posted once."""
    with db.transaction() as session:
        service.find(session, _in_range(bill_id))
        bill = posting.post(session, bill_id, spread=body.spread, actor=principal.actor, now=utc_now())
        return answers.whole(session, bill)


@router.post("/bill-aliases", status_code=201)
def say_alias(body: NewAlias, principal: Write) -> dict[str, Any]:
    """Say which model, or which pool, a name on a provider's bills is."""
    with db.transaction() as session:
        row = service.say_alias(
            session, provider=body.provider, name=body.name, model=body.model, pool=body.pool, actor=principal.actor,
            now=utc_now(),
        )  # fmt: skip
        return answers.alias(row, *answers.targets(session, [row])[row.id])


@router.get("/bill-aliases", response_model=None, responses=shaped(answers.Aliases))
def list_aliases(
    _: Read, limit: Limit = 100, cursor: str | None = None, provider: Asked | None = None
) -> dict[str, Any]:
    """Names on bills and what each is, guesses with their rule."""
    query = select(BillAlias).order_by(BillAlias.id).limit(limit + 1)
    if cursor:
        query = query.where(BillAlias.id > from_cursor(cursor, INT4)[0])
    if provider:
        query = query.where(BillAlias.provider == provider)
    with db.transaction() as session:
        rows = session.scalars(query).all()
        named = answers.targets(session, rows)
    return page([answers.alias(row, *named[row.id]) for row in rows], limit, lambda item: [item["id"]])


def _in_range(bill_id: int) -> int:
    return bill_id if bill_id in INT4 else 0
