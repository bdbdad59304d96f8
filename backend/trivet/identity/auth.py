"""Who is asking: an API key in `Authorization: Bearer`, or a person's session cookie."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection

from trivet import db
from trivet.identity import service, sessions
from trivet.kit.clock import utc_now
from trivet.kit.errors import Forbidden, Unauthenticated
from trivet.kit.ids import secret_hash
from trivet.settings import get_settings

COOKIE = "trivet_session"
TLS_PREFIX = "__Host-"  # a browser takes such a cookie over TLS only, for this host only
NO_KEY = "Send an API key as `Authorization: Bearer tvt_…`."
KEY_CACHE_S = 2.0  # a key revoked elsewhere works this much longer at most; revoked in this process it ends at once
KEY_CACHE_SIZE = 10_000

# What each role may do through the API, as scopes. `command` is the right to change a desired state.
ROLE_SCOPES = {
    "admin": frozenset({"admin"}),
    "finance": frozenset({"read", "finance"}),
    "sre": frozenset({"read", "command", "operations"}),
    "product_owner": frozenset({"read", "command", "product"}),
    "viewer": frozenset({"read"}),
}


@dataclass(frozen=True, slots=True)
class Principal:
    """Who acts. `tenant_id` is set for a key or a person of one tenant: they see and send only that tenant's rows."""

    actor: str
    scopes: frozenset[str]
    tenant_id: int | None = None
    role: str | None = None
    key_id: int = 0

    def may(self, scope: str) -> bool:
        return scope in self.scopes or "admin" in self.scopes


_keys: dict[bytes, tuple[float, Principal]] = {}
_epoch = 0
db.caches.append(_keys.clear)


def known(secret: str) -> Principal | None:
    """The principal of a key looked up in the last `KEY_CACHE_S`, without asking anybody; None for every other key."""
    cached = _keys.get(secret_hash(secret))
    return cached[1] if cached and cached[0] > time.monotonic() else None


def forget_keys() -> None:
    """Look every key up again, also those being looked up at this moment: one was revoked."""
    global _epoch  # noqa: PLW0603  # a count of revocations in this process
    _epoch += 1
    _keys.clear()


def key_principal(secret: str) -> Principal:
    """The principal of an API key; `Unauthenticated` for an unknown or revoked one. Cached for `KEY_CACHE_S`."""
    if (cached := known(secret)) is not None:
        return cached
    digest, looked_up_in = secret_hash(secret), _epoch
    with db.transaction() as session:
        key = service.find_key(session, secret)
        if key is not None:
            service.note_use(session, key, utc_now())
    if key is None:
        _keys.pop(digest, None)
        raise Unauthenticated("This API key is unknown or revoked. Ask an admin for one: POST /api/v1/keys.")
    principal = Principal(f"key:{key.name}", frozenset(key.scopes), key.tenant_id, None, key.id)
    if len(_keys) >= KEY_CACHE_SIZE:
        _keys.clear()
    if looked_up_in == _epoch:
        _keys[digest] = (time.monotonic() + KEY_CACHE_S, principal)
    return principal


def authenticate(request: Request) -> Principal:
    """From the header, else from the cookie. A cookie only reads: changes by cookie go through the console."""
    found: Principal | None = getattr(request.state, "principal", None)
    if found is not None:
        return found
    if secret := secret_of(request.headers):
        return key_principal(secret)
    token = request.cookies.get(cookie_name(request))
    if token and request.method in {"GET", "HEAD"}:
        with db.transaction() as session:
            signed_in = sessions.who(session, token, utc_now(), sessions.rules_of(get_settings()))
        if signed_in:
            user = signed_in[0]
            return person(user.email, user.role, user.tenant_id)
    raise Unauthenticated(NO_KEY)


def cookie_name(request: HTTPConnection, name: str = COOKIE) -> str:
    """What a cookie is called here: over TLS with the prefix that keeps others from setting it."""
    return f"{TLS_PREFIX}{name}" if request.url.scheme == "https" else name


def secret_of(headers: Mapping[str, str]) -> str:
    """The API key in headers or gRPC metadata with names in lower case: a bearer token, else `x-api-key`; else ""."""
    scheme, _, secret = headers.get("authorization", "").strip().partition(" ")
    return secret.strip() if scheme.lower() == "bearer" and secret else headers.get("x-api-key", "").strip()


def person(email: str, role: str, tenant_id: int | None = None) -> Principal:
    """The principal of a signed-in person."""
    return Principal(email, ROLE_SCOPES[role], tenant_id, role)


class Needs(SecurityBase):
    """Dependency: the caller, who has at least one of the scopes (`admin` implies all).

    `whole`: and who is not bound to a tenant, whose view ends at its own rows. The API's document tells both of each
    operation, as a security scheme of its own.
    """

    def __init__(self, *scopes: str, whole: bool = False) -> None:
        self.scopes, self.whole = scopes, whole
        self.scheme_name = "-".join(("platform" if whole else "any", *scopes))
        words = " or ".join(scopes)
        said = f"A caller with the scope {words}" + (", who is bound to no tenant." if whole else ".")
        told: dict[str, Any] = {"x-trivet-scopes": list(scopes), "x-trivet-platform": whole}
        self.model = HTTPBearer(bearerFormat="tvt_…", description=said, **told)

    async def __call__(self, request: Request) -> Principal:
        """No thread is needed where whoever stands in front has looked the caller up, or it was a moment ago."""
        found: Principal | None = getattr(request.state, "principal", None) or known(secret_of(request.headers))
        if found is None:
            found = await run_in_threadpool(authenticate, request)
        principal = having(found, *self.scopes)
        if self.whole and principal.tenant_id is not None:
            raise Forbidden(f"{principal.actor} is bound to one tenant; this concerns the platform as a whole.")
        return principal


def requires(*scopes: str) -> Needs:
    """Dependency: a caller with one of the scopes."""
    return Needs(*scopes)


def platform(*scopes: str) -> Needs:
    """Dependency: a caller with one of the scopes who is not bound to a tenant."""
    return Needs(*scopes, whole=True)


def having(principal: Principal, *scopes: str) -> Principal:
    """The same principal, who has at least one of the scopes; else `Forbidden`."""
    if not any(principal.may(scope) for scope in scopes):
        raise Forbidden(f"This needs the scope {' or '.join(scopes)}; {principal.actor} does not have it.")
    return principal
