"""OTLP traces out of protobuf: bytes in, spans out. JSON is `decode_json`."""

from collections.abc import Collection, Iterator
from typing import Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from trivet.ingest.errors import Malformed
from trivet.ingest.span import Attributes, Span, Wanted
from trivet.ingest.wire import SPANS, check_count

EXCEPTION_EVENT = "exception"
EXCEPTION_TYPE = "exception.type"

_SCALARS = frozenset({"string_value", "int_value", "double_value", "bool_value"})


def parse(message: Any, body: bytes) -> Any:
    """Parse into a protobuf message; `Malformed` for anything that is not one."""
    try:
        message.ParseFromString(body)
    except DecodeError as bad:
        raise Malformed("The body is not a valid OTLP protobuf message.") from bad
    return message


def spans_of_protobuf(body: bytes, wanted: Wanted, limit: int) -> list[Span]:
    """Spans of an `ExportTraceServiceRequest`; `TooManyItems` over `limit`."""
    check_count(body, SPANS, limit, "spans")
    return list(_spans(parse(ExportTraceServiceRequest(), body), wanted))


def _spans(export: Any, wanted: Wanted) -> Iterator[Span]:
    keys = wanted.attributes
    for in_resource in export.resource_spans:
        resource = attributes_of(in_resource.resource.attributes, keys)
        for in_scope in in_resource.scope_spans:
            for span in in_scope.spans:
                decoded = Span(
                    span.trace_id,
                    span.span_id,
                    span.parent_span_id,
                    span.start_time_unix_nano,
                    span.end_time_unix_nano,
                    span.status.code,
                    attributes_of(span.attributes, keys),
                    resource,
                )
                if span.events:
                    _read_events(decoded, span.events, wanted.first_token_events)
                yield decoded


def attributes_of(pairs: Any, keys: Collection[str]) -> Attributes:
    """The attributes among `keys`; of one given twice the last counts.

    This loop runs for every attribute of every span: keys that nobody reads cost one look-up, and scalars no call.
    """
    found: Attributes = {}
    for pair in pairs:
        key = pair.key
        if key in keys:
            value = pair.value
            text = value.string_value
            if text:
                found[key] = text
                continue
            kind = value.WhichOneof("value")
            if kind in _SCALARS:
                found[key] = getattr(value, kind)
            elif kind == "array_value":
                found[key] = _scalars(value.array_value.values)
    return found


def _scalars(values: Any) -> list[Any]:
    """The scalars of an array. Nested values and bytes are left out: no attribute of ours has them."""
    kinds = ((value, value.WhichOneof("value")) for value in values)
    return [getattr(value, kind) for value, kind in kinds if kind in _SCALARS]


def _read_events(decoded: Span, events: Any, first_token_events: Collection[str]) -> None:
    for event in events:
        name = event.name
        if name == EXCEPTION_EVENT and not decoded.exception:
            named = attributes_of(event.attributes, (EXCEPTION_TYPE,)).get(EXCEPTION_TYPE)
            decoded.exception = named if isinstance(named, str) else EXCEPTION_EVENT
        elif name in first_token_events and not decoded.first_token_ns:
            decoded.first_token_ns = event.time_unix_nano
