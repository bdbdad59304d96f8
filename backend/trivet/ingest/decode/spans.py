"""OTLP traces out of protobuf: bytes in, spans out. JSON is `spans_json`."""

from collections.abc import Collection, Iterator
from functools import lru_cache
from typing import Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from trivet.ingest.decode.memo import KEPT_BYTES, NOT_OTLP, value_of
from trivet.ingest.decode.schema import Export
from trivet.ingest.decode.span import Attributes, Span
from trivet.ingest.decode.wanted import EXCEPTION_EVENT, EXCEPTION_MESSAGE, EXCEPTION_TYPE, Wanted
from trivet.ingest.dialect.vocabulary import MANY, Ranked, nothing_said
from trivet.ingest.errors import Malformed, TooManyItems
from trivet.ingest.line.wire import SPANS, check_count

ERROR = 2
SMALL_BYTES = 1 << 19  # a body that takes at most some 30 MB once parsed, whatever is in it: counted after that
EVENTS_MAX = 1_000  # read of one span: a stream may have one for each token
MESSAGE_LIMIT = 1_024  # characters kept of an error's text


def parse(message: Any, body: bytes) -> Any:
    """Parse into a protobuf message; `Malformed` for anything that is not one."""
    try:
        message.ParseFromString(body)
    except DecodeError as bad:
        raise Malformed(NOT_OTLP) from bad
    return message


def spans_of_protobuf(body: bytes, wanted: Wanted, limit: int) -> list[Span]:
    """Spans of an `ExportTraceServiceRequest`; `TooManyItems` over `limit`."""
    if len(body) > SMALL_BYTES:
        check_count(body, SPANS, limit, "spans")
    export = parse(Export(), body)
    count = sum(len(in_scope.spans) for in_resource in export.resource_spans for in_scope in in_resource.scope_spans)
    if count > limit:
        raise TooManyItems(f"This export has {count} spans; at most {limit} are taken at once. Send smaller batches.")
    return list(_spans(export, wanted))


def _spans(export: Any, wanted: Wanted) -> Iterator[Span]:
    """One loop without calls where it can be: it runs for every attribute of every span."""
    of_span, of_resource = wanted.span.__getitem__, wanted.resource.__getitem__
    for in_resource in export.resource_spans:
        shared = nothing_said()
        for raw in in_resource.resource.attributes:
            shared.add(of_resource(raw))
        for in_scope in in_resource.scope_spans:
            for span in in_scope.spans:
                said, ranks = shared.said[:], shared.ranks[:]
                for slot, rank, value in filter(None, map(of_span, span.attributes)):
                    if rank <= ranks[slot]:  # of one given twice the last counts
                        said[slot], ranks[slot] = value, rank
                    elif slot == MANY:
                        Ranked(said, ranks).add((slot, rank, value))
                decoded = Span(
                    span.trace_id,
                    span.span_id,
                    span.parent_span_id,
                    span.start_time_unix_nano,
                    span.end_time_unix_nano,
                    0,
                    said,
                )
                status = span.status
                if status:
                    decoded.status, decoded.message = _known(status) if len(status) <= KEPT_BYTES else _status(status)
                events = span.events
                if events:
                    _read_events(decoded, events, wanted.first_token_events)
                yield decoded


def _status(raw: bytes) -> tuple[int, str]:
    """(code, what an error says)."""
    status = parse(Status(), raw)
    return status.code, status.message[:MESSAGE_LIMIT] if status.code == ERROR else ""


_known = lru_cache(maxsize=1_024)(_status)


def attributes_of(pairs: Any, keys: Collection[str]) -> Attributes:
    """The attributes among `keys` of official `KeyValue`s; of one given twice the last counts."""
    found: Attributes = {}
    for pair in pairs:
        key = pair.key
        if key in keys:
            value = value_of(pair.value)
            if value is not None:
                found[key] = value
    return found


def _read_events(decoded: Span, events: Any, first_token_events: Collection[str]) -> None:
    for event in events[:EVENTS_MAX]:
        name = event.name
        if name in first_token_events and not decoded.first_token_ns:
            decoded.first_token_ns = event.time_unix_nano
        elif name == EXCEPTION_EVENT and not decoded.exception:
            pairs = [parse(KeyValue(), raw) for raw in event.attributes if _names_exception(raw)]
            tell_exception(decoded, attributes_of(pairs, (EXCEPTION_TYPE, EXCEPTION_MESSAGE)))


def _names_exception(raw: bytes) -> bool:
    """Whether an attribute may be one of the two that are read: stack traces are long, and looked into by nobody."""
    return not raw.startswith(b"\x0a") or raw.startswith((b"exception.type", b"exception.message"), 2)


def tell_exception(decoded: Span, found: Attributes) -> None:
    """What an exception event says of it."""
    named, message = found.get(EXCEPTION_TYPE), found.get(EXCEPTION_MESSAGE)
    decoded.exception = named if isinstance(named, str) else EXCEPTION_EVENT
    if isinstance(message, str):
        decoded.message = f"{message[:MESSAGE_LIMIT]} {decoded.message}".strip()
