"""People over REST; keys and the audit log beside them."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import Field

from trivet import db
from trivet.identity import answers, api_audit, api_keys, people, reading, service
from trivet.identity.auth import Principal, platform
from trivet.identity.models import User
from trivet.identity.reading import Person
from trivet.kit.answer import answers as told
from trivet.kit.body import Body, Name
from trivet.kit.clock import rfc3339, utc_now
from trivet.kit.page import INT4, from_cursor, page
from trivet.settings import get_settings

router = APIRouter(tags=["identity"])
router.include_router(api_keys.router)
router.include_router(api_audit.router)
Admin = Annotated[Principal, Depends(platform("admin"))]
Id = Annotated[int, Path(ge=1, lt=INT4.stop)]
Limit = Annotated[int, Query(ge=1, le=500)]
Role = Annotated[str, Field(max_length=40)]


class NewUser(Body):
    """Who is added. Without a password they come by a one-time link, or with the provider."""

    email: Name
    name: Name
    role: Role
    password: Annotated[str, Field(max_length=1024)] | None = None
    tenant: Name | None = None


class Changed(Body):
    """What becomes of somebody; what is not named stays. `tenant` null: they see everybody's rows."""

    name: Name | None = None
    role: Role | None = None
    tenant: Name | None = None


class Why(Body):
    """Why."""

    reason: Annotated[str, Field(max_length=500)]


@router.post("/users", status_code=201, responses={201: {"model": answers.UserBody}})
def create_user(body: NewUser, principal: Admin) -> dict[str, Any]:
    with db.transaction() as session:
        user = service.create_user(
            session, email=body.email, name=body.name, role=body.role, password=body.password or "",
            actor=principal.actor, tenant=body.tenant, signs_in_here=body.password is not None,
        )  # fmt: skip
        session.refresh(user)
        return answers.user(Person(user, body.tenant or ""))


@router.get("/users", responses=told(answers.UsersBody))
def list_users(_: Admin, limit: Limit = 100, cursor: str | None = None) -> dict[str, Any]:
    after = from_cursor(cursor, INT4)[0] if cursor else 0
    with db.transaction() as session:
        found = reading.people(session, limit + 1, after)
        return page([answers.user(each) for each in found], limit, lambda item: [item["id"]])


@router.patch("/users/{user_id}", responses=told(answers.UserBody))
def change_user(user_id: Id, body: Changed, principal: Admin) -> dict[str, Any]:
    """Another name, role or tenant. Their sessions get new tokens."""
    given = {name: getattr(body, name) for name in body.model_fields_set}
    with db.transaction() as session:
        kept = {name: value for name, value in given.items() if value is not None or name == "tenant"}
        user = people.change(session, user_id, actor=principal.actor, now=utc_now(), **kept)
        return answers.user(_named(session, user))


@router.post("/users/{user_id}/disable", responses=told(answers.UserBody))
def disable_user(user_id: Id, body: Why, principal: Admin) -> dict[str, Any]:
    """Keep somebody out; their sessions end at once."""
    with db.transaction() as session:
        user = people.disable(session, user_id, actor=principal.actor, reason=body.reason, now=utc_now())
        return answers.user(_named(session, user))


@router.post("/users/{user_id}/enable", responses=told(answers.UserBody))
def enable_user(user_id: Id, principal: Admin) -> dict[str, Any]:
    with db.transaction() as session:
        return answers.user(_named(session, people.enable(session, user_id, actor=principal.actor)))


@router.post("/users/{user_id}/end-sessions", responses=told(answers.EndedBody))
def end_sessions(user_id: Id, principal: Admin) -> dict[str, Any]:
    """They must sign in again, everywhere."""
    with db.transaction() as session:
        return {"ended": people.end_sessions(session, user_id, actor=principal.actor)}


@router.post("/users/{user_id}/forget-provider", responses=told(answers.UserBody))
def forget_provider(user_id: Id, principal: Admin) -> dict[str, Any]:
    """Who comes next under their address at the provider is them."""
    with db.transaction() as session:
        return answers.user(_named(session, people.forget_provider(session, user_id, actor=principal.actor)))


@router.post("/users/{user_id}/link", status_code=201, responses={201: {"model": answers.LinkBody}})
def make_link(user_id: Id, principal: Admin, request: Request, response: Response) -> dict[str, Any]:
    """A one-time link to a new password; it is in this answer and nowhere else."""
    response.headers["Cache-Control"] = "no-store"
    with db.transaction() as session:
        link = people.make_link(session, user_id, actor=principal.actor, now=utc_now())
    here = get_settings().public_url.rstrip("/") or f"{request.url.scheme}://{request.url.netloc}"
    return {"url": f"{here}{people.LINK_PATH}/{link.token}", "expires_at": rfc3339(link.expires_at)}


def _named(session: Any, user: User) -> Person:
    return Person(user, service.tenant_name(session, user.tenant_id))
