"""Finance periods over REST: which months are open, what stands in the way, ask, close, take back."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query
from pydantic import Field
from sqlalchemy.orm import Session

from trivet import db
from trivet.identity.auth import Principal, platform
from trivet.kit.answer import Amount, Answer, Page, answers
from trivet.kit.body import Body, Name
from trivet.kit.clock import rfc3339, utc_now
from trivet.kit.money import money
from trivet.kit.page import from_cursor, page
from trivet.ledger import month as months
from trivet.ledger import period_checks, period_close, period_figures, period_list
from trivet.ledger.period_checks import Found
from trivet.ledger.period_figures import Adjustment
from trivet.ledger.period_list import Told
from trivet.ledger.periods import CLOSED
from trivet.settings import get_settings

router = APIRouter(tags=["periods"])
Read = Annotated[Principal, Depends(platform("read"))]
Write = Annotated[Principal, Depends(platform("admin", "finance"))]
Month = Annotated[str, Path(description="A UTC month: 2026-10.", max_length=7)]
Limit = Annotated[int, Query(ge=1, le=120)]


class Reasoned(Body):
    reason: Name


class Unreasoned(Body):
    """Closing takes no reason: whoever asked gave it."""


class PeriodItem(Answer):
    """One month. Amounts are by currency; of a closed one they are what it closed at."""

    month: str
    state: Literal["open", "closing", "closed"]
    totals: list[Amount] = Field(description="Everything booked in it, adjustments of earlier months with it.")
    unattributed: list[Amount] = Field(description="Part of the totals: of tenants without a cost centre.")
    adjustments: list[Amount] = Field(description="Part of the totals: of earlier, closed months.")
    requested_by: str | None
    requested_at: str | None
    reason: str | None
    closed_by: str | None = Field(description="Null of a closed month that was shut with a later one.")
    closed_at: str | None
    balances_hash: str | None = Field(description="SHA-256 over what it closed at and the close before, hex.")
    last_posting_id: int | None = Field(description="The newest posting there was at the close.")


class AdjustmentItem(Answer):
    """Postings in `period` of hours that lie in the closed month `adjusts`; `amount` is what they add to its cost."""

    period: str
    adjusts: str
    postings: int
    amount: str
    currency: str


class FoundItem(Answer):
    """One thing found: `name` is for machines, `detail` for people."""

    name: str
    detail: str


class PeriodWhole(PeriodItem):
    adjustments_in: list[AdjustmentItem] = Field(description="Booked here, of closed months.")
    adjustments_out: list[AdjustmentItem] = Field(description="Of this month, booked in later ones.")
    obstacles: list[FoundItem] = Field(description="What stands in the way of closing it.")
    warnings: list[FoundItem] = Field(description="What whoever closes it should have seen.")


class Periods(Page):
    items: list[PeriodItem]


@router.get("/periods", response_model=None, responses=answers(Periods))
def list_periods(_: Read, limit: Limit = 24, cursor: str | None = None) -> dict[str, Any]:
    """Months with anything booked in them, and the one of now, newest first."""
    before = from_cursor(cursor, str)[0] if cursor else ""
    with db.transaction() as session:
        wanted = period_list.months(session, utc_now(), limit + 1, before)
        items = [_item(told) for told in period_list.told(session, wanted)]
    return page(items, limit, lambda item: [item["month"]])


@router.get("/periods/{month}", response_model=None, responses=answers(PeriodWhole))
def get_period(_: Read, month: Month) -> dict[str, Any]:
    """One month, with its adjustments and what stands in the way of closing it."""
    with db.transaction() as session:
        return _whole(session, months.parsed(month), utc_now())


@router.post("/periods/{month}/request-close", response_model=None, responses=answers(PeriodWhole))
def request_close(principal: Write, month: Month, body: Reasoned) -> dict[str, Any]:
    """Ask to close a month. `errors` of a refusal name what stands in the way."""
    now, grace_s = utc_now(), get_settings().posting_grace_s
    with db.transaction() as session:
        period_close.request(
            session, month=months.parsed(month), reason=body.reason, actor=principal.actor, now=now, grace_s=grace_s
        )
        return _whole(session, month, now)


@router.post("/periods/{month}/close", response_model=None, responses=answers(PeriodWhole))
def close_period(principal: Write, month: Month, _: Unreasoned | None = None) -> dict[str, Any]:
    """Close a month that another person asked to close. Closed twice is closed once; it is never opened again."""
    now, grace_s = utc_now(), get_settings().posting_grace_s
    with db.transaction() as session:
        period_close.close(session, month=months.parsed(month), actor=principal.actor, now=now, grace_s=grace_s)
        return _whole(session, month, now)


@router.post("/periods/{month}/cancel", response_model=None, responses=answers(PeriodWhole))
def cancel_request(principal: Write, month: Month, body: Reasoned) -> dict[str, Any]:
    """Take the request back."""
    with db.transaction() as session:
        period_close.cancel(session, month=months.parsed(month), actor=principal.actor, reason=body.reason)
        return _whole(session, month, utc_now())


def _whole(session: Session, month: str, now: datetime) -> dict[str, Any]:
    (told,) = period_list.told(session, [month])
    adjusted = period_figures.adjustments(session, month)
    complete = now - timedelta(seconds=get_settings().posting_grace_s)
    is_open = told.state != CLOSED
    return _item(told) | {
        "adjustments_in": [_adjustment(each) for each in adjusted if each.period == month],
        "adjustments_out": [_adjustment(each) for each in adjusted if each.adjusts == month],
        "obstacles": _found(period_checks.obstacles(session, month, complete) if is_open else []),
        "warnings": _found(period_checks.warnings(session, month, complete) if is_open else []),
    }


def _item(told: Told) -> dict[str, Any]:
    row = told.row
    return {
        "month": told.month,
        "state": told.state,
        "totals": [money(amount, currency) for currency, amount in sorted(told.totals.items())],
        "unattributed": [money(each.unattributed, currency) for currency, each in told.figures.items()],
        "adjustments": [money(each.adjustments, currency) for currency, each in told.figures.items()],
        "requested_by": row.requested_by if row else None,
        "requested_at": rfc3339(row.requested_at) if row else None,
        "reason": row.reason if row else None,
        "closed_by": row.closed_by if row else None,
        "closed_at": rfc3339(row.closed_at) if row and row.closed_at else None,
        "balances_hash": row.balances_hash if row else None,
        "last_posting_id": row.last_posting_id if row else None,
    }


def _adjustment(each: Adjustment) -> dict[str, Any]:
    return {
        "period": each.period,
        "adjusts": each.adjusts,
        "postings": each.postings,
        **money(each.amount, each.currency),
    }


def _found(found: list[Found]) -> list[dict[str, str]]:
    return [{"name": each.name, "detail": each.detail} for each in found]
