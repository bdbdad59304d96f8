"""The page of statements: a cost centre's month as it is signed, its files, what goes out by itself and how it got there."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Path, Query
from fastapi.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet import db
from trivet.console.door import Looking, check_token
from trivet.console.files import csv_answer
from trivet.console.money import statements_words as words
from trivet.console.money.costs_words import called
from trivet.console.money.statements_bars import draw
from trivet.console.money.statements_views import (
    Amount,
    CurrencyPart,
    File,
    LineRow,
    MessageRow,
    ScheduleForm,
    ScheduleRow,
    StatementsPage,
)
from trivet.console.pages import show
from trivet.console.places import check_role
from trivet.console.tongue import _
from trivet.console.views import Choice, Reader
from trivet.kit.body import NAME_MAX
from trivet.kit.clock import rfc3339
from trivet.kit.errors import TrivetError
from trivet.kit.money import EXACT
from trivet.ledger import periods
from trivet.notify import service as notify
from trivet.notify.models import Message
from trivet.report import names
from trivet.report.files import ask, make, schedules, statement, statement_words
from trivet.report.files.schedule_models import ReportRun, ReportSchedule
from trivet.report.files.statement import Line, Section, Statement
from trivet.report.files.table import Column
from trivet.settings import get_settings
from trivet.tenant.models import CostCentre

router = APIRouter()
LINES_MAX = 200
CENTRES_MAX = 1_000
MESSAGES_SHOWN = 20
FILED = (
    Column("cost_centre"), Column("tenant"), Column("model"), Column("adjusts"), Column("amount", "money"),
    Column("tokens", "count"), Column("per_million_tokens", "money"), Column("currency"),
)  # fmt: skip
SCHEDULES_SHOWN = 50


class Wanted(BaseModel):
    """What the form of a schedule says. `to` is addresses apart by commas, or nothing for the owners."""

    name: str = Field("", max_length=NAME_MAX)
    kind: str = Field(max_length=40)
    every: Literal["day", "week", "month"]
    at: str = Field(max_length=5)
    zone: str = Field(max_length=64)
    to: str = Field("", max_length=5_000)
    csrf_token: str = Field(max_length=200)


class Token(BaseModel):
    """A button."""

    csrf_token: str = Field(max_length=200)


@router.get("/statements")
def statements_page(
    looking: Looking,
    cost_centre: Annotated[str, Query(max_length=NAME_MAX)] = "",
    month: Annotated[str, Query(max_length=7)] = "",
) -> HTMLResponse:
    """The statement asked for; else the first cost centre's, of the newest closed month."""
    return _shown(looking, cost_centre, month)


@router.get("/statements.csv")
def statements_csv(
    looking: Looking,
    cost_centre: Annotated[str, Query(max_length=NAME_MAX)] = "",
    month: Annotated[str, Query(max_length=7)] = "",
) -> StreamingResponse:
    """The lines of the statement as shown, and what adjusts months that were closed before; every currency."""
    with db.transaction() as session:
        ask.one_moment(session)
        _known, _states, told = _chosen(session, looking, cost_centre, month)
    return csv_answer("statement", FILED, _rows(told) if told else [])


@router.post("/statements/schedules")
def make_schedule(looking: Looking, wanted: Annotated[Wanted, Form()]) -> Response:
    """The same as over REST; a refusal comes back at the form."""
    _may(looking)
    check_token(looking, wanted.csrf_token)
    kind, _, form = wanted.kind.partition(".")
    to = tuple(each.strip() for each in wanted.to.split(",") if each.strip())
    try:
        with db.transaction() as session:
            schedules.create(
                session,
                schedules.Wanted(
                    wanted.name.strip() or wanted.kind, kind, form, wanted.every, wanted.at, wanted.zone, to,
                    make.GROUP_BY.get(kind, ""),
                ),
                actor=looking.email,
            )  # fmt: skip
    except TrivetError as refused:
        typed = ScheduleForm(
            refused.detail, wanted.name, wanted.kind, wanted.every, wanted.at, wanted.zone, wanted.to
        )  # fmt: skip
        return _shown(looking, "", "", typed, refused.status)
    return RedirectResponse("/statements#schedules", 303)


@router.post("/statements/schedules/{schedule_id}/end")
def end_schedule(
    looking: Looking, schedule_id: Annotated[int, Path(ge=1, lt=2**31)], given: Annotated[Token, Form()]
) -> Response:
    """No more of it."""
    _may(looking)
    check_token(looking, given.csrf_token)
    with db.transaction() as session:
        schedules.end(session, schedule_id, actor=looking.email, now=looking.now)
    return RedirectResponse("/statements#schedules", 303)


@router.post("/statements/messages/test")
def test_message(looking: Looking, given: Annotated[Token, Form()]) -> Response:
    """A message to whoever asks, that shows whether mail arrives."""
    _may(looking)
    check_token(looking, given.csrf_token)
    with db.transaction() as session:
        notify.enqueue_test(session, to=[looking.email], actor=looking.email, now=looking.now)
    return RedirectResponse("/statements#messages", 303)


def _may(looking: Reader) -> None:
    check_role(looking.role, "Schedules and mail are for finance and admin", may=looking.may_book)


def _shown(
    looking: Reader, centre: str, month: str, form: ScheduleForm | None = None, status: int = 200
) -> HTMLResponse:
    with db.transaction() as session:
        ask.one_moment(session)
        return show("statements/page.html", _page(session, looking, centre, month, form), status=status)


def _page(session: Session, looking: Reader, centre: str, month: str, form: ScheduleForm | None) -> StatementsPage:
    centres, states, told = _chosen(session, looking, centre, month)
    whose, chosen = (told.centre, told.month) if told else ("", next(iter(states)))
    named = replace(told, centre=called("cost_centre", told.centre)) if told else None
    return StatementsPage(
        reader=looking,
        sentence=statement_words.sentence(named, words.SPOKEN) if named else _(words.NOBODY),
        standing=statement_words.standing(named, words.SPOKEN) if named else "",
        csv_url=f"/statements.csv?{urlencode({'cost_centre': told.centre, 'month': told.month})}" if told else "",
        centres=tuple(Choice(name, called("cost_centre", name), "", name == whose) for name in centres) if told else (),
        months=tuple(
            Choice(each, words.choice_of(each, state), "", each == chosen)
            for each, state in ({chosen: periods.state(session, chosen)} | states).items()
        ),
        parts=tuple(_part(section) for section in told.sections) if told else (),
        notes=tuple(statement_words.notes(named, words.SPOKEN)) if named else (),
        files=_files(told) if told else (),
        schedules=_schedules(session) if looking.may_book else (),
        form=form or ScheduleForm(zone=str(looking.zone)),
        kinds=tuple((key, _(said)) for key, said in words.KINDS.items()),
        messages=_messages(session) if looking.may_book else (),
        has_channel=bool(get_settings().smtp_host and get_settings().smtp_from),
    )


def _chosen(
    session: Session, looking: Reader, centre: str, month: str
) -> tuple[list[str], dict[str, str], Statement | None]:
    """Cost centres, months with their states, and the statement asked for (None where there is no cost centre)."""
    known = list(session.scalars(select(CostCentre.name).order_by(CostCentre.name).limit(CENTRES_MAX)))
    centres = [*known, names.said("cost_centre", None)]
    states = {each: periods.state(session, each) for each in words.months(looking.now)}
    chosen = month or next((each for each, state in states.items() if state == periods.CLOSED), next(iter(states)))
    return centres, states, statement.read(session, centre or centres[0], chosen) if known or centre else None


def _rows(told: Statement) -> Iterator[Sequence[Any]]:
    for section in told.sections:
        for line in section.lines:
            yield (
                line.centre,
                line.tenant,
                line.model,
                None,
                line.amount,
                line.tokens,
                line.per_million,
                section.currency,
            )
        for month, amount in section.adjustments:
            yield told.centre, None, None, month, amount, None, None, section.currency


def _part(section: Section) -> CurrencyPart:
    before = statement_words.beside(section, words.SPOKEN)
    booked = [Amount(_(kind), amount) for kind, amount in section.kinds]
    booked.append(Amount(_("Use of the month"), section.use, strong=True))
    booked += [
        Amount(_("Adjusts {month}", month=words.SPOKEN.of_month(month)), amount)
        for month, amount in section.adjustments
    ]
    booked.append(Amount(_("Total"), section.total, strong=True))
    booked.append(Amount(_("Use of {before}", before=before), section.before))
    if section.budget is not None:
        booked.append(Amount(_("Budget of the month"), section.budget))
    why = [(_(statement_words.WHY.get(name, name)).capitalize(), part) for name, part in section.why.items() if part]
    shown = section.lines[:LINES_MAX]
    return CurrencyPart(
        currency=section.currency,
        bars=draw(section.days, section.currency),
        booked=tuple(booked),
        why=tuple(Amount(name, part) for name, part in why) if section.before else (),
        change=EXACT.subtract(section.use, section.before),
        beside=before,
        lines=tuple(map(_line, shown)),
        left_out=len(section.lines) - len(shown),
    )


def _line(line: Line) -> LineRow:
    centre, tenant = called("cost_centre", line.centre), called("tenant", line.tenant)
    return LineRow(centre, tenant, called("model", line.model), line.amount, line.tokens, line.per_million)


def _files(told: Statement) -> tuple[File, ...]:
    """Downloads of what is shown, as the same question: what is booked in the month, of it and of those it adjusts."""
    adjusted = [month for section in told.sections for month, _ in section.adjustments]
    month = statement.month_interval(told.month)
    own = {
        "cost_centre": told.centre, "period": told.month,
        "from": rfc3339(statement.month_interval(min([*adjusted, told.month])).start), "to": rfc3339(month.end),
    }  # fmt: skip
    lines = urlencode(own | {"group_by": "cost_centre,tenant,model,account"})
    address = "/api/v1/exports/"
    return (
        File("PDF", f"{address}statement.pdf?{urlencode({'cost_centre': told.centre, 'month': told.month})}"),
        File("CSV", f"{address}costs.csv?{lines}"),
        File(_("Workbook"), f"{address}costs.xlsx?{lines}"),
        File(_("FOCUS allocation"), f"{address}allocation.focus.csv?{urlencode(own)}"),
    )


def _schedules(session: Session) -> tuple[ScheduleRow, ...]:
    running = select(ReportSchedule).where(ReportSchedule.ended_at.is_(None)).order_by(ReportSchedule.id)
    rows = []
    for row in session.scalars(running.limit(SCHEDULES_SHOWN)):
        newest = select(ReportRun).where(ReportRun.schedule_id == row.id).order_by(ReportRun.due_at.desc()).limit(1)
        run = session.scalar(newest)
        state = {"mailed": "effective", "failed": "expired"}[run.state] if run else "pending"
        what = _(words.KINDS.get(f"{row.kind}.{row.form}", f"{row.kind}.{row.form}"))
        rows.append(ScheduleRow(row.id, row.name, what, words.when(row), words.to(row), state, words.last(run)))
    return tuple(rows)


def _messages(session: Session) -> tuple[MessageRow, ...]:
    newest = select(Message).order_by(Message.id.desc()).limit(MESSAGES_SHOWN)
    return tuple(
        MessageRow(
            row.subject, ", ".join(row.to), words.STATES[row.state], _(words.SAID[row.state]), row.last_error, row.created_at
        )
        for row in session.scalars(newest)
    )  # fmt: skip
