"""`Idempotency-Key` on POST: the same address and body within 24 h replay the answer, others are 422, still in flight 409.

The caller is known before (see `front`), and a key belongs to its caller. The row is made before the work and marked done
in the work's own transaction, so that work is never done twice, also where the process dies before it has answered. Only
success is kept: after a refusal a retry tries again. An answer that must not be stored (it holds a secret that is shown
once) says so by `Cache-Control: no-store`, and its replay is a refusal that says what happened.
"""

import hashlib
import json
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trivet import db
from trivet.identity.auth import Principal
from trivet.identity.models import IdempotencyKey
from trivet.kit.clock import utc_now
from trivet.kit.errors import Conflict, Invalid

KEPT = timedelta(hours=24)
IN_FLIGHT = timedelta(minutes=2)  # after this a row whose work was not done belongs to a process that died
KEY_LENGTH_MAX = 200
HEADER = "Idempotency-Key"


class Idempotency:
    """Wraps the REST API; needs `state.principal`."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive) if scope["type"] == "http" else None
        key = request.headers.get(HEADER) if request else None
        principal = getattr(request.state, "principal", None) if request else None
        if request is None or not key or principal is None or request.method != "POST":
            await self.app(scope, receive, send)
            return
        if len(key) > KEY_LENGTH_MAX:
            raise Invalid(f"An {HEADER} has at most {KEY_LENGTH_MAX} characters.", field=HEADER)
        await self._once(request, principal, key, send)

    async def _once(self, request: Request, principal: Principal, key: str, send: Send) -> None:
        body = await request.body()
        asked = (request.url.path.encode(), request.url.query.encode(), body)
        digest = hashlib.sha256(b"\0".join(asked)).digest()
        row_id, earlier = await run_in_threadpool(_claim, caller(principal), key, digest)
        if earlier is not None:
            await JSONResponse(earlier[1], earlier[0], {"Idempotency-Replayed": "true"})(request.scope, _ended, send)
            return
        answer = _Answer()
        token = db.at_commit.set(lambda session: _mark_done(session, row_id))
        try:
            await self.app(request.scope, _replay(body), answer)
        finally:
            db.at_commit.reset(token)
            await run_in_threadpool(_settle, row_id, answer)
        for message in answer.messages:
            await send(message)


def caller(principal: Principal) -> str:
    """Whose key it is: an API key by its id, a person by address."""
    return f"key:{principal.key_id}" if principal.key_id else principal.actor


class _Answer:
    """Holds the answer back until it has been kept, so that a retry at once finds it."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def __call__(self, message: Message) -> None:
        self.messages.append(message)

    @property
    def status(self) -> int:
        return int(self.messages[0]["status"]) if self.messages else 500

    @property
    def secret(self) -> bool:
        return "no-store" in Headers(raw=self.messages[0]["headers"]).get("cache-control", "")

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages)


def _replay(body: bytes) -> Receive:
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return messages.pop() if messages else await _ended()

    return receive


async def _ended() -> Message:
    return {"type": "http.disconnect"}


def _claim(actor: str, key: str, digest: bytes) -> tuple[int, tuple[int, Any] | None]:
    """The row made for this key, or the answer given before."""
    now = utc_now()
    table = IdempotencyKey
    with db.transaction() as session:
        session.execute(delete(table).where(table.created_at < now - KEPT))
        dead = (table.status.is_(None)) & ~table.done & (table.created_at < now - IN_FLIGHT)
        session.execute(delete(table).where(table.actor == actor, table.key == key, dead))
        new = insert(table).values(actor=actor, key=key, request_hash=digest, created_at=now, done=False)
        row_id = session.scalar(new.on_conflict_do_nothing().returning(table.id))
        if row_id is not None:
            return row_id, None
        row = session.scalars(select(table).where(table.actor == actor, table.key == key)).one()
        if row.request_hash != digest:
            raise Invalid(f"This {HEADER} was used with another address or body: choose a new one.", field=HEADER)
        return row.id, _earlier(row)


def _earlier(row: IdempotencyKey) -> tuple[int, Any]:
    if row.status is not None and row.body is not None:
        return row.status, row.body["json"]
    if row.status is not None or row.done:
        raise Conflict(
            "This was done, once; its answer was not kept. Look the result up; use a new key to do it again."
        )
    raise Conflict(f"The first request with this {HEADER} is still being answered: ask again soon.")


def _mark_done(session: Session, row_id: int) -> None:
    session.execute(update(IdempotencyKey).where(IdempotencyKey.id == row_id).values(done=True))


def _settle(row_id: int, answer: _Answer) -> None:
    where = IdempotencyKey.id == row_id
    with db.transaction() as session:
        if not 200 <= answer.status < 300:
            session.execute(delete(IdempotencyKey).where(where, ~IdempotencyKey.done))
            return
        body = None if answer.secret else {"json": json.loads(answer.body) if answer.body else None}
        session.execute(update(IdempotencyKey).where(where).values(status=answer.status, body=body, done=True))
