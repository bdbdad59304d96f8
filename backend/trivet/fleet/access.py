"""Who may look at, and change, the fleet: callers that are not bound to one tenant."""

from collections.abc import Callable

from fastapi import Request

from trivet.identity.auth import Principal, requires
from trivet.kit.errors import Forbidden


def platform(*scopes: str) -> Callable[[Request], Principal]:
    """Dependency: a caller with one of the scopes whose view does not end at one tenant's rows."""
    has_scope = requires(*scopes)

    def check(request: Request) -> Principal:
        principal = has_scope(request)
        if principal.tenant_id is not None:
            raise Forbidden(f"{principal.actor} is bound to one tenant; this concerns the platform as a whole.")
        return principal

    return check
