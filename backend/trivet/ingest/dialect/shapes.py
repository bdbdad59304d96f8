"""What the value of an attribute says, by the shape its field has: value in, value out, None for what says nothing.

Values come as text, bool, int, float, or a list of these, from protobuf and JSON alike. What comes out is of one type for
each shape, clean and within bounds. A token count that cannot be one does not vanish: it comes out as a negative number
that names its refusal (`tokens.reason_of`).
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from trivet.ingest.decode.span import clean
from trivet.ingest.dialect.providers import dotted_provider_of, provider_of, region_of_host
from trivet.ingest.models import OUTCOMES
from trivet.ingest.request.tokens import INT32_MAX, count_of, json_details, litellm_details
from trivet.pricing.tier import tier_of

LEVEL_MAX = 3
BLOCKS_LIMIT = 1_024  # block ids kept of one prompt
BLOCK_LIMIT = 64  # characters of one
FINISH_LIMIT = 64  # characters
FINISHES_LIMIT = 4_096  # characters of a JSON text of a list of them that is read
MESSAGE_LIMIT = 1_024  # characters read of an error's text
PARAMETERS_LIMIT = 16_384  # characters of call parameters that are read
_LONGEST_S = float(INT32_MAX)  # longer than any call: such a time is refused against the call's duration
_WORDS, _NUMBERS = frozenset({str, int}), frozenset({int, float})  # a truth is neither
_TRUE, _FALSE = frozenset({"true", "1", "yes"}), frozenset({"false", "0", "no"})
_BY_NAME = {name: index for index, name in enumerate(OUTCOMES)}


def name(value: Any) -> str | None:
    """Of a dimension."""
    return clean(str(value)).strip() or None if type(value) in _WORDS else None


def text(value: Any) -> str | None:
    """An id or the like."""
    return clean(str(value)) or None if type(value) in _WORDS else None


def word(value: Any) -> str | None:
    """One of a few, in lower case."""
    return clean(value).lower() or None if isinstance(value, str) else None


def flag(value: Any) -> bool | None:
    """True or false, also in words as LiteLLM has it."""
    if isinstance(value, bool):
        return value
    said = str(value).lower() if type(value) in _WORDS else ""
    return True if said in _TRUE else False if said in _FALSE else None


def whole(value: object, most: int = INT32_MAX) -> int | None:
    """A number of a policy or a limit; what is none, or out of range, is as if it had not been said."""
    if isinstance(value, str) and len(value) < 12 and value.isascii() and value.isdigit():
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most else None


def level(value: Any) -> int | None:
    return whole(value, LEVEL_MAX)


def seconds(value: Any, unit_us: int = 1_000_000) -> int | None:
    """A time as microseconds."""
    if type(value) not in _NUMBERS or not value >= 0:
        return None
    time_us: int = round(min(_LONGEST_S, value) * unit_us)
    return time_us


def milliseconds(value: Any) -> int | None:
    return seconds(value, 1_000)


def http_status(value: Any) -> int | None:
    """An HTTP status as number or text."""
    return whole(value, 999) or None


def outcome(value: Any) -> int | None:
    """Index into `OUTCOMES`."""
    return _BY_NAME.get(value.lower()) if isinstance(value, str) else None


def finish(value: Any) -> str | None:
    """The first finish reason of a list, of a JSON text of a list, or of a plain text."""
    if isinstance(value, str) and value.startswith("["):
        value = _loaded(value) if len(value) <= FINISHES_LIMIT else None
    if isinstance(value, list):
        value = value[0] if value else None
    return clean(value, FINISH_LIMIT) or None if isinstance(value, str) else None


def parameters(value: Any) -> Mapping[str, Any] | None:
    """OpenInference's call parameters, a JSON text."""
    if not isinstance(value, str) or len(value) > PARAMETERS_LIMIT:
        return None
    loaded = _loaded(value)
    return loaded if isinstance(loaded, dict) else None


def blocks(value: Any) -> tuple[str, ...] | None:
    """Ids of the blocks of a prompt."""
    return tuple(clean(str(block), BLOCK_LIMIT) for block in value[:BLOCKS_LIMIT]) if isinstance(value, list) else None


def message(value: Any) -> str | None:
    """What an error says."""
    return value[:MESSAGE_LIMIT] or None if isinstance(value, str) else None


def content(value: Any) -> str | None:
    """A prompt: hashed and forgotten."""
    return str(value) or None


def _loaded(value: str) -> Any:
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return None


Shape = Callable[[Any], Any]

SHAPES: Final[dict[str, Shape]] = {
    "name": name,
    "text": text,
    "word": word,
    "flag": flag,
    "whole": whole,
    "level": level,
    "count": count_of,
    "seconds": seconds,
    "milliseconds": milliseconds,
    "http_status": http_status,
    "outcome": outcome,
    "finish": finish,
    "parameters": parameters,
    "blocks": blocks,
    "message": message,
    "content": content,
    "provider": provider_of,
    "dotted_provider": dotted_provider_of,
    "region_of_host": region_of_host,
    "tier": tier_of,
    "json_details": json_details,
    "repr_details": litellm_details,
}
