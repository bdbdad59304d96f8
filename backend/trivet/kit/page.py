"""Cursor pages: an opaque text that says after which key to go on."""

import base64
import binascii
import json
from typing import Any

from trivet.kit.errors import Invalid


def to_cursor(key: list[Any]) -> str:
    """Cursor after the row with this key."""
    return base64.urlsafe_b64encode(json.dumps(key, separators=(",", ":")).encode()).decode().rstrip("=")


def from_cursor(cursor: str) -> list[Any]:
    """The key again; `Invalid` for anything not made here."""
    try:
        key = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError) as bad:
        raise Invalid("This cursor is not one of ours: start again without it.", field="cursor") from bad
    if not isinstance(key, list):
        raise Invalid("This cursor is not one of ours: start again without it.", field="cursor")
    return key


def page(items: list[dict[str, Any]], limit: int, key_of: Any) -> dict[str, Any]:
    """`{"items": […], "next_cursor": …}` out of up to `limit + 1` fetched items."""
    more = len(items) > limit
    shown = items[:limit]
    return {"items": shown, "next_cursor": to_cursor(key_of(shown[-1])) if more and shown else None}
