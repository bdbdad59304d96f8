"""Who may look at, and change, what concerns the platform as a whole."""

from collections.abc import Callable

from fastapi import Request

from trivet.identity.auth import Principal, requires
from trivet.kit.errors import Forbidden


def platform(*scopes: str) -> Callable[[Request], Principal]:
    """Dependency: a caller with one of the scopes who is not bound to a tenant, whose view ends at its own rows."""
    has_scope = requires(*scopes)

    def check(request: Request) -> Principal:
        principal = has_scope(request)
        if principal.tenant_id is not None:
            raise Forbidden(f"{principal.actor} is bound to one tenant; this concerns the platform as a whole.")
        return principal

    return check
