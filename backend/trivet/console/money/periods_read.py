"""Finance periods as the page and its file show them: months with their state, one of them with what it needs."""

from datetime import datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Annotated, Any

from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet.console.address import Address, Link, Times, name_after
from trivet.console.money import periods_found as finding
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
from trivet.console.tongue import _
from trivet.console.views import Reader
from trivet.identity.approval import same_person
from trivet.identity.models import User
from trivet.kit.clock import rfc3339
from trivet.kit.interval import month_of
from trivet.kit.page import to_cursor
from trivet.ledger import month as months
from trivet.ledger import period_checks, period_figures, period_list
from trivet.ledger.period_checks import Found
from trivet.ledger.period_figures import Figures
from trivet.ledger.period_list import Told
from trivet.ledger.periods import CLOSED, CLOSING
from trivet.report.files.table import Column
from trivet.settings import get_settings

SHOWN = 24
FILE_MAX = 240
NOTHING = "USD"  # the currency of a page on which nothing is booked
COLUMNS = (
    Column("month"), Column("state"), Column("total", "money"), Column("unattributed", "money"),
    Column("adjustments", "money"), Column("currency"), Column("requested_by"), Column("closed_by"), Column("closed_at"),
    Column("balances_hash"),
)  # fmt: skip


class Query(Times):
    """Which month is shown whole, whether all or those of a state, and from where the list goes on."""

    month: Annotated[str, Field(max_length=7)] = ""
    state: Annotated[str, Field(max_length=10)] = ""
    cursor: Annotated[str, Field(max_length=100)] = ""


def lines(session: Session, query: Query, now: datetime) -> list[tuple[Any, ...]]:
    """Months as a file has them, a row for each currency: the figures that the API answers."""
    found = _of_state(
        period_list.told(session, period_list.months(session, now, FILE_MAX, name_after(query.cursor))), query
    )
    return [_line(told, currency) for told in found for currency in sorted(told.totals) or [NOTHING]]


def _line(told: Told, currency: str) -> tuple[Any, ...]:
    of, row = told.figures.get(currency, Figures()), told.row
    return (
        told.month, told.state, told.totals.get(currency, Decimal(0)), of.unattributed, of.adjustments, currency,
        row.requested_by if row else None, row.closed_by if row else None,
        rfc3339(row.closed_at) if row and row.closed_at else None, row.balances_hash if row else None,
    )  # fmt: skip


def _of_state(found: list[Told], query: Query) -> list[Told]:
    return [told for told in found if told.state == query.state] if query.state in words.STATES else found


def page(
    session: Session, looking: Reader, query: Query, address: Address, *, reason: str = "", problem: str = ""
) -> PeriodsPage:
    """The page; `reason` is what was written in a form that was refused, for `problem`."""
    found = period_list.told(session, period_list.months(session, looking.now, SHOWN + 1, name_after(query.cursor)))
    every, more = found[:SHOWN], len(found) > SHOWN
    names = _names(session, every)
    wanted = months.parsed(query.month) if query.month else _next(every, looking.now)
    (chosen,) = period_list.told(session, [wanted])
    return PeriodsPage(
        reader=looking,
        sentence=_sentence(session, every, names, looking),
        address=address,
        states=address.choices("state", words.STATES, query.state),
        chips=(Link(words.month_words(wanted), address.url(month="")),) if query.month else (),
        tables=tuple(_tables(_of_state(every, query), names, wanted, looking, address)),
        next_url=address.url(cursor=to_cursor([every[-1].month])) if more else "",
        chosen=_chosen(session, looking, chosen, names, reason=reason, problem=problem),
        adjustments=tuple(
            AdjustmentRow(each.adjusts, each.period, each.postings, each.amount, each.currency)
            for each in period_figures.adjustments(session, wanted)
        ),
    )


def _next(every: list[Told], now: datetime) -> str:
    """The oldest month that is not closed: what is to be closed next."""
    return min((told.month for told in every if told.state != CLOSED), default=month_of(now))


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


def _tables(
    every: list[Told], names: dict[str, str], wanted: str, looking: Reader, address: Address
) -> list[MonthTable]:
    currencies = sorted({currency for told in every for currency in told.totals}) or [NOTHING]
    return [
        MonthTable(
            currency,
            draw(
                [(told.month, told.state, told.totals.get(currency, Decimal(0))) for told in reversed(every)], currency
            ),
            tuple(
                _row(told, currency, names, looking, address.url(month=told.month), chosen=told.month == wanted)
                for told in every
            ),
        )
        for currency in currencies
    ]


def _row(told: Told, currency: str, names: dict[str, str], looking: Reader, url: str, *, chosen: bool) -> MonthRow:
    figures = told.figures.get(currency, Figures())
    row = told.row
    closed = words.person(row.closed_by, names) if row and row.closed_by else ""
    asked = words.person(row.requested_by, names) if row and row.state != "open" else ""
    return MonthRow(
        told.month, words.month_words(told.month), told.state, told.totals.get(currency, Decimal(0)),
        figures.unattributed, figures.adjustments,
        words.by(closed, asked, row.closed_at if row else None, looking.zone), chosen, url,
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
        obstacles=_findings(obstacles, looking.zone),
        warnings=_findings(warnings, looking.zone),
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
            [
                Step(
                    "request-close",
                    _("Ask to close {month}", month=words.month_words(told.month)),
                    preview,
                    needs_reason=True,
                )
            ]
            if ready
            else []
        )
    found = [Step("cancel", _("Take the request back"), words.cancel_preview(told.month), needs_reason=True)]
    if ready and not _is_asker(session, looking, told):
        preview = words.close_preview(told.month, months.following(told.month), told.totals)
        found.insert(
            0, Step("close", _("Close {month}", month=words.month_words(told.month)), preview, needs_reason=False)
        )
    return found


def _hint(session: Session, looking: Reader, told: Told) -> str:
    """Why a step that one might expect is not there."""
    if told.state == CLOSED:
        return _("It is closed and stays closed: what comes late is an adjustment in an open month.")
    if not looking.may_book:
        return _("Finance and admin close months: one asks, a second one closes.")
    if told.state == CLOSING and _is_asker(session, looking, told):
        return _("You asked for it, or answer for the key that did: a second person has to close it.")
    return _("Closing takes two people: one asks, a second one closes. A key speaks for whoever made it.")


def _is_asker(session: Session, looking: Reader, told: Told) -> bool:
    return told.row is not None and same_person(session, told.row.requested_by, looking.email) is not None


def _names(session: Session, every: list[Told]) -> dict[str, str]:
    actors = {actor for told in every if told.row for actor in (told.row.requested_by, told.row.closed_by) if actor}
    return dict(session.execute(select(User.email, User.name).where(User.email.in_(actors))).all())


def _findings(found: list[Found], zone: tzinfo) -> tuple[Finding, ...]:
    return tuple(Finding(finding.name(each), finding.detail(each, zone), each.url) for each in found)
