"""Answers from memory before any route: what a question needs is at hand while nothing has changed.

Everything else goes on to the routes with its body as it came: keys not looked up lately, keys of tenants, what has moved,
what a poll would prove for the first time, and every refusal. So this decides nothing of its own.
"""

import logging
from datetime import datetime
from typing import Final

from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trivet import db
from trivet.command import hub as hubs
from trivet.command import ofrep, polls
from trivet.command.board import Marker
from trivet.identity.auth import known, secret_of
from trivet.kit.clock import utc_now
from trivet.kit.errors import TrivetError

_log = logging.getLogger(__name__)
PATH: Final = "/ofrep/v1/evaluate/flags"


class Quick:
    """Stands before the app."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or not scope["path"].startswith(PATH):
            await self.app(scope, receive, send)
            return
        hub = hubs.here()
        hub.start()
        headers, marker = Headers(scope=scope), hub.marker()
        principal = known(secret_of(headers))
        if marker is None or principal is None or principal.tenant_id is not None or not principal.may("policy"):
            await self.app(scope, receive, send)
            return
        message = await receive()
        response = None
        if message["type"] == "http.request" and not message.get("more_body"):
            response = answer(scope["path"], headers.get("if-none-match"), message.get("body", b""), marker)
        await (response or self._on(message))(scope, receive, send)
        if isinstance(response, Proven) and polls.memory.is_to_renew(response.backend, response.now):
            await run_in_threadpool(renew, response)

    def _on(self, first: Message) -> ASGIApp:
        """The app, which gets what was read here as well."""

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            waiting = [first]

            async def again() -> Message:
                return waiting.pop() if waiting else await receive()

            await self.app(scope, again, send)

        return app


def answer(path: str, if_none_match: str | None, body: bytes, marker: Marker) -> Response | None:
    """The answer to a platform key's question; None where memory is not enough or the question is refused."""
    if len(body) > ofrep.BODY_BYTES_MAX:
        return None
    now = utc_now()
    try:
        question = ofrep.asked(body)
    except ofrep.Refused:
        return None
    backend = question.backend
    if path != PATH:
        found, key = polls.memory.good(backend, marker), path.removeprefix(PATH + "/")
        return ofrep.one(found, question, key, now) if found is not None and key in ofrep.KEYS else None
    held = ofrep.etags(if_none_match)
    found = polls.memory.good(backend, marker)
    if found is None:
        return None
    if not backend or question.tenant:
        return ofrep.evaluated(found, question, now, held)
    if found.etag in held and polls.memory.is_proven(backend, found.etag, now):
        return Proven(found, now)
    return None


class Proven(Response):
    """A 304 to a backend that holds what it should, as the database knows already."""

    def __init__(self, found: polls.Answer, now: datetime) -> None:
        super().__init__(status_code=304, headers=ofrep.document_headers(found, now))
        self.backend, self.etag, self.now = found.backend, found.etag, now


def renew(answered: Proven) -> None:
    """Put a poll to the database after it was answered. What cannot be written now, the next poll proves."""
    try:
        with db.transaction() as session:
            found = polls.answer(session, answered.backend, {answered.etag}, answered.now)
    except (SQLAlchemyError, TrivetError) as error:
        _log.warning("When %s was last seen could not be kept: %s", answered.backend, error)
        return
    if found.unchanged:
        polls.memory.prove(found.backend, found.etag, answered.now)
