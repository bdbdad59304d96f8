"""What an export may become in memory, checked before it is parsed."""

from typing import Any

from trivet.ingest.line import structure, wire
from trivet.ingest.line.otlp import JSON
from trivet.settings import get_settings


def check_elements(body: bytes, media_type: str, message: Any) -> None:
    """`TooManyItems` for a body that would take too much memory once parsed; `message` is its protobuf class."""
    limit = get_settings().otlp_elements_limit
    if media_type == JSON:
        structure.check_elements(body, limit)
    else:
        wire.check_elements(body, wire.fields_of(message.DESCRIPTOR), limit)
