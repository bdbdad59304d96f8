"""Webhooks of backends over REST: where one is told that cannot poll, whether it was, and a test."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from pydantic import Field, SecretStr
from sqlalchemy import select

from trivet import db
from trivet.command import webhooks
from trivet.command.calling import call
from trivet.command.models import BackendWebhook, WebhookDelivery
from trivet.identity.auth import Principal, platform
from trivet.kit.body import Body, Name
from trivet.kit.clock import rfc3339, utc_now, when

router = APIRouter(tags=["command"], prefix="/backends/{backend}/webhook")
Admin = Annotated[Principal, Depends(platform("admin"))]
Read = Annotated[Principal, Depends(platform("read"))]
SHOWN = 20  # of the newest tries


class NewWebhook(Body):
    url: str = Field(max_length=2_000, description="http or https; its host must be in TRIVET_OUTWARD_HOSTS.")
    secret: SecretStr | None = Field(None, max_length=200, description="`whsec_…`; one is made where none is given.")


@router.put("")
def put_webhook(backend: Name, body: NewWebhook, principal: Admin, response: Response) -> dict[str, Any]:
    """Tell this backend by a signed message. A secret that is made here is shown in this answer and never again."""
    given = body.secret.get_secret_value() if body.secret else None
    with db.transaction() as session:
        secret, made = webhooks.put(
            session, backend=backend, url=body.url, secret=given, actor=principal.actor, now=utc_now()
        )
    response.headers["Cache-Control"] = "no-store"
    return {"backend": backend, "url": body.url} | ({"secret": secret} if made else {})


@router.get("")
def show_webhook(backend: Name, _: Read) -> dict[str, Any]:
    """How it stands, and its newest tries."""
    with db.transaction() as session:
        row = webhooks.row_of(session, backend)
        tries = session.scalars(
            select(WebhookDelivery)
            .where(WebhookDelivery.backend_id == row.backend_id)
            .order_by(WebhookDelivery.id.desc())
            .limit(SHOWN)
        ).all()
    return _webhook(backend, row) | {"deliveries": [_try(one) for one in tries]}


@router.delete("", status_code=204)
def remove_webhook(backend: Name, principal: Admin) -> None:
    """Tell it no more; it polls from now on, or learns nothing."""
    with db.transaction() as session:
        webhooks.remove(session, backend=backend, actor=principal.actor)


@router.post("/test")
def try_webhook(backend: Name, _: Admin) -> dict[str, Any]:
    """Send a message of type `policy.test` now, and say what came back."""
    with db.transaction() as session:
        message = webhooks.test_message(webhooks.row_of(session, backend), backend, utc_now())
    came = call(message)
    with db.transaction() as session:
        webhooks.log(session, message, came, utc_now())
    return {"taken": came.taken, "status": came.status, "problem": came.problem, "took_ms": came.took_ms}


def _webhook(backend: str, row: BackendWebhook) -> dict[str, Any]:
    return {
        "backend": backend,
        "url": row.url,
        "state": row.state,
        "proven_etag": row.etag,
        "attempts": row.attempts,
        "next_try_at": rfc3339(row.next_try_at),
        "delivered_at": when(row.delivered_at),
        "last_error": row.last_error,
    }


def _try(row: WebhookDelivery) -> dict[str, Any]:
    return {
        "tried_at": rfc3339(row.tried_at),
        "attempt": row.attempt,
        "status": row.status,
        "took_ms": row.took_ms,
        "outcome": row.outcome,
    }
