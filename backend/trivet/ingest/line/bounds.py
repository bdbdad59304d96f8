"""What an export may become in memory, checked before it is parsed."""

from typing import Any

from trivet.ingest.errors import TooManyItems
from trivet.ingest.line import structure, wire
from trivet.ingest.line.otlp import JSON
from trivet.settings import get_settings

SMALL_BYTES = 64 << 10
SMALL_SPANS, SMALL_OBJECTS = 1_000, 4_000  # of protobuf, of JSON: some milliseconds' work


def check_elements(body: bytes, media_type: str, message: Any) -> None:
    """`TooManyItems` for a body that would take too much memory once parsed; `message` is its protobuf class."""
    limit = get_settings().otlp_elements_limit
    if media_type == JSON:
        structure.check_elements(body, limit)
    else:
        wire.check_elements(body, wire.fields_of(message.DESCRIPTOR), limit)


def is_small(body: bytes, media_type: str) -> bool:
    """Whether spans are read so quickly that handing them to a thread would cost more.

    64 KiB of common spans are a few dozen; of empty ones they are 30,000, which would keep everybody else waiting.
    """
    if len(body) > SMALL_BYTES:
        return False
    if media_type == JSON:
        return body.count(b"{") <= SMALL_OBJECTS
    try:
        wire.check_count(body, wire.SPANS, SMALL_SPANS, "spans")
    except TooManyItems:
        return False
    return True
