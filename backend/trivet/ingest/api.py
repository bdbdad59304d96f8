"""OTLP/HTTP at the root, and quality scores under /api/v1.

The OTLP endpoints speak ASGI themselves: a small export costs less than what stands before an ordinary endpoint.
"""

from collections import Counter
from collections.abc import Mapping

from fastapi import APIRouter
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from trivet.ingest.errors import UnknownEncoding
from trivet.ingest.line import body, otlp, receive
from trivet.ingest.score import score_api
from trivet.kit.errors import TrivetError
from trivet.settings import get_settings


class Export:
    """The endpoint of one signal. 200 once all is committed; partial success names what was refused and why."""

    def __init__(self, signal: str) -> None:
        self.signal = signal

    async def __call__(self, scope: Scope, get: Receive, send: Send) -> None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        came = await receive.outcome(self.signal, "http", self._take(headers, get))
        if isinstance(came, TrivetError):
            media_type = otlp.PROTOBUF if _named(headers) == otlp.PROTOBUF else otlp.JSON
            content, more = otlp.refused(media_type, came)
            await _answer(send, came.status, media_type, content, more)
            return
        media_type = _named(headers)
        await _answer(send, 200, media_type, otlp.accepted(self.signal, media_type, came), {})

    async def _take(self, headers: Mapping[str, str], get: Receive) -> Counter[str]:
        """Read the body within its limits and store what is in it: refusals by reason."""
        principal = await receive.sender(headers)
        media_type = _named(headers)
        if media_type not in (otlp.PROTOBUF, otlp.JSON):
            said = f"Content-Type {media_type[:40]!r} is not understood; use {otlp.PROTOBUF} or {otlp.JSON}."
            raise UnknownEncoding(said)
        with receive.held(principal) as grow:
            content = await body.read(headers, get, get_settings().otlp_body_limit_bytes, grow)
            return await receive.TAKE[self.signal](content, media_type, principal)


def _named(headers: Mapping[str, str]) -> str:
    """The media type without its parameters."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()


async def _answer(send: Send, status: int, media_type: str, content: bytes, more: dict[str, str]) -> None:
    headers = {"content-type": media_type, "content-length": str(len(content))} | more
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": content})


root_router = APIRouter()
root_router.routes.extend(Route(f"/v1/{signal}", Export(signal), methods=["POST"]) for signal in receive.TAKE)
router = score_api.router
