"""One span as decoded, whatever it came in: plain values, only the attributes that somebody reads."""

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

Attributes = dict[str, Any]  # str, bool, int, float, or a list of them

TEXT_LIMIT = 256  # characters kept of a name or an id; the rest is cut
_HARMFUL = re.compile("[\x00\ud800-\udfff]")  # PostgreSQL stores neither NUL nor half of a surrogate pair


@dataclass(slots=True)
class Span:
    """Ids are raw bytes, times nanoseconds since 1970. `status` 2 is an error.

    `first_token_ns` is the time of the event that marks a stream's first token (0: none), `exception` the type named by
    an exception event.
    """

    trace_id: bytes
    span_id: bytes
    parent_id: bytes
    start_ns: int
    end_ns: int
    status: int
    attributes: Attributes
    resource: Attributes = field(default_factory=dict)
    first_token_ns: int = 0
    exception: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What decoding keeps: attribute keys, and names of events that mark a first token."""

    attributes: Collection[str]
    first_token_events: Collection[str]


def clean(text: str, limit: int = TEXT_LIMIT) -> str:
    """Text that PostgreSQL takes: NUL and lone surrogates become U+FFFD, the length is bounded."""
    text = text[:limit]
    if text.isascii() and "\0" not in text:
        return text
    return _HARMFUL.sub("\N{REPLACEMENT CHARACTER}", text)
