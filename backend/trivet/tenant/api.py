"""Tenants and cost centres over REST. Scenarios are registered with their card, in `card.api`."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from sqlalchemy import select

from trivet import db
from trivet.identity.auth import Principal, platform, requires
from trivet.kit.body import Body, Instant, Name
from trivet.kit.clock import rfc3339, utc_now
from trivet.kit.page import INT4, from_cursor, page
from trivet.tenant import service
from trivet.tenant.models import CostCentre, Tenant

router = APIRouter(tags=["tenant"])
Read = Annotated[Principal, Depends(requires("read"))]
Write = Annotated[Principal, Depends(platform("admin", "finance"))]
Limit = Annotated[int, Query(ge=1, le=500)]


class NewTenant(Body):
    name: Name
    cost_centre: Name | None = None
    effective_from: Instant | None = None


class NewCostCentre(Body):
    name: Name


@router.post("/tenants", status_code=201)
def register_tenant(body: NewTenant, principal: Write) -> dict[str, Any]:
    """Register a tenant, or map one that was seen in spans, to a cost centre; `reason` says from when and why."""
    with db.transaction() as session:
        made = service.register(
            session,
            name=body.name,
            cost_centre=body.cost_centre,
            effective_from=body.effective_from,
            actor=principal.actor,
            now=utc_now(),
        )
        start = rfc3339(made.effective_from) if made.effective_from else None
        return _tenant(made.tenant, made.cost_centre) | {"effective_from": start, "reason": made.reason}


@router.get("/tenants")
def list_tenants(principal: Read, limit: Limit = 100, cursor: str | None = None) -> dict[str, Any]:
    """Registered or only seen, with the cost centre each is charged to now; null is unattributed."""
    query = select(Tenant).order_by(Tenant.id).limit(limit + 1)
    if cursor:
        query = query.where(Tenant.id > from_cursor(cursor, INT4)[0])
    if principal.tenant_id is not None:
        query = query.where(Tenant.id == principal.tenant_id)
    with db.transaction() as session:
        centres = service.cost_centres_at(session, utc_now())
        names = {row.id: row.name for row in session.scalars(select(CostCentre))}
        items = [_tenant(row, names.get(centres.get(row.id, 0))) for row in session.scalars(query)]
    return page(items, limit, lambda item: [item["id"]])


@router.post("/cost-centres", status_code=201)
def create_cost_centre(body: NewCostCentre, principal: Write) -> dict[str, Any]:
    with db.transaction() as session:
        row = service.create_cost_centre(session, name=body.name, actor=principal.actor)
        return {"id": row.id, "name": row.name}


@router.get("/cost-centres")
def list_cost_centres(principal: Read, limit: Limit = 100, cursor: str | None = None) -> dict[str, Any]:
    """A tenant's key sees the one it is charged to."""
    query = select(CostCentre).order_by(CostCentre.id).limit(limit + 1)
    if cursor:
        query = query.where(CostCentre.id > from_cursor(cursor, INT4)[0])
    with db.transaction() as session:
        if principal.tenant_id is not None:
            own = service.cost_centres_at(session, utc_now()).get(principal.tenant_id, 0)
            query = query.where(CostCentre.id == own)
        items = [{"id": row.id, "name": row.name} for row in session.scalars(query)]
    return page(items, limit, lambda item: [item["id"]])


def _tenant(row: Tenant, cost_centre: str | None) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "cost_centre": cost_centre,
        "registered_at": rfc3339(row.registered_at) if row.registered_at else None,
    }
