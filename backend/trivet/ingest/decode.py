"""OTLP traces out of protobuf: bytes in, spans out. JSON is `decode_json`."""

from collections.abc import Callable, Collection, Iterator
from typing import Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from trivet.ingest.errors import Malformed, TooManyItems
from trivet.ingest.span import Attributes, Span, Wanted

EXCEPTION_EVENT = "exception"
EXCEPTION_TYPE = "exception.type"

_SCALAR: dict[str | None, Callable[[Any], Any]] = {
    "string_value": lambda v: v.string_value,
    "int_value": lambda v: v.int_value,
    "double_value": lambda v: v.double_value,
    "bool_value": lambda v: v.bool_value,
}


def parse(message: Any, body: bytes) -> Any:
    """Parse into a protobuf message; `Malformed` for anything that is not one."""
    try:
        message.ParseFromString(body)
    except DecodeError as bad:
        raise Malformed("The body is not a valid OTLP protobuf message.") from bad
    return message


def spans_of_protobuf(body: bytes, wanted: Wanted, limit: int) -> list[Span]:
    """Spans of an `ExportTraceServiceRequest`; `TooManyItems` over `limit`."""
    export = parse(ExportTraceServiceRequest(), body)
    count = sum(len(scope.spans) for resource in export.resource_spans for scope in resource.scope_spans)
    if count > limit:
        raise TooManyItems(f"This export has {count} spans; at most {limit} are taken at once. Send smaller batches.")
    return list(_spans(export, wanted))


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
    """The attributes among `keys`; of one given twice the last counts."""
    found: Attributes = {}
    for pair in pairs:
        key = pair.key
        if key in keys:
            value = value_of(pair.value)
            if value is not None:
                found[key] = value
    return found


def value_of(value: Any) -> Any:
    """A scalar, or a list of scalars; None for nothing, bytes and nested values, which no attribute of ours has."""
    kind = value.WhichOneof("value")
    read = _SCALAR.get(kind)
    if read is not None:
        return read(value)
    if kind == "array_value":
        items = ((item, _SCALAR.get(item.WhichOneof("value"))) for item in value.array_value.values)
        return [read(item) for item, read in items if read is not None]
    return None


def _read_events(decoded: Span, events: Any, first_token_events: Collection[str]) -> None:
    for event in events:
        name = event.name
        if name == EXCEPTION_EVENT and not decoded.exception:
            named = attributes_of(event.attributes, (EXCEPTION_TYPE,)).get(EXCEPTION_TYPE)
            decoded.exception = named if isinstance(named, str) else EXCEPTION_EVENT
        elif name in first_token_events and not decoded.first_token_ns:
            decoded.first_token_ns = event.time_unix_nano
