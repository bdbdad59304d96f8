"""OTLP traces as a protobuf schema of our own, made at run time: the wire is the same, what is made of it is less.

Attributes stay raw bytes instead of becoming objects, because most of them have been seen before (`memo`), and what no
field of ours reads (names, links, scopes, flags) is not in it. That also means that it is not looked into: a text that is
no UTF-8 refuses the export only where somebody wants it.
"""

from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_PACKAGE = "trivet.ingest"
_Type = descriptor_pb2.FieldDescriptorProto
_MANY, _ONE = _Type.LABEL_REPEATED, _Type.LABEL_OPTIONAL
_BYTES, _FIXED64, _STRING, _MESSAGE = _Type.TYPE_BYTES, _Type.TYPE_FIXED64, _Type.TYPE_STRING, _Type.TYPE_MESSAGE

# message: field: (number as in opentelemetry/proto/trace/v1/trace.proto, label, type or message)
_MESSAGES: Final[dict[str, dict[str, tuple[int, int, int | str]]]] = {
    "Export": {"resource_spans": (1, _MANY, "ResourceSpans")},
    "ResourceSpans": {"resource": (1, _ONE, "Resource"), "scope_spans": (2, _MANY, "ScopeSpans")},
    "Resource": {"attributes": (1, _MANY, _BYTES)},
    "ScopeSpans": {"spans": (2, _MANY, "Span")},
    "Span": {
        "trace_id": (1, _ONE, _BYTES),
        "span_id": (2, _ONE, _BYTES),
        "parent_span_id": (4, _ONE, _BYTES),
        "start_time_unix_nano": (7, _ONE, _FIXED64),
        "end_time_unix_nano": (8, _ONE, _FIXED64),
        "attributes": (9, _MANY, _BYTES),
        "events": (11, _MANY, "Event"),
        "status": (15, _ONE, _BYTES),
    },
    "Event": {"time_unix_nano": (1, _ONE, _FIXED64), "name": (2, _ONE, _STRING), "attributes": (3, _MANY, _BYTES)},
}


def _file() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name="trivet/ingest/traces.proto", package=_PACKAGE, syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, (number, label, kind) in fields.items():
            made = message.field.add(name=field, number=number, label=label)
            if isinstance(kind, str):
                made.type, made.type_name = _MESSAGE, f".{_PACKAGE}.{kind}"
            else:
                made.type = kind
    return file


_pool = descriptor_pool.DescriptorPool()
_pool.Add(_file())

Export: Any = message_factory.GetMessageClass(_pool.FindMessageTypeByName(f"{_PACKAGE}.Export"))
