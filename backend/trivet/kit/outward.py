"""Whether an address that somebody entered may be called: a server that calls anything for anyone is a way in. Pure.

Only hosts on a list are called. A name is compared as it stands and never looked up, so no name server can talk its way in.
"""

import logging
from collections.abc import Iterable
from ipaddress import ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

from trivet.kit.errors import Invalid

URL_MAX = 2_000
# At INFO it writes down each address it calls, with the password and the token in it.
logging.getLogger("httpx").setLevel(logging.WARNING)


def callable_url(url: str, hosts: Iterable[str], *, field: str = "url") -> SplitResult:
    """The parts of an http(s) address whose host is on the list; `Invalid` with what to do otherwise."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        host, parts = "", SplitResult("", "", "", "", "")
    if parts.scheme not in ("http", "https") or not host or len(url) > URL_MAX or not url.isprintable() or " " in url:
        raise Invalid("Write an address such as https://hooks.example.com/trivet.", field=field)
    check_host(host, hosts, field=field)
    return parts


def check_host(host: str, hosts: Iterable[str], *, field: str = "url") -> None:
    """`Invalid` unless the host is on the list."""
    if not is_listed(host, hosts):
        raise Invalid(
            f"Trivet calls no host {host[:200]!r}: whoever runs it may allow that in TRIVET_OUTWARD_HOSTS.", field=field
        )


def is_listed(host: str, hosts: Iterable[str]) -> bool:
    """Whether a host is one of these: a name, all names beneath one (`*.example.com`), or an address in a network."""
    host = host.lower().rstrip(".")
    return any(_fits(host, one.lower().strip()) for one in hosts)


def _fits(host: str, listed: str) -> bool:
    if listed.startswith("*."):
        return host.endswith(listed[1:]) and host != listed[1:]
    if host == listed:
        return True
    try:
        return ip_address(host) in ip_network(listed, strict=False)
    except ValueError:  # a name, or a list entry that is one
        return False
