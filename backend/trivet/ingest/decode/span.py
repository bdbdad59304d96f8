"""One span as decoded, whatever it came in: plain values, and what its attributes say by field."""

import re
from dataclasses import dataclass
from typing import Any

from trivet.ingest.dialect.fields import Said

TEXT_LIMIT = 256  # characters kept of a name or an id; the rest is cut
_HARMFUL = re.compile("[\x00\ud800-\udfff]")  # PostgreSQL stores neither NUL nor half of a surrogate pair

Attributes = dict[str, Any]  # str, bool, int, float, or a list of them


@dataclass(slots=True)
class Span:
    """Ids are raw bytes, times nanoseconds since 1970. `status` 2 is an error.

    `said` holds what the span and its resource say, by slot of `fields`. `first_token_ns` is the time of the event that
    marks a stream's first token (0: none), `exception` the type named by an exception event, `message` what the event or
    the status says of an error.
    """

    trace_id: bytes
    span_id: bytes
    parent_id: bytes
    start_ns: int
    end_ns: int
    status: int
    said: Said
    first_token_ns: int = 0
    exception: str = ""
    message: str = ""


def clean(text: str, limit: int = TEXT_LIMIT) -> str:
    """Text that PostgreSQL takes: NUL and lone surrogates become U+FFFD, the length is bounded."""
    text = text[:limit]
    if text.isascii() and "\0" not in text:
        return text
    return _HARMFUL.sub("\N{REPLACEMENT CHARACTER}", text)
