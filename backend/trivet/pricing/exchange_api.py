"""Rates of exchange over REST."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from sqlalchemy import select

from trivet import db
from trivet.identity.auth import Principal, platform, requires
from trivet.kit.answer import Answer, Page, answers
from trivet.kit.body import Amount, Body, Currency, Day, Name
from trivet.kit.page import INT4, from_cursor, page
from trivet.pricing import exchange
from trivet.pricing.models import ExchangeRate

router = APIRouter(tags=["pricing"])


class NewRate(Body):
    """`rate` units of `to_currency` for one of `from_currency`, from the start of the UTC day on: a decimal string."""

    from_currency: Currency
    to_currency: Currency
    effective_from: Day
    rate: Amount
    source: Name = "entered"


class Rate(Answer):
    """One rate as it was entered."""

    id: int
    from_currency: str
    to_currency: str
    effective_from: date
    rate: str
    source: str
    author: str


class Rates(Page):
    items: list[Rate]


@router.post("/exchange-rates", status_code=201)
def add_rate(body: NewRate, principal: Annotated[Principal, Depends(platform("admin", "finance"))]) -> dict[str, Any]:
    """Rates are never edited: the next `effective_from` supersedes. The other way round is the inverse."""
    with db.transaction() as session:
        return _rate(
            exchange.add_rate(session, **body.model_dump() | {"rate": Decimal(body.rate)}, actor=principal.actor)
        )


@router.get("/exchange-rates", response_model=None, responses=answers(Rates))
def list_rates(
    principal: Annotated[Principal, Depends(requires("read"))],
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    cursor: str | None = None,
) -> dict[str, Any]:
    """In the order they were entered."""
    del principal
    query = select(ExchangeRate).order_by(ExchangeRate.id).limit(limit + 1)
    if cursor:
        query = query.where(ExchangeRate.id > from_cursor(cursor, INT4)[0])
    with db.transaction() as session:
        return page([_rate(row) for row in session.scalars(query)], limit, lambda item: [item["id"]])


def _rate(row: ExchangeRate) -> dict[str, Any]:
    return {
        "id": row.id,
        "from_currency": row.from_currency,
        "to_currency": row.to_currency,
        "effective_from": row.effective_from.isoformat(),
        "rate": format(row.rate.normalize(), "f"),
        "source": row.source,
        "author": row.author,
    }
