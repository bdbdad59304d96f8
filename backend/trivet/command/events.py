"""Word of a new policy, by server-sent events: `GET /ofrep/v1/events?backend=NAME`, as OFREP 0.3.0 names event streams.

A message says *ask again*, with the ETag to expect; the answer to that question is what counts, and the poll after it is
what proves. So nothing is lost with a lost message: who reconnects is told at once unless it names, as `Last-Event-ID`,
what holds. A stream holds no database connection.
"""

import asyncio
import contextlib
import json
import random
import time
from collections import Counter
from collections.abc import AsyncGenerator
from datetime import timedelta
from functools import partial
from typing import Annotated, Final
from urllib.parse import quote

from fastapi import APIRouter, Depends, Header, Query
from fastapi.responses import JSONResponse, Response
from sqlalchemy import select, update
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from trivet import db
from trivet.command import hub as hubs
from trivet.command import polls
from trivet.command.hub import Waiter
from trivet.command.models import BackendPoll
from trivet.fleet.models import Backend as BackendId
from trivet.identity import service as identity
from trivet.identity.auth import Principal, requires
from trivet.ingest.store.persist import deny
from trivet.kit.clock import utc_now
from trivet.kit.errors import TrivetError, Unauthenticated
from trivet.settings import get_settings

router = APIRouter(prefix="/ofrep/v1/events", tags=["ofrep"])
Policy = Annotated[Principal, Depends(requires("policy"))]
Backend = Annotated[str, Query(max_length=200, pattern=r"^[^\x00]*$")]

PATH: Final = "/ofrep/v1/events"
HEARTBEAT_S: Final = 10.0
LISTENS_WRITTEN_EVERY: Final = timedelta(seconds=20)
SILENT_S: Final = 45  # a client that heard nothing for so long may take the stream for dead
LIFE_S: Final = 900.0  # then the client comes again, to whichever process: a balanced fleet stays balanced
RETRY_S: Final = (1.0, 5.0)  # a client comes back within this, each at a time of its own
_open: Counter[int] = Counter()  # streams by API key


class Stream(Response):
    """The answer itself: it ends when the client goes, when its life is over, or when the process stops."""

    media_type = "text/event-stream"

    def __init__(self, principal: Principal, backend: str, known: str | None) -> None:
        self._principal, self._backend, self._told = principal, backend, known
        self._waiter = Waiter()
        self._hub = hubs.here()
        self.status_code = 200
        self.background = None
        # Proxies that collect an answer before they pass it on would make a stream of it that never comes.
        self.init_headers({"Cache-Control": "no-store", "X-Accel-Buffering": "no"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope
        gone = asyncio.create_task(_gone(receive))
        self._hub.waiters.add(self._waiter)
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            async with contextlib.aclosing(self._messages(gone)) as messages:
                async for message in messages:
                    await send({"type": "http.response.body", "body": message.encode(), "more_body": True})
            if not gone.done():
                await send({"type": "http.response.body", "body": b""})
        finally:
            gone.cancel()
            _leave(self._principal.key_id)
            self._hub.waiters.discard(self._waiter)

    async def _messages(self, gone: asyncio.Task[None]) -> AsyncGenerator[str]:
        ends = time.monotonic() + LIFE_S * (0.75 + random.random() / 4)
        yield f"retry: {random.uniform(*RETRY_S) * 1000:.0f}\n\n"
        self._waiter.woken.set()
        while not (gone.done() or self._hub.closing or time.monotonic() > ends):
            quiet = not self._waiter.woken.is_set()
            self._waiter.woken.clear()
            try:
                etag = await self._etag()
            except Unauthenticated:  # the key was revoked: who comes back with it is told so
                return
            if etag is not None and etag != self._told:
                self._told = etag
                yield _message(etag)
            elif quiet:
                yield ":\n\n"
            await _either(self._waiter.woken, gone, HEARTBEAT_S * (0.75 + random.random() / 4))

    async def _etag(self) -> str | None:
        """What holds for the backend; None while nobody can say, and then nothing is said."""
        try:
            etag, self._waiter.scenario_ids = await run_in_threadpool(_look, self._backend, self._principal.key_id)
        except Unauthenticated:
            raise
        except (SQLAlchemyError, TrivetError):
            return None
        return etag


@router.get("", response_model=None)
async def listen(
    principal: Policy, backend: Backend = "", last_event_id: Annotated[str | None, Header(max_length=200)] = None
) -> Response:
    """A stream of `{"type": "refetchEvaluation", "etag": …}` for a backend; without one, for whatever changes."""
    hubs.here().start()
    if refused := _enter(principal.key_id):
        await run_in_threadpool(partial(_count, refused, principal.key_id))
        status = 503 if refused == "too_many_listeners" else 429
        body = {"errorCode": "GENERAL", "errorDetails": REFUSALS[refused]}
        return JSONResponse(body, status, {"Retry-After": str(random.randint(5, 30))})
    return Stream(principal, "" if principal.tenant_id else backend, last_event_id)


REFUSALS: Final = {
    "too_many_listeners": "This process serves as many listeners as TRIVET_LISTENERS_LIMIT lets it: poll, or try again.",
    "too_many_listeners_of_key": "This API key has as many listeners as TRIVET_LISTENERS_PER_KEY_LIMIT lets it: poll, or "
    "use a key for each fleet.",
}


def stream_of(backend: str) -> list[dict[str, object]]:
    """`eventStreams` of a bulk answer: where to listen instead of asking each second."""
    uri = f"{PATH}?backend={quote(backend, safe='')}" if backend else PATH
    return [{"type": "sse", "endpoint": {"requestUri": uri}, "inactivityDelaySec": SILENT_S}]


def _message(etag: str) -> str:
    said = json.dumps({"type": "refetchEvaluation", "etag": etag})
    return f"id: {etag}\nevent: message\ndata: {said}\n\n"


def _look(backend: str, key_id: int) -> tuple[str, frozenset[int]]:
    """What holds for a backend, as long as the key is good; that it listens is kept now and then."""
    now = utc_now()
    with db.transaction() as session:
        if key_id and not identity.is_good(session, key_id):
            raise Unauthenticated("This API key was revoked.")
        found = polls.standing(session, backend)
        if backend:
            session.execute(
                update(BackendPoll)
                .where(
                    BackendPoll.backend_id == select(BackendId.id).where(BackendId.name == backend).scalar_subquery()
                )
                .where(BackendPoll.listening_at.is_(None) | (BackendPoll.listening_at < now - LISTENS_WRITTEN_EVERY))
                .values(listening_at=now)
            )
    return found


def _enter(key_id: int) -> str | None:
    """Take a place; the name of the limit that refuses it."""
    settings = get_settings()
    if hubs.here().closing or _open.total() >= settings.listeners_limit:
        return "too_many_listeners"
    if _open[key_id] >= settings.listeners_per_key_limit:
        return "too_many_listeners_of_key"
    _open[key_id] += 1
    return None


def _leave(key_id: int) -> None:
    _open[key_id] -= 1
    if not _open[key_id]:
        del _open[key_id]


def _count(reason: str, key_id: int) -> None:
    with db.transaction() as session:
        deny(session, Counter([reason]), key_id, utc_now())


async def _gone(receive: Receive) -> None:
    """Until the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _either(woken: asyncio.Event, gone: asyncio.Task[None], limit_s: float) -> None:
    waking = asyncio.ensure_future(woken.wait())
    try:
        await asyncio.wait({waking, gone}, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waking.cancel()
