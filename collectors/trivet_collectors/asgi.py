"""The policy in an ASGI app: who calls, what applies to them, and whether they are let in at all.

    app = Obeying(app, policy_client, default_scenario="support-chat")

Inside, `current()` is the policy of the request at hand, as `scope["state"]["trivet"]` is; `annotate(span)` puts on a span
what proves it. Whoever is not let in gets an RFC 9457 problem with Retry-After. Bodies pass through untouched.

Pure ASGI, standard library only beside the policy client. Put `policy.reserving.Reserving` inside it to hold budget.
"""

import json
import random
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from trivet_collectors import semconv as sc
from trivet_collectors.policy.admission import Admission, Turned
from trivet_collectors.policy.client import PolicyClient, attributes_of
from trivet_collectors.policy.evaluate import FlagValue

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Name = str | Callable[[Scope], object]  # a header's name, or who says it of a request

STATE: Final = "trivet"
CHARACTERS_MAX: Final = 256
TRY_AGAIN_LATER: Final = 1013  # the status that a WebSocket is closed with
REASON_BYTES_MAX: Final = 123  # of UTF-8, as RFC 6455 has it


@dataclass(frozen=True)
class Governed:
    """A request and what applies to it."""

    tenant: str
    scenario: str
    session: str
    tier: str
    backend: str
    flags: Mapping[str, FlagValue] = field(repr=False)

    @property
    def attributes(self) -> dict[str, str | int]:
        """What a span of this request says: for whom, and under which policy."""
        who = {
            sc.TRIVET_TENANT: self.tenant,
            sc.TRIVET_SCENARIO: self.scenario,
            sc.TRIVET_BACKEND: self.backend,
            sc.GEN_AI_CONVERSATION_ID: self.session,
        }
        return {name: value for name, value in who.items() if value} | attributes_of(self.flags)


class Takes(Protocol):
    def set_attributes(self, attributes: Mapping[str, Any]) -> None: ...


_current: ContextVar[Governed | None] = ContextVar("trivet_governed", default=None)


def current() -> Governed | None:
    """The request at hand with its policy; None outside of one."""
    return _current.get()


def annotate(span: Takes) -> None:
    """Put on a span under which policy the request at hand runs. Nothing outside of one."""
    governed = _current.get()
    if governed is not None:
        span.set_attributes(governed.attributes)


class Obeying:
    """Wraps an app. Each of `tenant`, `scenario`, `session` and `tier` is a header's name or a function of the scope;
    `default_scenario` counts where that says nothing.

    Callers write headers, so take the tenant and the tier from what authenticated them (`scope["user"]`) where you can.
    `governs` says which requests are calls at all; those that are not (health, static files) pass.
    """

    def __init__(
        self,
        app: App,
        policy: PolicyClient,
        *,
        default_scenario: str = "",
        tenant: Name = "x-trivet-tenant",
        scenario: Name = "x-trivet-scenario",
        session: Name = "x-trivet-session",
        tier: Name = "x-trivet-tier",
        governs: Callable[[Scope], bool] = lambda _scope: True,
        admission: Admission | None = None,
    ) -> None:
        self.app, self.policy, self.governs = app, policy, governs
        self.default_scenario = default_scenario
        self.admission = admission or Admission()
        self._names: dict[str, Name] = {"tenant": tenant, "scenario": scenario, "session": session, "tier": tier}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or not self.governs(scope):
            await self.app(scope, receive, send)
            return
        governed = self._governed(scope)
        caller = f"{governed.scenario}\0{governed.tenant}"
        turned = self.admission.turned(caller, governed.flags, datetime.now(UTC), random.random())
        if turned is not None:
            await _turn_away(turned, scope, receive, send)
            return
        scope.setdefault("state", {})[STATE] = governed
        token = _current.set(governed)
        try:
            await self.app(scope, receive, send)
        finally:
            _current.reset(token)

    def _governed(self, scope: Scope) -> Governed:
        said = {name: _said(how, scope) for name, how in self._names.items()}
        said["scenario"] = said["scenario"] or self.default_scenario
        flags = self.policy.policy(
            said["tenant"] or None, said["scenario"], said["session"] or None, tier=said["tier"] or None
        )
        return Governed(**said, backend=self.policy.backend, flags=flags)


def _said(how: Name, scope: Scope) -> str:
    value = how(scope) if callable(how) else _header(scope, how)
    return "" if value is None else str(value).strip()[:CHARACTERS_MAX]  # an id may be a number


def _header(scope: Scope, name: str) -> str | None:
    wanted = name.lower().encode("latin-1")
    return next((value.decode("latin-1") for key, value in scope.get("headers", ()) if key == wanted), None)


async def _turn_away(turned: Turned, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await receive()  # its connect, which is to be heard before it is refused
        reason = turned.message.encode()[:REASON_BYTES_MAX].decode(errors="ignore")
        await send({"type": "websocket.close", "code": TRY_AGAIN_LATER, "reason": reason})
        return
    body = json.dumps(turned.problem()).encode()
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    if turned.retry_after_s:
        headers.append((b"retry-after", str(turned.retry_after_s).encode()))
    await send({"type": "http.response.start", "status": turned.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
