"""Cursor pages: an opaque text that says after which key to go on."""

import base64
import binascii
import json
from typing import Any

from trivet.kit.errors import Invalid

FOREIGN = "This cursor is not one of ours: start again without it."
WHOLE_LIMIT = 2**63  # ids beyond it would be an error of the database


def to_cursor(key: list[Any]) -> str:
    """Cursor after the row with this key."""
    return base64.urlsafe_b64encode(json.dumps(key, separators=(",", ":")).encode()).decode().rstrip("=")


def from_cursor(cursor: str, *kinds: type) -> list[Any]:
    """The key again, its parts of these kinds where they are named; `Invalid` for anything not made here."""
    try:
        key = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError, RecursionError) as bad:
        raise Invalid(FOREIGN, field="cursor") from bad
    if not isinstance(key, list) or not key or (kinds and len(key) != len(kinds)):
        raise Invalid(FOREIGN, field="cursor")
    if not all(map(_is, key, kinds or map(type, key))):
        raise Invalid(FOREIGN, field="cursor")
    return key


def _is(part: Any, kind: type) -> bool:
    if kind is int:
        return type(part) is int and abs(part) < WHOLE_LIMIT
    return isinstance(part, kind) and "\0" not in str(part)


def page(items: list[dict[str, Any]], limit: int, key_of: Any) -> dict[str, Any]:
    """`{"items": […], "next_cursor": …}` out of up to `limit + 1` fetched items."""
    more = len(items) > limit
    shown = items[:limit]
    return {"items": shown, "next_cursor": to_cursor(key_of(shown[-1])) if more and shown else None}
