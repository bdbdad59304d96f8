"""The page of finance periods: which months are closed and at what, and the two steps of closing the next one."""

from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Literal

from fastapi import APIRouter, Form, Query
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet import db
from trivet.console.door import Looking, check_token
from trivet.console.money import periods_words as words
from trivet.console.money.periods_strip import draw
from trivet.console.money.periods_views import (
    AdjustmentRow,
    Chosen,
    Finding,
    MonthRow,
    MonthTable,
    PeriodsPage,
    Step,
)
from trivet.console.pages import show
from trivet.console.views import Reader
from trivet.identity.approval import same_person
from trivet.identity.models import User
from trivet.kit.body import NAME_MAX
from trivet.kit.errors import Forbidden, Invalid, TrivetError
from trivet.ledger import month as months
from trivet.ledger import period_checks, period_close, period_figures, period_list
from trivet.ledger.period_checks import Found
from trivet.ledger.period_figures import Figures
from trivet.ledger.period_list import Told
from trivet.ledger.periods import CLOSED, CLOSING
from trivet.settings import get_settings

router = APIRouter()
SHOWN = 24
NOTHING = "USD"  # the currency of a page on which nothing is booked


class Given(BaseModel):
    """What a form says."""

    reason: str = Field("", max_length=NAME_MAX)
    csrf_token: str = Field(max_length=200)


@router.get("/periods")
def periods_page(looking: Looking, month: Annotated[str, Query(max_length=7)] = "") -> HTMLResponse:
    """All months, and one of them: the one asked for, else the oldest that is not closed."""
    with db.transaction() as session:
        return show("periods/page.html", _page(session, looking, month))


@router.post("/periods/{month}/{step}")
def take_step(
    looking: Looking, month: str, step: Literal["request-close", "close", "cancel"], given: Annotated[Given, Form()]
) -> Response:
    """The same steps as over REST; a refusal comes back on the page."""
    if not looking.may_book:
        raise Forbidden(f"Closing is for finance and admin; you are {looking.role.replace('_', ' ')}.")
    check_token(looking, given.csrf_token)
    try:
        with db.transaction() as session:
            _do(session, looking, months.parsed(month), step, given.reason.strip())
    except TrivetError as refused:
        with db.transaction() as session:
            page = _page(session, looking, month, given.reason, refused.detail)
            return show("periods/page.html", page, status=refused.status)
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


def _page(session: Session, looking: Reader, asked_for: str, reason: str = "", problem: str = "") -> PeriodsPage:
    every = period_list.told(session, period_list.months(session, looking.now, SHOWN))
    names = _names(session, every)
    wanted = months.parsed(asked_for) if asked_for else _next(every)
    (chosen,) = period_list.told(session, [wanted])
    return PeriodsPage(
        reader=looking,
        sentence=_sentence(session, every, names, looking),
        tables=tuple(_tables(every, names, wanted, looking)),
        chosen=_chosen(session, looking, chosen, names, reason=reason, problem=problem),
        adjustments=tuple(
            AdjustmentRow(each.adjusts, each.period, each.postings, each.amount, each.currency)
            for each in period_figures.adjustments(session, wanted)
        ),
    )


def _next(every: list[Told]) -> str:
    """The oldest month that is not closed: what is to be closed next."""
    return min(told.month for told in every if told.state != CLOSED)


def _sentence(session: Session, every: list[Told], names: dict[str, str], looking: Reader) -> str:
    closed = [told for told in every if told.row and told.row.state == CLOSED]
    last = None
    if closed and closed[0].row and closed[0].row.closed_at:
        row = closed[0].row
        naming = [each for each in period_figures.adjustments(session, closed[0].month) if each.adjusts == row.month]
        by_currency: dict[str, Decimal] = {}
        for each in naming:
            by_currency[each.currency] = by_currency.get(each.currency, Decimal(0)) + each.amount
        periods = {each.period: each.postings for each in naming}
        last = words.Closed(
            row.month, row.closed_at or row.requested_at, words.person(row.closed_by or "", names), closed[0].totals,
            sum(periods.values()), by_currency,
        )  # fmt: skip
    still = [told for told in reversed(every) if told.state != CLOSED]
    asked = {
        told.month: words.person(told.row.requested_by, names) for told in still if told.row and told.state == CLOSING
    }
    return words.sentence(last, [told.month for told in still], asked, looking.zone)


def _tables(every: list[Told], names: dict[str, str], wanted: str, looking: Reader) -> list[MonthTable]:
    currencies = sorted({currency for told in every for currency in told.totals}) or [NOTHING]
    return [
        MonthTable(
            currency,
            draw(
                [(told.month, told.state, told.totals.get(currency, Decimal(0))) for told in reversed(every)], currency
            ),
            tuple(_row(told, currency, names, wanted, looking) for told in every),
        )
        for currency in currencies
    ]


def _row(told: Told, currency: str, names: dict[str, str], wanted: str, looking: Reader) -> MonthRow:
    figures = told.figures.get(currency, Figures())
    row = told.row
    closed = words.person(row.closed_by, names) if row and row.closed_by else ""
    asked = words.person(row.requested_by, names) if row and row.state != "open" else ""
    return MonthRow(
        told.month, words.month_words(told.month), told.state, told.totals.get(currency, Decimal(0)),
        figures.unattributed, figures.adjustments,
        words.by(closed, asked, row.closed_at if row else None, looking.zone), told.month == wanted,
    )  # fmt: skip


def _chosen(
    session: Session, looking: Reader, told: Told, names: dict[str, str], *, reason: str, problem: str
) -> Chosen:
    complete = looking.now - timedelta(seconds=get_settings().posting_grace_s)
    is_open = told.state != CLOSED
    obstacles = period_checks.obstacles(session, told.month, complete) if is_open else []
    warnings = period_checks.warnings(session, told.month, complete) if is_open else []
    row = told.row
    return Chosen(
        month=told.month,
        words=words.month_words(told.month),
        state=told.state,
        asked=f"{words.person(row.requested_by, names)}: {row.reason}" if row and row.state != "open" else "",
        obstacles=_findings(obstacles),
        warnings=_findings(warnings),
        steps=tuple(_steps(session, looking, told, ready=not obstacles)),
        hint=_hint(session, looking, told),
        hash=(row.balances_hash or "") if row else "",
        reason=reason,
        problem=problem,
    )


def _steps(session: Session, looking: Reader, told: Told, *, ready: bool) -> list[Step]:
    if not looking.may_book or told.state == CLOSED:
        return []
    if told.state != CLOSING:
        preview = words.request_preview(told.month, told.totals)
        return (
            [Step("request-close", f"Ask to close {words.month_words(told.month)}", preview, needs_reason=True)]
            if ready
            else []
        )
    found = [Step("cancel", "Take the request back", words.cancel_preview(told.month), needs_reason=True)]
    if ready and not _is_asker(session, looking, told):
        preview = words.close_preview(told.month, months.following(told.month), told.totals)
        found.insert(0, Step("close", f"Close {words.month_words(told.month)}", preview, needs_reason=False))
    return found


def _hint(session: Session, looking: Reader, told: Told) -> str:
    """Why a step that one might expect is not there."""
    if told.state == CLOSED:
        return "It is closed and stays closed: what comes late is an adjustment in an open month."
    if not looking.may_book:
        return "Finance and admin close months: one asks, a second one closes."
    if told.state == CLOSING and _is_asker(session, looking, told):
        return "You asked for it, or answer for the key that did: a second person has to close it."
    return "Closing takes two people: one asks, a second one closes. A key speaks for whoever made it."


def _is_asker(session: Session, looking: Reader, told: Told) -> bool:
    return told.row is not None and same_person(session, told.row.requested_by, looking.email) is not None


def _names(session: Session, every: list[Told]) -> dict[str, str]:
    actors = {actor for told in every if told.row for actor in (told.row.requested_by, told.row.closed_by) if actor}
    return dict(session.execute(select(User.email, User.name).where(User.email.in_(actors))).all())


def _findings(found: list[Found]) -> tuple[Finding, ...]:
    return tuple(Finding(each.name, each.detail, each.url) for each in found)
