"""`Idempotency-Key` on POST: the same body within 24 h replays the answer, another body is 422, still in flight 409.

Pure ASGI, because middleware that wraps responses in tasks leaks connections when clients go away. The key row is made
before the work and filled after it; where the work failed with 5xx the row goes, so that a retry tries again.
"""

import hashlib
import json
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trivet import db
from trivet.identity.models import IdempotencyKey
from trivet.kit.clock import utc_now
from trivet.kit.errors import Conflict, Invalid, TooLarge, TrivetError
from trivet.kit.ids import secret_hash

KEPT = timedelta(hours=24)
IN_FLIGHT = timedelta(minutes=2)  # after this a row without an answer belongs to a process that died
BODY_LIMIT_BYTES = 4 << 20


class Idempotency:
    def __init__(self, app: ASGIApp, prefix: str = "/api/v1") -> None:
        self.app = app
        self.prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive) if scope["type"] == "http" else None
        key = request.headers.get("idempotency-key") if request else None
        if request is None or not key or request.method != "POST" or not request.url.path.startswith(self.prefix):
            await self.app(scope, receive, send)
            return
        try:
            await self._once(request, key, send)
        except TrivetError as refused:
            answer = JSONResponse(refused.problem(), refused.status, media_type="application/problem+json")
            await answer(scope, receive, send)

    async def _once(self, request: Request, key: str, send: Send) -> None:
        body = await _read(request)
        actor = secret_hash(request.headers.get("authorization", "")).hex()
        digest = hashlib.sha256(request.url.path.encode() + b"\0" + body).digest()
        row_id, earlier = await run_in_threadpool(_claim, actor, key[:200], digest)
        if earlier is not None:
            await JSONResponse(earlier[1], earlier[0], {"Idempotency-Replayed": "true"})(request.scope, _ended, send)
            return
        answer = _Recorder(send)
        try:
            await self.app(request.scope, _replay(body), answer)
        finally:
            await run_in_threadpool(_settle, row_id, answer.status, bytes(answer.body))


class _Recorder:
    """Passes the answer on and keeps a copy."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 500
        self.body = bytearray()

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        elif message["type"] == "http.response.body":
            self.body += message.get("body", b"")
        await self._send(message)


async def _read(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_LIMIT_BYTES:
            raise TooLarge(f"A body with an Idempotency-Key has at most {BODY_LIMIT_BYTES} bytes.")
    return bytes(body)


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
        stale = (table.status.is_(None)) & (table.created_at < now - IN_FLIGHT)
        session.execute(delete(table).where(table.actor == actor, table.key == key, stale))
        new = insert(table).values(actor=actor, key=key, request_hash=digest, created_at=now)
        row_id = session.scalar(new.on_conflict_do_nothing().returning(table.id))
        if row_id is not None:
            return row_id, None
        row = session.scalars(select(table).where(table.actor == actor, table.key == key)).one()
        if row.request_hash != digest:
            raise Invalid("This Idempotency-Key was used with another body: choose a new one.", field="Idempotency-Key")
        if row.status is None:
            raise Conflict("The first request with this Idempotency-Key is still being answered: ask again soon.")
        return row.id, (row.status, row.body["json"] if row.body else None)


def _settle(row_id: int, status: int, body: bytes) -> None:
    with db.transaction() as session:
        where = IdempotencyKey.id == row_id
        if status >= 500:
            session.execute(delete(IdempotencyKey).where(where))
            return
        answer = {"json": json.loads(body)} if body else None
        session.execute(update(IdempotencyKey).where(where).values(status=status, body=answer))
