"""An ASGI middleware that holds budget around the calls of an app: no room, no call.

    app = Reserving(app, reserver, call_of)

`call_of` says of a request what it will call, or None where it calls no model. What is held is at
`scope["state"]["trivet_held"]`: post what the call came to there, and put its `attributes` on the call's span where that is
not the span that is current here.
"""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from opentelemetry import trace

from trivet_collectors.policy.lane import Call
from trivet_collectors.policy.reserver import Held, RefusedError, Reserver

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
STATE: Final = "trivet_held"
STATUS: Final = {"budget-exceeded": 402, "away": 503}  # by the refusal's kind; 422 for any other


class Reserving:
    """Wraps an app. A call that nobody posts is posted as estimated once the app is through with the request."""

    def __init__(self, app: App, reserver: Reserver, call_of: Callable[[Scope], Call | None]) -> None:
        self.app, self.reserver, self.call_of = app, reserver, call_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = self.call_of(scope) if scope["type"] == "http" else None
        if call is None:
            await self.app(scope, receive, send)
            return
        try:
            held = await self.reserver.adraw(call)
        except RefusedError as refused:
            await _refuse(refused, send)
            return
        scope.setdefault("state", {})[STATE] = held
        _say(held)
        try:
            await self.app(scope, receive, send)
        finally:
            held.post()


def _say(held: Held) -> None:
    trace.get_current_span().set_attributes(held.attributes)


async def _refuse(refused: RefusedError, send: Send) -> None:
    """The same problem that Trivet answers with, so that one handler serves both."""
    refusal = refused.refusal
    status = STATUS.get(refusal.kind, 422)
    body = {
        "type": f"urn:trivet:problem:{refusal.kind or 'refused'}",
        "status": status,
        "detail": refusal.detail,
        "budget": refusal.budget,
        "resets_at": refusal.resets_at,
    }
    headers = [(b"content-type", b"application/problem+json")]
    if status == 503:
        headers.append((b"retry-after", b"1"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(body).encode()})
