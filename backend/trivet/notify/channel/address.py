"""Where a channel leads: checked when it is entered, sealed where it is kept, masked where it is shown."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from trivet.kit.errors import Invalid
from trivet.kit.outward import callable_url, check_host
from trivet.kit.sealed import seal, unseal
from trivet.kit.webhook import BadSecret, key_of, new_secret
from trivet.notify import compose
from trivet.notify.channel.library import instance
from trivet.settings import Settings

Kind = Literal["apprise", "mail", "webhook", "alertmanager"]
KINDS = ("apprise", "mail", "webhook", "alertmanager")
REPLICAS_MAX = 8
URL_MAX = 2_000
PURPOSE = "channel"
TOKEN_MIN = 8  # characters of what may be a token
_PIECES = re.compile(r"[/?&=:#;,]+")
_HOSTS = frozenset({"host"})  # the token of an Apprise URL that names a host of the reader's own


@dataclass(frozen=True, slots=True)
class Given:
    """What somebody entered, of which each kind uses its own: a URL, addresses of mail, addresses of replicas."""

    url: str = ""
    to: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    secret: str = ""


def checked(kind: str, given: Given, settings: Settings) -> dict[str, Any]:
    """The channel's address in full; `Invalid` naming the field for what it cannot be."""
    if kind == "mail":
        return {"to": compose.addresses(given.to)}
    if kind == "webhook":
        callable_url(given.url, settings.outward_hosts)
        return {"url": given.url, "secret": _secret(given.secret)}
    if kind == "alertmanager":
        return {"urls": _replicas(given.urls, settings)}
    return {"url": _service(given.url, settings)}


def still_allowed(kind: str, address: Mapping[str, Any], settings: Settings) -> None:
    """`Invalid` where the settings no longer allow it: they may have changed since it was entered."""
    if kind == "webhook":
        callable_url(address["url"], settings.outward_hosts)
    elif kind == "alertmanager":
        _replicas(address["urls"], settings)
    elif kind == "apprise":
        _service(address["url"], settings)


def sealed(address: Mapping[str, Any], settings: Settings) -> bytes:
    return seal(settings.secret_key.get_secret_value(), PURPOSE, json.dumps(address))


def opened(content: bytes, settings: Settings) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(unseal(settings.secret_key.get_secret_value(), PURPOSE, content))
    return found


def shown(kind: str, address: Mapping[str, Any]) -> list[str]:
    """What may be seen of an address: whom it reaches, nothing that opens it."""
    if kind == "mail":
        return list(address["to"])
    if kind == "alertmanager":
        return [_masked(url) for url in address["urls"]]
    return [_masked(address["url"])]


def _masked(url: str) -> str:
    """`https://hooks.example.com/…`; of a hosted service only its name, for its host is a token."""
    parts = urlsplit(url)
    if not _names_its_host(url):
        return f"{parts.scheme}://…"
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname or ''}{port}{'/…' if parts.path.strip('/') or parts.query else ''}"


def replica_names(urls: Sequence[str]) -> dict[str, str]:
    """What each replica is called where people see it, by its address: that may hold a password. No two are called the same."""
    names: dict[str, str] = {}
    for url in urls:
        name = _masked(url)
        alike = sum(other == name or other.startswith(f"{name} (") for other in names.values())
        names[url] = f"{name} ({alike + 1})" if alike else name
    return names


def without_secrets(words: str, address: Mapping[str, Any]) -> str:
    """What somebody may read of words that came from outside: a receiver's answer may repeat what it was called by."""
    for part in sorted(_secrets(address), key=len, reverse=True):
        words = words.replace(part, "…")
    return words


def _secrets(address: Mapping[str, Any]) -> set[str]:
    """Whatever in an address may open something: passwords, and what of a path or a query is long enough to be a token."""
    found = {address.get("secret", "")}
    for url in (address.get("url", ""), *address.get("urls", ())):
        signed_in, _, rest = url.partition("://")[2].rpartition("@")
        found |= set(_PIECES.split(signed_in))
        found |= {piece for piece in _PIECES.split(rest.partition("/")[2]) if len(piece) >= TOKEN_MIN}
        if url and not _names_its_host(url):
            found |= {piece for piece in _PIECES.split(rest) if len(piece) >= TOKEN_MIN}
    return {form for one in found if one for form in (one, unquote(one))}


def _names_its_host(url: str) -> bool:
    return url.startswith(("http://", "https://")) or names_a_host(url)


def names_a_host(url: str) -> bool:
    """Whether an Apprise URL names a host of the reader's own, and not a service that has its own."""
    service = instance(url)
    return service is not None and bool(_HOSTS & set(service.template_tokens))


def _service(url: str, settings: Settings) -> str:
    schema = url.partition("://")[0].lower()
    if len(url) > URL_MAX or not url.isprintable() or "://" not in url:
        raise Invalid("Write a URL of Apprise's, such as slack://tokenA/tokenB/tokenC/#channel.", field="url")
    if schema not in settings.outward_services:
        raise Invalid(
            f"Trivet sends to no service {schema[:40]!r}: whoever runs it may allow that in TRIVET_OUTWARD_SERVICES. Now "
            f"there are {', '.join(settings.outward_services)}.",
            field="url",
        )
    service = instance(url)
    if service is None:
        raise Invalid(f"Apprise does not understand this {schema} URL. Its wiki says how one is written.", field="url")
    if _HOSTS & set(service.template_tokens):
        check_host(service.host or "", settings.outward_hosts)
    return url


def _replicas(urls: Sequence[str], settings: Settings) -> list[str]:
    found = list(dict.fromkeys(url.rstrip("/") for url in urls))
    if not 1 <= len(found) <= REPLICAS_MAX:
        raise Invalid(f"Name each replica of the Alertmanager: 1 to {REPLICAS_MAX} addresses.", field="urls")
    for url in found:
        callable_url(url, settings.outward_hosts, field="urls")
    return found


def _secret(given: str) -> str:
    if not given:
        return new_secret()
    try:
        key_of(given)
    except BadSecret as bad:
        raise Invalid(str(bad), field="secret") from bad
    return given
