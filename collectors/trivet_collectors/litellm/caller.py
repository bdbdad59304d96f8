"""For whom a call is, and what it is part of: from the proxy's key first, then from what the request says. Pure.

Tenant and tier decide how much a caller may do, so only the key and its team can say them, unless the settings trust
callers. Scenario and session are the request's to say.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

NAME_CHARACTERS_MAX: Final = 256
SESSION_HEADERS: Final = ("x-trivet-session", "x-litellm-session-id")


@dataclass(frozen=True)
class Caller:
    """Empty where nothing says it."""

    tenant: str
    scenario: str
    tier: str
    session: str
    end_user: str


def caller_of(
    key: Any, body: Mapping[str, Any], *, tenant: str = "", scenario: str = "", trust_caller: bool = False
) -> Caller:
    """`key` is the proxy's `UserAPIKeyAuth`; `tenant` and `scenario` are what counts where nothing says them.

    Tenant: `trivet_tenant` in the metadata of the key or its team, else the team's alias, else the key's. With
    `trust_caller` a request's own metadata or header goes first.
    """
    owned = (_mapping(getattr(key, "metadata", None)), _mapping(getattr(key, "team_metadata", None)))
    headers = _headers(body)
    asked = _mapping(body.get("litellm_metadata")), _mapping(body.get("metadata"))
    trusted = (*asked, *owned) if trust_caller else owned
    aliases = (getattr(key, "team_alias", None), getattr(key, "key_alias", None))
    said_tenant = [headers.get("x-trivet-tenant")] if trust_caller else []
    said_tier = [headers.get("x-trivet-tier")] if trust_caller else []
    return Caller(
        tenant=_first((*said_tenant, *_said(trusted, "trivet_tenant"), *aliases, tenant)),
        scenario=_first((
            headers.get("x-trivet-scenario"), *_said(asked, "trivet_scenario", "scenario"),
            *_said(owned, "trivet_scenario"), scenario,
        )),
        tier=_first((*said_tier, *_said(trusted, "trivet_tier"))),
        session=_first((
            *(headers.get(name) for name in SESSION_HEADERS), *_said(asked, "trivet_session", "session_id"),
            body.get("litellm_session_id"),
        )),
        end_user=_first((body.get("user"), getattr(key, "end_user_id", None))),
    )  # fmt: skip


def _headers(body: Mapping[str, Any]) -> Mapping[str, Any]:
    headers = _mapping(_mapping(body.get("proxy_server_request")).get("headers"))
    return {str(name).lower(): value for name, value in headers.items()}


def _said(places: Iterable[Mapping[str, Any]], *names: str) -> list[Any]:
    return [place.get(name) for place in places for name in names]


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _first(values: Iterable[Any]) -> str:
    found = next((value for value in values if isinstance(value, str) and value.strip()), "")
    return found.strip()[:NAME_CHARACTERS_MAX]
