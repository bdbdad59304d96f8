"""`GET /live-events?topics=policy,usage`: a stream that says `look` and which topics moved. It carries nothing else, so what
somebody may see is decided where they look. A stream holds no database connection.

Who comes back with the `Last-Event-ID` it was told last, and nothing moved since, is told nothing.
"""

import asyncio
import collections
import contextlib
import hashlib
import random
import time
from collections.abc import AsyncGenerator, Mapping
from typing import Annotated, Final

import prometheus_client
from fastapi import APIRouter, Header, Query
from fastapi.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from trivet.command import hub
from trivet.console.door import Looking
from trivet.console.live import watch
from trivet.console.live.markers import TOPICS
from trivet.console.live.watch import Listener
from trivet.settings import get_settings

router = APIRouter()
HEARTBEAT_S: Final = 15.0
LIFE_S: Final = 900.0  # then the page comes again, to whichever process
RETRY_MS: Final = (1_000, 4_000)  # a page comes back within this, each at a time of its own
PER_SESSION_MAX: Final = 4  # a browser has six connections to one place, and pages need some of them
refused = prometheus_client.Counter(
    "trivet_live_refused", "Pages that are not told of changes and look by their own clock.", ["reason"]
)
_open: collections.Counter[str] = collections.Counter()  # streams by session


@router.get("/live-events", response_model=None)
async def listen(
    looking: Looking,
    topics: Annotated[str, Query(max_length=200)] = "",
    last_event_id: Annotated[str | None, Header(max_length=200)] = None,
) -> Response:
    """A stream of `look`. Topics that do not exist are left out; none: all."""
    wanted = frozenset(topics.replace(",", " ").split()) & frozenset(TOPICS)
    listener = Listener(wanted or frozenset(TOPICS), looking.csrf_token)
    if reason := _enter(listener.session):
        refused.labels(reason).inc()
        again = {"Retry-After": str(random.randint(20, 40))}
        if reason == "too_many_live_streams_of_session":
            return PlainTextResponse(f"This session has {PER_SESSION_MAX} such pages already.", 429, again)
        return PlainTextResponse("As many pages are told as TRIVET_LIVE_STREAMS_LIMIT lets be.", 503, again)
    return Stream(listener, last_event_id)


class Stream(Response):
    """The answer itself: it ends with the page, its session, its life or the process."""

    media_type = "text/event-stream"

    def __init__(self, listener: Listener, told: str | None) -> None:
        self._listener, self._told = listener, told
        self.status_code = 200
        self.background = None
        # Proxies that collect an answer before they pass it on would make a stream of it that never comes.
        self.init_headers({"Cache-Control": "no-store", "X-Accel-Buffering": "no"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope
        gone = asyncio.create_task(_gone(receive, self._listener))
        watch.here().join(self._listener)
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            async with contextlib.aclosing(self._messages()) as messages:
                async for message in messages:
                    await send({"type": "http.response.body", "body": message.encode(), "more_body": True})
            if not gone.done():
                await send({"type": "http.response.body", "body": b""})
        finally:
            gone.cancel()
            watch.here().leave(self._listener)
            _leave(self._listener.session)

    async def _messages(self) -> AsyncGenerator[str]:
        ends = time.monotonic() + LIFE_S * (0.75 + random.random() / 4)
        yield f"retry: {random.randint(*RETRY_MS)}\n\n"
        while not (self._listener.ended or hub.here().closing or time.monotonic() > ends):
            moved = self._listener.take()
            mark = mark_of(self._listener.known)
            if not moved:
                yield ":\n\n"
            elif mark != self._told:
                self._told = mark
                yield f"id:{mark}\nevent:look\ndata:{' '.join(moved)}\n\n"
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._listener.woken.wait(), HEARTBEAT_S * (0.75 + random.random() / 4))


def mark_of(known: Mapping[str, str]) -> str:
    """What was known, as the id of a message."""
    return hashlib.sha256(repr(sorted(known.items())).encode()).hexdigest()[:20]


def _enter(session: str) -> str | None:
    """Take a place; the name of the limit that refuses it."""
    if hub.here().closing or _open.total() >= get_settings().live_streams_limit:
        return "too_many_live_streams"
    if _open[session] >= PER_SESSION_MAX:
        return "too_many_live_streams_of_session"
    _open[session] += 1
    return None


def _leave(session: str) -> None:
    _open[session] -= 1
    if not _open[session]:
        del _open[session]


async def _gone(receive: Receive, listener: Listener) -> None:
    """Until the page has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
    listener.end()
