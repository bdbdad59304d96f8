"""Messages and how they got there; a message that shows whether mail arrives."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import Field
from sqlalchemy import select

from trivet import db
from trivet.identity.auth import Principal, platform
from trivet.kit.answer import Answer, Page, answers
from trivet.kit.body import Body
from trivet.kit.clock import rfc3339, utc_now, when
from trivet.kit.page import from_cursor, page
from trivet.notify import compose, metrics, service
from trivet.notify.alert import alerts_api
from trivet.notify.channel import channels_api
from trivet.notify.models import Message

__all__ = ["metrics", "router"]  # imported, the metrics register themselves
router = APIRouter(tags=["notify"])
router.include_router(alerts_api.router)
router.include_router(channels_api.router)
Finance = Annotated[Principal, Depends(platform("admin", "finance"))]
Limit = Annotated[int, Query(ge=1, le=500)]
State = Literal["queued", "sent", "failed", "no_channel", "digested"]


class Told(Answer):
    """One message. `refused` holds the words of the server for each address that it refused for good."""

    id: int
    key: str
    to: list[str]
    subject: str
    state: State
    attempts: int
    next_try_at: str | None
    last_error: str
    refused: dict[str, str]
    created_at: str
    sent_at: str | None


class Messages(Page):
    """Newest first."""

    items: list[Told]


class TestMessage(Body):
    """Where to."""

    __test__ = False  # no test class of pytest's

    to: list[str] = Field(min_length=1, max_length=compose.ADDRESSES_MAX)


@router.get("/messages", responses=answers(Messages))
def messages(_: Finance, state: State | None = None, limit: Limit = 100, cursor: str | None = None) -> dict[str, Any]:
    """Newest first."""
    query = select(Message).order_by(Message.id.desc()).limit(limit + 1)
    if state:
        query = query.where(Message.state == state)
    if cursor:
        query = query.where(Message.id < from_cursor(cursor, int)[0])
    with db.transaction() as session:
        return page([_told(row) for row in session.scalars(query)], limit, lambda item: [item["id"]])


@router.post("/messages/test", status_code=201)
def test_message(body: TestMessage, principal: Finance) -> dict[str, Any]:
    """Enqueue one; `GET /messages` shows what became of it."""
    with db.transaction() as session:
        key = service.enqueue_test(session, to=body.to, actor=principal.actor, now=utc_now())
    return {"key": key}


def _told(row: Message) -> dict[str, Any]:
    return {
        "id": row.id,
        "key": row.key,
        "to": row.to,
        "subject": row.subject,
        "state": row.state,
        "attempts": row.attempts,
        "next_try_at": rfc3339(row.next_try_at) if row.state == "queued" else None,
        "last_error": row.last_error,
        "refused": row.refused,
        "created_at": rfc3339(row.created_at),
        "sent_at": when(row.sent_at),
    }
