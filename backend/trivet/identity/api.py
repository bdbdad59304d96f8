"""Users, keys and the audit log."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from trivet import db
from trivet.identity import audit, auth, service
from trivet.identity.auth import Principal, platform
from trivet.identity.models import ApiKey, Audit, User
from trivet.kit.body import Name
from trivet.kit.clock import rfc3339, utc_now
from trivet.kit.page import from_cursor, page

router = APIRouter(tags=["identity"])
Admin = Annotated[Principal, Depends(platform("admin"))]
INT4_MAX = 2**31 - 1
Limit = Annotated[int, Query(ge=1, le=500)]


class NewUser(BaseModel):
    model_config = ConfigDict(extra="forbid")

    email: Name
    name: Name
    role: str = Field(max_length=40)
    password: str = Field(max_length=1024)
    tenant: Name | None = None


class NewKey(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Name
    tenant: Name | None = None
    scopes: list[str] = Field(max_length=10)


@router.post("/users", status_code=201)
def create_user(body: NewUser, principal: Admin) -> dict[str, Any]:
    with db.transaction() as session:
        user = service.create_user(
            session, email=body.email, name=body.name, role=body.role, password=body.password, actor=principal.actor,
            tenant=body.tenant,
        )  # fmt: skip
        return _user(user, body.tenant)


@router.get("/users")
def list_users(_: Admin, limit: Limit = 100, cursor: str | None = None) -> dict[str, Any]:
    query = select(User).order_by(User.id).limit(limit + 1)
    if cursor:
        query = query.where(User.id > from_cursor(cursor, int)[0])
    with db.transaction() as session:
        users = session.scalars(query).all()
        tenants = service.tenant_names(session, {user.tenant_id for user in users if user.tenant_id})
        return page([_user(user, tenants.get(user.tenant_id or 0)) for user in users], limit, lambda item: [item["id"]])


@router.post("/keys", status_code=201)
def create_key(body: NewKey, principal: Admin, response: Response) -> dict[str, Any]:
    """The key is in this answer and nowhere else."""
    response.headers["Cache-Control"] = "no-store"
    with db.transaction() as session:
        made = service.create_key(
            session, name=body.name, scopes=body.scopes, tenant=body.tenant, actor=principal.actor
        )
    return {"id": made.id, "key": made.secret}


@router.get("/keys")
def list_keys(_: Admin, limit: Limit = 100, cursor: str | None = None) -> dict[str, Any]:
    query = select(ApiKey)
    if cursor:
        query = query.where(ApiKey.id > from_cursor(cursor, int)[0])
    with db.transaction() as session:
        keys = session.scalars(query.order_by(ApiKey.id).limit(limit + 1)).all()
        tenants = service.tenant_names(session, {key.tenant_id for key in keys if key.tenant_id})
        return page([_key(key, tenants.get(key.tenant_id or 0)) for key in keys], limit, lambda item: [item["id"]])


@router.delete("/keys/{key_id}", status_code=204)
def revoke_key(key_id: Annotated[int, Path(ge=1, le=INT4_MAX)], principal: Admin) -> None:
    with db.transaction() as session:
        service.revoke_key(session, key_id, actor=principal.actor, now=utc_now())
    auth.forget_keys()


@router.get("/audit")
def list_audit(
    _: Annotated[Principal, Depends(platform("admin", "operations", "finance"))],
    limit: Limit = 100,
    cursor: str | None = None,
    subject: str | None = None,
) -> dict[str, Any]:
    """Newest first."""
    query = select(Audit).order_by(Audit.id.desc()).limit(limit + 1)
    if cursor:
        query = query.where(Audit.id < from_cursor(cursor, int)[0])
    if subject:
        query = query.where(Audit.subject == subject)
    with db.transaction() as session:
        return page([_change(row) for row in session.scalars(query)], limit, lambda item: [item["id"]])


@router.get("/audit/verification")
def verify_audit(_: Admin) -> dict[str, Any]:
    """Whether every row's hash fits the chain; else the first that does not."""
    with db.transaction() as session:
        broken = audit.first_broken(session)
    return {"intact": broken is None, "first_broken": broken}


def _user(user: User, tenant: str | None) -> dict[str, Any]:
    return {"id": user.id, "email": user.email, "name": user.name, "role": user.role, "tenant": tenant}


def _key(key: ApiKey, tenant: str | None) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "prefix": key.prefix,
        "tenant": tenant,
        "scopes": key.scopes,
        "created_at": rfc3339(key.created_at),
        "revoked_at": rfc3339(key.revoked_at) if key.revoked_at else None,
    }


def _change(row: Audit) -> dict[str, Any]:
    return {
        "id": row.id,
        "at": rfc3339(row.at),
        "actor": row.actor,
        "action": row.action,
        "subject": row.subject,
        "before": row.before,
        "after": row.after,
        "reason": row.reason,
        "hash": row.hash.hex(),
    }
