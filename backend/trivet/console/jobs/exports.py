"""The routes of exports: asking for a file, the files made lately, schedules made and ended."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated

from fastapi import APIRouter, Form, Path
from fastapi import Query as Ask
from fastapi.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from pydantic import Field

from trivet import db
from trivet.console import files
from trivet.console.address import settle
from trivet.console.door import Looking, check_token
from trivet.console.jobs import exports_read as reading
from trivet.console.jobs.exports_read import Asked, Query, Scheduled
from trivet.console.jobs.jobs import COLUMNS
from trivet.console.pages import show
from trivet.console.places import check_role
from trivet.console.views import Reader
from trivet.identity.auth import Principal
from trivet.job import api as jobs
from trivet.kit.errors import Invalid, TrivetError
from trivet.report import names
from trivet.report.files import later, make, schedules
from trivet.report.files.files_api import ExportQuery
from trivet.report.files.schedules import Wanted

router = APIRouter()
PATH = "/exports"
FOCUS = ("allocation", "supply")
Token = Annotated[str, Field(max_length=200)]


class AskedFor(Asked):
    csrf_token: Token


class ScheduledFor(Scheduled):
    csrf_token: Token


@router.get(PATH)
def page(looking: Looking, query: Annotated[Query, Ask()]) -> HTMLResponse:
    """A form, the files made lately, the schedules."""
    return _shown(looking, query)


@router.get(f"{PATH}.csv")
def file(looking: Looking, query: Annotated[Query, Ask()]) -> StreamingResponse:
    """The files made in the range, all pages of them."""
    address = settle(PATH, query, looking.now, looking.zone, default="30d")
    with db.transaction() as session:
        found = jobs.said(session, reading.listed(session, looking, query, address, files.ROWS_MAX))
    return files.csv_answer("exports", COLUMNS, [[each[column.name] for column in COLUMNS] for each in found])


@router.post(PATH)
def begin(looking: Looking, asked: Annotated[AskedFor, Form()]) -> Response:
    """Ask for a file, and look how far it is."""
    check_token(looking, asked.csrf_token)
    asker = Principal(looking.email, frozenset({"read"}), looking.tenant_id)
    try:
        with db.transaction() as session:
            job_id = later.begin(session, asked.file, wanted(asked), asker).id
    except TrivetError as refused:
        return _shown(looking, Query(), asked=asked, problem=refused.detail, status=refused.status)
    return RedirectResponse(f"/jobs/{job_id}", 303)


@router.post(f"{PATH}/schedules")
def make_schedule(looking: Looking, asked: Annotated[ScheduledFor, Form()]) -> Response:
    """Make a schedule, the same as over REST."""
    _may(looking, asked.csrf_token)
    try:
        with db.transaction() as session:
            schedules.create(session, scheduled(asked), actor=looking.email)
    except TrivetError as refused:
        return _shown(looking, Query(), scheduled=asked, problem=refused.detail, status=refused.status)
    return RedirectResponse(f"{PATH}#schedules", 303)


@router.post(f"{PATH}/schedules/{{schedule_id}}/end")
def end_schedule(
    looking: Looking,
    schedule_id: Annotated[int, Path(ge=1, lt=2**31)],
    csrf_token: Annotated[str, Form(max_length=200)],
) -> Response:
    """No more of it."""
    _may(looking, csrf_token)
    with db.transaction() as session:
        schedules.end(session, schedule_id, actor=looking.email, now=looking.now)
    return RedirectResponse(f"{PATH}#schedules", 303)


def wanted(asked: Asked) -> ExportQuery:
    """What a form asks for, as the API would be asked; days are UTC days, the last one included."""
    kind, _ = later.split(asked.file)
    since, until = _day(asked.since, "since"), _day(asked.until, "until")
    if until < since:
        raise Invalid("The last day lies before the first.", field="until")
    given: dict[str, object] = {"from": _begins(since), "to": _begins(until + timedelta(days=1))}
    if kind == "statement":
        given = {"month": f"{since:%Y-%m}", "cost_centre": [asked.cost_centre] if asked.cost_centre else []}
    elif kind in FOCUS:
        given |= {"grain": asked.grain if asked.grain in ("1h", "1d") else None} | (
            {"focus_version": asked.focus_version} if asked.focus_version else {}
        )
    else:
        told_by = kind == "costs" or not set(asked.by.split(",")) - set(names.USAGE_BY)  # usage knows no cost centre
        given |= {"group_by": asked.by if told_by else make.GROUP_BY[kind], "grain": asked.grain or None}
        given |= {"cost_centre": [asked.cost_centre]} if asked.cost_centre and kind == "costs" else {}
    return ExportQuery.model_validate(given)


def scheduled(asked: Scheduled) -> Wanted:
    """What a form asks for, as the service takes it. Nobody named: the owners."""
    kind, form = later.split(asked.file)
    to = tuple(asked.to.replace(",", " ").split())
    of = asked.cost_centre.strip()
    if not asked.name.strip():
        raise Invalid("Give the schedule a name: mails carry it.", field="name")
    return Wanted(
        asked.name.strip(), kind, form, asked.every, asked.at, asked.zone, to,
        asked.by if kind in make.GROUP_BY else "", of if kind == "statement" else "",
        {"cost_centre": [of]} if of and kind != "statement" else {},
    )  # fmt: skip


def _day(text: str, field: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as wrong:
        raise Invalid("Write the day such as 2026-11-01.", field=field) from wrong


def _begins(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _may(looking: Reader, token: str) -> None:
    check_role(looking.role, "Schedules are for finance and admin", may=looking.may_book and looking.tenant_id is None)
    check_token(looking, token)


def _shown(
    looking: Reader,
    query: Query,
    *,
    asked: Asked | None = None,
    scheduled: Scheduled | None = None,
    problem: str = "",
    status: int = 200,
) -> HTMLResponse:
    address = settle(PATH, query, looking.now, looking.zone, default="30d")
    with db.transaction() as session:
        made = reading.page(session, looking, query, address, asked=asked, scheduled=scheduled, problem=problem)
    return show("exports/page.html", made, status=status)
