"""The price book over REST."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from sqlalchemy import select

from trivet import db
from trivet.identity.auth import Principal, platform, requires
from trivet.kit.body import Asked, Body, Currency, Instant, Name
from trivet.kit.clock import rfc3339
from trivet.kit.errors import Invalid
from trivet.kit.page import INT4, from_cursor, page
from trivet.pricing import dated_api, exchange_api, service
from trivet.pricing.book import LAYERS
from trivet.pricing.importing import import_api
from trivet.pricing.models import Price
from trivet.pricing.rate import canonical
from trivet.pricing.tier import tier_of

STANDARD_NAME = "standard"
router = APIRouter(tags=["pricing"])
router.include_router(exchange_api.router)
router.include_router(dated_api.router)
router.include_router(import_api.router)


class NewPrice(Body):
    """Rates are amounts per million tokens: a decimal string, or steps `[{"from_input_tokens", "price"}, …]`."""

    model: Name
    provider: Name
    pool: Name | None = None
    effective_from: Instant
    currency: Currency
    per_million: dict[str, Any]
    tier: Name | None = None
    source: Name = service.ENTERED_SOURCE


@router.post("/prices", status_code=201)
def add_price(body: NewPrice, principal: Annotated[Principal, Depends(platform("admin", "finance"))]) -> dict[str, Any]:
    """Prices are never edited: the next `effective_from` supersedes. Requests that had no price get this one."""
    with db.transaction() as session:
        row = service.add_price(
            session,
            provider=body.provider,
            model=body.model,
            pool=body.pool or "",
            effective_from=body.effective_from,
            currency=body.currency,
            rates=canonical(body.per_million),
            tier=_tier(body.tier),
            source=body.source,
            actor=principal.actor,
        )
        return _price(row)


@router.get("/prices")
def list_prices(
    principal: Annotated[Principal, Depends(requires("read"))],
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    cursor: str | None = None,
    provider: Asked | None = None,
    model: Asked | None = None,
) -> dict[str, Any]:
    """In the order they were entered. A tenant's key sees list prices and not those of pools."""
    query = select(Price).order_by(Price.id).limit(limit + 1)
    if cursor:
        query = query.where(Price.id > from_cursor(cursor, INT4)[0])
    if provider:
        query = query.where(Price.provider == provider)
    if model:
        query = query.where(Price.model == model)
    if principal.tenant_id is not None:
        query = query.where(Price.pool == "")
    with db.transaction() as session:
        return page([_price(row) for row in session.scalars(query)], limit, lambda item: [item["id"]])


class EndedPrice(Body):
    """From when on a price that a person entered holds no more."""

    model: Name
    provider: Name
    pool: Name | None = None
    tier: Name | None = None
    effective_from: Instant


@router.post("/prices/end", status_code=201)
def end_price(
    body: EndedPrice, principal: Annotated[Principal, Depends(platform("admin", "finance"))]
) -> dict[str, Any]:
    """End what a person entered: from then on the imported price holds again, or none does."""
    with db.transaction() as session:
        row = service.end_override(
            session,
            provider=body.provider,
            model=body.model,
            pool=body.pool or "",
            tier=_tier(body.tier),
            effective_from=body.effective_from,
            actor=principal.actor,
        )
        return {"id": row.id, "effective_from": rfc3339(row.effective_from)}


def _tier(named: str | None) -> str:
    tier = tier_of(named or STANDARD_NAME)
    if tier is None:
        raise Invalid("A tier is a word such as batch, flex or priority.", field="tier")
    return tier


def _price(row: Price) -> dict[str, Any]:
    return {
        "id": row.id,
        "provider": row.provider,
        "model": row.model,
        "pool": row.pool or None,
        "tier": row.tier or None,
        "layer": LAYERS[row.layer],
        "effective_from": rfc3339(row.effective_from),
        "currency": row.currency,
        "per_million": {kind: _said(steps) for kind, steps in row.rates.items()},
        "source": row.source,
        "author": row.author,
    }


def _said(steps: list[list[Any]]) -> Any:
    """A plain rate as its string, steps as steps: the same shape that a POST takes."""
    if len(steps) == 1:
        return steps[0][1]
    return [{"from_input_tokens": start, "price": price} for start, price in steps]
