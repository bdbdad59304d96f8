"""Cursor pages: an opaque text that says after which key to go on."""

import base64
import binascii
import json
from typing import Any

from trivet.kit.body import is_storable
from trivet.kit.errors import Invalid

FOREIGN = "This cursor is not one of ours: start again without it."
INT4 = range(-(2**31), 2**31)  # what a column of type integer can be compared with
INT8 = range(-(2**63), 2**63)  # … of type bigint

Kind = type | range


def to_cursor(key: list[Any]) -> str:
    """Cursor after the row with this key."""
    return base64.urlsafe_b64encode(json.dumps(key, separators=(",", ":")).encode()).decode().rstrip("=")


def from_cursor(cursor: str, *kinds: Kind) -> list[Any]:
    """The key again, its parts of these kinds where they are named; `Invalid` for anything not made here.

    A kind is `str`, `int` (a bigint), or the range that a whole number lies in: `INT4` for a column of that type.
    """
    try:
        key = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError, RecursionError) as bad:
        raise Invalid(FOREIGN, field="cursor") from bad
    if not isinstance(key, list) or not key or (kinds and len(key) != len(kinds)):
        raise Invalid(FOREIGN, field="cursor")
    if not all(map(_is, key, kinds or [str if isinstance(part, str) else int for part in key])):
        raise Invalid(FOREIGN, field="cursor")
    return key


def _is(part: Any, kind: Kind) -> bool:
    if kind is str:
        return isinstance(part, str) and is_storable(part)
    return type(part) is int and part in (INT8 if kind is int else kind)  # type: ignore[operator]  # a range by now


def page(items: list[dict[str, Any]], limit: int, key_of: Any) -> dict[str, Any]:
    """`{"items": […], "next_cursor": …}` out of up to `limit + 1` fetched items."""
    more = len(items) > limit
    shown = items[:limit]
    return {"items": shown, "next_cursor": to_cursor(key_of(shown[-1])) if more and shown else None}
