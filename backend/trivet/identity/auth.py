"""Who is asking: an API key in `Authorization: Bearer`, or a person's session cookie."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fastapi import Request

from trivet import db
from trivet.identity import service
from trivet.identity.models import User
from trivet.kit.clock import utc_now
from trivet.kit.errors import Forbidden, Unauthenticated
from trivet.kit.ids import secret_hash

COOKIE = "trivet_session"
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
    token = request.cookies.get(COOKIE)
    if token and request.method in {"GET", "HEAD"}:
        with db.transaction() as session:
            signed_in = service.who(session, token, utc_now())
        if signed_in:
            return person(signed_in[0])
    raise Unauthenticated(NO_KEY)


def secret_of(headers: Mapping[str, str]) -> str:
    """The API key in headers or gRPC metadata with names in lower case: a bearer token, else `x-api-key`; else ""."""
    scheme, _, secret = headers.get("authorization", "").strip().partition(" ")
    return secret.strip() if scheme.lower() == "bearer" and secret else headers.get("x-api-key", "").strip()


def person(user: User) -> Principal:
    """The principal of a signed-in person."""
    return Principal(user.email, ROLE_SCOPES[user.role], user.tenant_id, user.role)


def requires(*scopes: str) -> Callable[[Request], Principal]:
    """Dependency: the caller, who has at least one of the scopes (`admin` implies all)."""

    def check(request: Request) -> Principal:
        return having(authenticate(request), *scopes)

    return check


def having(principal: Principal, *scopes: str) -> Principal:
    """The same principal, who has at least one of the scopes; else `Forbidden`."""
    if not any(principal.may(scope) for scope in scopes):
        raise Forbidden(f"This needs the scope {' or '.join(scopes)}; {principal.actor} does not have it.")
    return principal


def platform(*scopes: str) -> Callable[[Request], Principal]:
    """Dependency: a caller with one of the scopes who is not bound to a tenant, whose view ends at its own rows."""
    has_scope = requires(*scopes)

    def check(request: Request) -> Principal:
        principal = has_scope(request)
        if principal.tenant_id is not None:
            raise Forbidden(f"{principal.actor} is bound to one tenant; this concerns the platform as a whole.")
        return principal

    return check
