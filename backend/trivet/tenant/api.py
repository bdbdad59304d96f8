"""Tenants and cost centres over REST. Scenarios are registered with their card, in `card.api_revisions`."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi import Body as Raw
from pydantic import Field
from sqlalchemy import select

from trivet import db
from trivet.identity.auth import Principal, platform, requires
from trivet.kit.answer import Answer, Page, answers
from trivet.kit.body import Body, Instant, Name
from trivet.kit.clock import rfc3339, utc_now, when
from trivet.kit.errors import Invalid
from trivet.kit.page import INT4, from_cursor, page
from trivet.tenant import centres, mapping, service, tree
from trivet.tenant.mapping import Mapped
from trivet.tenant.models import CostCentre, Tenant

router = APIRouter(tags=["tenant"])
Read = Annotated[Principal, Depends(requires("read"))]
Write = Annotated[Principal, Depends(platform("admin", "finance"))]
Limit = Annotated[int, Query(ge=1, le=500)]
Code = Annotated[str, Field(max_length=100)]
Owners = Annotated[list[Annotated[str, Field(max_length=200)]], Field(max_length=centres.OWNERS_MAX)]
Csv = Annotated[bytes, Raw(media_type="text/csv", description="tenant,cost_centre,effective_from")]


class NewTenant(Body):
    name: Name
    cost_centre: Name | None = None
    effective_from: Instant | None = None


class NewCostCentre(Body):
    name: Name
    parent: Name | None = None
    effective_from: Instant | None = None
    code: Code = ""
    owners: Owners = Field(default_factory=list)


class Move(Body):
    """Beneath another cost centre, or to the top where `parent` is null."""

    parent: Name | None
    effective_from: Instant | None = None


class Details(Body):
    """What is not given stays as it is."""

    code: Code | None = None
    owners: Owners | None = None


class CostCentreItem(Answer):
    """One account of finance's, as it stands now."""

    id: int
    name: str
    parent: str | None
    path: list[str] = Field(description="Names from its top down to its own.")
    code: str
    owners: list[str] = Field(description="Mail addresses its statements go to.")


class CostCentres(Page):
    items: list[CostCentreItem]


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
        start = when(made.effective_from)
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


@router.post("/tenants/mapping")
def map_tenants(principal: Write, file: Csv, preview: bool = False) -> dict[str, Any]:
    """Map many tenants by a CSV file; with `preview` say what it would do and do nothing. All rows are taken or none.

    A row without a time holds as `POST /tenants` would have it. `errors` of a refusal name each row.
    """
    rows = mapping.parse(_text(file))
    with db.transaction() as session:
        trial = session.begin_nested()
        found = [_mapped(each) for each in mapping.take(session, rows, actor=principal.actor, now=utc_now())]
        trial.rollback() if preview else trial.commit()
    return {"preview": preview, "items": found}


@router.post("/cost-centres", status_code=201)
def create_cost_centre(body: NewCostCentre, principal: Write) -> dict[str, Any]:
    """A new account, beneath `parent` where one is named; from always on where no `effective_from` is."""
    with db.transaction() as session:
        row = centres.create(
            session, name=body.name, parent=body.parent, effective_from=body.effective_from, code=body.code,
            owners=body.owners, actor=principal.actor,
        )  # fmt: skip
        return _centre(row, tree.paths(session, utc_now()))


@router.post("/cost-centres/{name:path}/move")
def move_cost_centre(name: str, body: Move, principal: Write) -> dict[str, Any]:
    """Place it elsewhere in the tree from an hour on; its first place holds from always on."""
    with db.transaction() as session:
        start = centres.move(
            session, name=name, parent=body.parent, effective_from=body.effective_from, actor=principal.actor,
            now=utc_now(),
        )  # fmt: skip
        row = centres.named(session, name)
        return _centre(row, tree.paths(session, utc_now())) | {"effective_from": rfc3339(start)}


@router.post("/cost-centres/{name:path}/details")
def describe_cost_centre(name: str, body: Details, principal: Write) -> dict[str, Any]:
    """Its code in finance's own system, and the addresses its statements go to."""
    with db.transaction() as session:
        row = centres.describe(session, name=name, code=body.code, owners=body.owners, actor=principal.actor)
        return _centre(row, tree.paths(session, utc_now()))


@router.get("/cost-centres", response_model=None, responses=answers(CostCentres))
def list_cost_centres(principal: Read, limit: Limit = 100, cursor: str | None = None) -> dict[str, Any]:
    """A tenant's key sees the one it is charged to, and nothing of those above."""
    query = select(CostCentre).order_by(CostCentre.id).limit(limit + 1)
    if cursor:
        query = query.where(CostCentre.id > from_cursor(cursor, INT4)[0])
    with db.transaction() as session:
        if principal.tenant_id is not None:
            own = service.cost_centres_at(session, utc_now()).get(principal.tenant_id, 0)
            items = [_bound(row) for row in session.scalars(query.where(CostCentre.id == own))]
        else:
            paths = tree.paths(session, utc_now())
            items = [_centre(row, paths) for row in session.scalars(query)]
    return page(items, limit, lambda item: [item["id"]])


def _centre(row: CostCentre, paths: dict[int, tuple[str, ...]]) -> dict[str, Any]:
    path = paths[row.id]
    return {
        "id": row.id,
        "name": row.name,
        "parent": path[-2] if len(path) > 1 else None,
        "path": list(path),
        "code": row.code,
        "owners": row.owners,
    }


def _bound(row: CostCentre) -> dict[str, Any]:
    return {"id": row.id, "name": row.name, "parent": None, "path": [row.name], "code": "", "owners": []}


def _mapped(each: Mapped) -> dict[str, Any]:
    return {
        "row": each.row.number,
        "tenant": each.row.tenant,
        "known": each.known,
        "before": each.before,
        "cost_centre": each.row.cost_centre,
        "effective_from": when(each.effective_from),
        "reason": each.reason,
    }


def _text(file: bytes) -> str:
    try:
        return file.decode()
    except UnicodeDecodeError as bad:
        raise Invalid("Write the file in UTF-8.", field="row 1") from bad


def _tenant(row: Tenant, cost_centre: str | None) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "cost_centre": cost_centre,
        "registered_at": when(row.registered_at),
    }
