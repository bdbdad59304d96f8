"""OTLP traces out of OTLP/JSON: lowerCamelCase, hex ids, 64-bit integers as text or numbers, enums as numbers.

Enum names are taken too, as a kindness. Unknown fields are ignored. Nesting is bounded: Python's parser gives up at its
recursion limit, and values are read two levels deep at most.
"""

import json
import math
from collections.abc import Collection, Iterator
from typing import Any

from trivet.ingest.decode.memo import Memo
from trivet.ingest.decode.span import Attributes, Span
from trivet.ingest.decode.spans import ERROR, EVENTS_MAX, MESSAGE_LIMIT, tell_exception
from trivet.ingest.decode.wanted import EXCEPTION_EVENT, EXCEPTION_MESSAGE, EXCEPTION_TYPE, Wanted
from trivet.ingest.dialect.vocabulary import Ranked, nothing_said
from trivet.ingest.errors import Malformed, TooManyItems

_UINT64_MAX = 2**64 - 1
_INT64_MIN, _INT64_MAX = -(2**63), 2**63 - 1
STATUS = {"STATUS_CODE_UNSET": 0, "STATUS_CODE_OK": 1, "STATUS_CODE_ERROR": 2, "0": 0, "1": 1, "2": 2}


def load(body: bytes) -> dict[str, Any]:
    """The JSON object in a body; `Malformed` for anything else, also for nesting without end.

    JSON is UTF-8 here, as OTLP has it: elements were counted (`structure`) on that understanding.
    """
    try:
        loaded = json.loads(body.decode("utf-8-sig", "surrogatepass"))
    except (ValueError, RecursionError) as bad:
        raise Malformed("The body is not valid JSON, or is nested too deeply.") from bad
    if not isinstance(loaded, dict):
        raise Malformed("The body is not a JSON object.")
    return loaded


def spans_of_json(body: bytes, wanted: Wanted, limit: int) -> list[Span]:
    """Spans of an `ExportTraceServiceRequest` in JSON; `TooManyItems` over `limit`."""
    groups = [
        (member(in_resource, "resource"), in_scope)
        for in_resource in objects(load(body), "resourceSpans")
        for in_scope in objects(in_resource, "scopeSpans")
    ]
    count = sum(len(objects(in_scope, "spans")) for _, in_scope in groups)
    if count > limit:
        raise TooManyItems(f"This export has {count} spans; at most {limit} are taken at once. Send smaller batches.")
    return list(_spans(groups, wanted))


def _spans(groups: list[tuple[dict[str, Any], dict[str, Any]]], wanted: Wanted) -> Iterator[Span]:
    for resource, in_scope in groups:
        shared = _say(resource, wanted.resource, nothing_said())
        for span in objects(in_scope, "spans"):
            status = member(span, "status")
            code = _status(status.get("code"))
            decoded = Span(
                id_of(span, "traceId"),
                id_of(span, "spanId"),
                id_of(span, "parentSpanId"),
                uint64(span, "startTimeUnixNano"),
                uint64(span, "endTimeUnixNano"),
                code,
                _say(span, wanted.span, shared.copy()).said,
                message=text(status, "message")[:MESSAGE_LIMIT] if code == ERROR else "",
            )
            _read_events(decoded, objects(span, "events"), wanted.first_token_events)
            yield decoded


def _say(parent: dict[str, Any], memo: Memo, ranked: Ranked) -> Ranked:
    """Add what the attributes of a span or a resource say."""
    for pair in objects(parent, "attributes"):
        key = pair.get("key")
        if isinstance(key, str) and key in memo.places:
            ranked.add(memo.say(key, _value(member(pair, "value"))))
    return ranked


def objects(parent: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """A repeated message field; absent and null are empty."""
    items = parent.get(key)
    if items is None:
        return []
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise Malformed(f"`{key}` must be a list of objects.")
    return items


def numbers(parent: dict[str, Any], key: str) -> list[Any]:
    """A repeated number field, as it came; absent and null are empty."""
    items = parent.get(key)
    if items is None:
        return []
    if not isinstance(items, list):
        raise Malformed(f"`{key}` must be a list of numbers.")
    return items


def member(parent: dict[str, Any], key: str) -> dict[str, Any]:
    """A message field; absent and null are empty."""
    item = parent.get(key)
    if item is None:
        return {}
    if not isinstance(item, dict):
        raise Malformed(f"`{key}` must be an object.")
    return item


def text(parent: dict[str, Any], key: str) -> str:
    """A string field; absent is empty."""
    value = parent.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Malformed(f"`{key}` must be a string.")
    return value


def id_of(parent: dict[str, Any], key: str) -> bytes:
    """An id field, which OTLP/JSON writes in hex; absent is empty."""
    try:
        return bytes.fromhex(text(parent, key))
    except ValueError as bad:
        raise Malformed(f"`{key}` must be hex.") from bad


def uint64(parent: dict[str, Any], key: str) -> int:
    """A fixed64 field; absent is 0."""
    return _integer(parent.get(key), key, 0, _UINT64_MAX)


def integer(parent: dict[str, Any], key: str) -> int:
    """An integer field of at most 64 bits; absent is 0."""
    return _integer(parent.get(key), key, _INT64_MIN, _INT64_MAX)


def _integer(value: Any, key: str, least: int, most: int) -> int:
    if value is None:
        return 0
    try:
        number = int(value) if isinstance(value, int) and not isinstance(value, bool) else _whole(value)
    except (ValueError, OverflowError) as bad:
        raise Malformed(f"`{key}` must be a 64-bit integer.") from bad
    if not least <= number <= most:
        raise Malformed(f"`{key}` must be a 64-bit integer.")
    return number


def _whole(value: Any) -> int:
    """A whole number as text or float; protobuf's JSON has exponents in either (`"1e3"`)."""
    if isinstance(value, str):
        try:
            return int(value)
        except ValueError:
            value = float(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    raise ValueError


def _status(code: Any) -> int:
    if isinstance(code, str):
        return STATUS.get(code, 0)
    return int(code) if code in (0, 1, 2) else 0


def json_attributes(parent: dict[str, Any], keys: Collection[str]) -> Attributes:
    """The attributes among `keys`; of one given twice the last counts."""
    found: Attributes = {}
    for pair in objects(parent, "attributes"):
        key = pair.get("key")
        if isinstance(key, str) and key in keys:
            value = _value(member(pair, "value"))
            if value is not None:
                found[key] = value
    return found


def _value(value: dict[str, Any]) -> Any:
    if "arrayValue" in value:
        items = (_scalar(item) for item in objects(member(value, "arrayValue"), "values"))
        return [item for item in items if item is not None]
    return _scalar(value)


def _scalar(value: dict[str, Any]) -> Any:
    if "stringValue" in value:
        return text(value, "stringValue")
    if "intValue" in value:
        return _integer(value["intValue"], "intValue", _INT64_MIN, _INT64_MAX)
    if "doubleValue" in value:
        return double(value["doubleValue"], "doubleValue")
    if "boolValue" in value:
        return truth(value["boolValue"], "boolValue")
    return None


def truth(value: Any, key: str) -> bool:
    """A bool; null is false, as any scalar's null is its zero."""
    if value is not None and not isinstance(value, bool):
        raise Malformed(f"`{key}` must be true or false.")
    return bool(value)


def double(value: Any, key: str) -> float:
    """A double: a number, or the texts NaN, Infinity, -Infinity."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise Malformed(f"`{key}` must be a number.")
    try:
        return float(value)
    except OverflowError:
        return math.inf
    except ValueError as bad:
        raise Malformed(f"`{key}` must be a number.") from bad


def _read_events(decoded: Span, events: list[dict[str, Any]], first_token_events: Collection[str]) -> None:
    for event in events[:EVENTS_MAX]:
        name = event.get("name")
        if not isinstance(name, str):
            continue
        if name in first_token_events and not decoded.first_token_ns:
            decoded.first_token_ns = uint64(event, "timeUnixNano")
        elif name == EXCEPTION_EVENT and not decoded.exception:
            tell_exception(decoded, json_attributes(event, (EXCEPTION_TYPE, EXCEPTION_MESSAGE)))
