"""API keys over REST."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import Field

from trivet import db
from trivet.identity import answers, auth, reading, service
from trivet.identity.auth import Principal, platform
from trivet.kit.answer import answers as told
from trivet.kit.body import Asked, Body, Name
from trivet.kit.clock import utc_now
from trivet.kit.page import INT4, from_cursor, page

router = APIRouter()
Admin = Annotated[Principal, Depends(platform("admin"))]


class NewKey(Body):
    """A key to make."""

    name: Name
    tenant: Name | None = None
    scopes: list[str] = Field(max_length=10)


@router.post("/keys", status_code=201, responses={201: {"model": answers.MadeKeyBody}})
def create_key(body: NewKey, principal: Admin, response: Response) -> dict[str, Any]:
    """The key is in this answer and nowhere else."""
    response.headers["Cache-Control"] = "no-store"
    with db.transaction() as session:
        made = service.create_key(
            session, name=body.name, scopes=body.scopes, tenant=body.tenant, actor=principal.actor
        )
    return {"id": made.id, "key": made.secret}


@router.get("/keys", responses=told(answers.KeysBody))
def list_keys(
    _: Admin, limit: Annotated[int, Query(ge=1, le=500)] = 100, cursor: str | None = None, live: bool | None = None
) -> dict[str, Any]:
    """`live`: those in force alone, or those revoked."""
    after = from_cursor(cursor, INT4)[0] if cursor else 0
    with db.transaction() as session:
        found = reading.keys(session, limit + 1, after=after, live=live)
        return page([answers.key(each) for each in found], limit, lambda item: [item["id"]])


@router.delete("/keys/{key_id}", status_code=204)
def revoke_key(
    key_id: Annotated[int, Path(ge=1, lt=INT4.stop)], principal: Admin, reason: Annotated[Asked | None, Query()] = None
) -> None:
    """At once in this process, within two seconds in the others."""
    with db.transaction() as session:
        service.revoke_key(session, key_id, actor=principal.actor, now=utc_now(), reason=reason)
    auth.forget_keys()
