"""Discounts, GPU hours, unit prices and quantities over REST."""

import re
from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import AfterValidator, StringConstraints
from pydantic import Field as Bounded

from trivet import db
from trivet.identity.auth import Principal, platform, requires
from trivet.kit.answer import Answer, Page, answers
from trivet.kit.body import Amount, Body, Currency, Instant, Name
from trivet.kit.clock import utc_now
from trivet.kit.errors import Invalid
from trivet.kit.money import plain_amount
from trivet.kit.page import page
from trivet.pricing import discount, gpu, quantity, unit
from trivet.pricing.dated import listed, said
from trivet.pricing.models import Discount, GpuPrice, Quantity, UnitPrice

router = APIRouter(tags=["pricing"])
Write = Annotated[Principal, Depends(platform("admin", "finance"))]
Read = Annotated[Principal, Depends(requires("read"))]
Platform = Annotated[Principal, Depends(platform("read"))]
Limit = Annotated[int, Query(ge=1, le=500)]


def _signed(text: str) -> str:
    plain_amount(re.sub("^-", "", text))
    return text


Signed = Annotated[str, StringConstraints(max_length=40), AfterValidator(_signed)]


class NewDiscount(Body):
    """Percent off the list prices of a provider; no model or pool: of all. `ends` is the first instant without it."""

    provider: Name
    model: Name | None = None
    pool: Name | None = None
    percent: Amount
    effective_from: Instant
    ends: Instant | None = None
    source: Name = "contract"


class NewGpuPrice(Body):
    """What an hour of one GPU costs; no region: anywhere."""

    gpu_type: Name
    purchase: Name
    region: Name | None = None
    effective_from: Instant
    currency: Currency
    price_per_hour: Amount
    source: Name = "entered"


class NewUnitPrice(Body):
    """What one of a unit costs; no name, provider or pool: any."""

    unit: Name
    name: Name | None = None
    provider: Name | None = None
    pool: Name | None = None
    effective_from: Instant
    currency: Currency
    price: Amount
    source: Name = "entered"


class NewQuantity(Body):
    """How much of a unit a tenant used in the hour that starts at `hour`. `key` is yours: the same again counts once."""

    key: Name
    hour: Instant
    tenant: Name | None = None
    scenario: Name | None = None
    provider: Name | None = None
    model: Name | None = None
    pool: Name | None = None
    unit: Name
    name: Name | None = None
    amount: Signed


class NewQuantities(Body):
    quantities: Annotated[list[NewQuantity], Bounded(min_length=1, max_length=quantity.TOLD_MAX)]


class DiscountSaid(Answer):
    """One discount as it was entered; empty names are any."""

    id: int
    provider: str
    model: str
    pool: str
    percent: str
    effective_from: str
    ends: str | None
    source: str
    author: str


class Discounts(Page):
    items: list[DiscountSaid]


class GpuPriceSaid(Answer):
    """One price of a GPU hour as it was entered; an empty region is any."""

    id: int
    gpu_type: str
    purchase: str
    region: str
    effective_from: str
    currency: str
    price_per_hour: str
    source: str
    author: str


class GpuPrices(Page):
    items: list[GpuPriceSaid]


class UnitPriceSaid(Answer):
    """One price of a unit as it was entered; empty names are any."""

    id: int
    unit: str
    name: str
    provider: str
    pool: str
    effective_from: str
    currency: str
    price: str
    source: str
    author: str


class UnitPrices(Page):
    items: list[UnitPriceSaid]


class QuantitySaid(Answer):
    """One quantity as it was told. Ids are 0 where it has no such dimension."""

    id: int
    key: str
    hour: str
    tenant_id: int
    scenario_id: int
    model_id: int
    pool_id: int
    unit: str
    name: str
    amount: str
    author: str


class Quantities(Page):
    items: list[QuantitySaid]


@router.post("/discounts", status_code=201)
def add_discount(body: NewDiscount, principal: Write) -> dict[str, Any]:
    """Discounts are never edited: the next `effective_from` of the same provider, model and pool supersedes."""
    with db.transaction() as session:
        values = _named(body, "model", "pool") | {"percent": Decimal(body.percent)}
        return said(discount.add(session, **values, actor=principal.actor))


@router.get("/discounts", response_model=None, responses=answers(Discounts))
def list_discounts(principal: Platform, limit: Limit = 100, cursor: str | None = None) -> dict[str, Any]:
    """In the order they were entered."""
    del principal
    with db.transaction() as session:
        return _page(session.scalars(listed(Discount, limit, cursor)), limit)


@router.post("/gpu-prices", status_code=201)
def add_gpu_price(body: NewGpuPrice, principal: Write) -> dict[str, Any]:
    """Prices are never edited: the next `effective_from` of the same type, purchase and region supersedes."""
    with db.transaction() as session:
        values = _named(body, "region") | {"price_per_hour": Decimal(body.price_per_hour)}
        return said(gpu.add(session, **values, actor=principal.actor))


@router.get("/gpu-prices", response_model=None, responses=answers(GpuPrices))
def list_gpu_prices(principal: Platform, limit: Limit = 100, cursor: str | None = None) -> dict[str, Any]:
    """In the order they were entered."""
    del principal
    with db.transaction() as session:
        return _page(session.scalars(listed(GpuPrice, limit, cursor)), limit)


@router.post("/unit-prices", status_code=201)
def add_unit_price(body: NewUnitPrice, principal: Write) -> dict[str, Any]:
    """Prices are never edited: the next `effective_from` of the same unit, name, provider and pool supersedes."""
    with db.transaction() as session:
        values = _named(body, "name", "provider", "pool") | {"price": Decimal(body.price)}
        return said(unit.add(session, **values, actor=principal.actor))


@router.get("/unit-prices", response_model=None, responses=answers(UnitPrices))
def list_unit_prices(principal: Platform, limit: Limit = 100, cursor: str | None = None) -> dict[str, Any]:
    """In the order they were entered."""
    del principal
    with db.transaction() as session:
        return _page(session.scalars(listed(UnitPrice, limit, cursor)), limit)


@router.post("/quantities")
def tell_quantities(
    body: NewQuantities, principal: Annotated[Principal, Depends(requires("ingest", "finance"))]
) -> dict[str, int]:
    """All or none. How many were new, and how many had been told before under their keys."""
    told = [
        quantity.Told(
            **_named(each, "tenant", "scenario", "provider", "model", "pool", "name") | {"amount": Decimal(each.amount)}
        )
        for each in body.quantities
    ]
    if principal.tenant_id is None and any(not each.tenant for each in told):
        raise Invalid("Say whose quantity it is.", field="quantities.tenant")
    with db.transaction() as session:
        taken = quantity.tell(session, told, tenant_id=principal.tenant_id, actor=principal.actor, now=utc_now())
        return {"new": taken.new, "known": taken.known}


@router.get("/quantities", response_model=None, responses=answers(Quantities))
def list_quantities(principal: Read, limit: Limit = 100, cursor: str | None = None) -> dict[str, Any]:
    """In the order they were told. A tenant's key sees its own."""
    query = listed(Quantity, limit, cursor)
    if principal.tenant_id is not None:
        query = query.where(Quantity.tenant_id == principal.tenant_id)
    with db.transaction() as session:
        return page([_without_sender(said(row)) for row in session.scalars(query)], limit, lambda item: [item["id"]])


def _named(body: Body, *optional: str) -> dict[str, Any]:
    """A body's values; of names that were left out, ''."""
    values = body.model_dump()
    return values | {name: values[name] or "" for name in optional}


def _page(rows: Any, limit: int) -> dict[str, Any]:
    return page([said(row) for row in rows], limit, lambda item: [item["id"]])


def _without_sender(item: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in item.items() if name != "sender"}
