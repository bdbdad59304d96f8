"""OTLP bodies for tests: an export is made once as protobuf, and said again as true OTLP/JSON."""

import json
import random
import time

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

PROTOBUF = {"Content-Type": "application/x-protobuf"}
JSON = {"Content-Type": "application/json"}
CHAT = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o-mini",
    "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
    "gen_ai.usage.input_tokens": 33,
    "gen_ai.usage.output_tokens": 15,
    "trivet.tenant": "acme",
    "trivet.scenario": "checkout",
}


def span(attributes=None, *, end_ns=None, seconds=1.0, rng=random, **given):
    """(attributes, fields) of a span: a chat call unless told otherwise; an attribute of None is left out."""
    end_ns = time.time_ns() - 1_000_000_000 if end_ns is None else end_ns
    fields = {
        "trace_id": rng.randbytes(16),
        "span_id": rng.randbytes(8),
        "name": "chat gpt-4o-mini",
        "kind": 3,
        "start_time_unix_nano": end_ns - round(seconds * 1e9),
        "end_time_unix_nano": end_ns,
    }
    attributes = {key: value for key, value in (CHAT | (attributes or {})).items() if value is not None}
    return attributes, fields | given


def export(*spans, resource=None) -> ExportTraceServiceRequest:
    """An export of spans made by `span`."""
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    set_attributes(group.resource, resource or {"service.name": "checkout-assistant"})
    scope = group.scope_spans.add()
    for attributes, fields in spans:
        made = scope.spans.add(**fields)
        set_attributes(made, attributes)
    return request


def body(*spans, resource=None) -> bytes:
    return export(*spans, resource=resource).SerializeToString()


def gauges(*points, resource=None) -> ExportMetricsServiceRequest:
    """An export of gauges: points are (metric, value, attributes, time in ns)."""
    request = ExportMetricsServiceRequest()
    group = request.resource_metrics.add()
    set_attributes(group.resource, resource or {"service.name": "trivet-collector", "host.name": "node-1"})
    scope = group.scope_metrics.add()
    for name, value, attributes, at_ns in points:
        point = scope.metrics.add(name=name).gauge.data_points.add(time_unix_nano=at_ns)
        if isinstance(value, int):
            point.as_int = value
        else:
            point.as_double = value
        set_attributes(point, attributes)
    return request


def set_attributes(holder, values):
    for key, value in values.items():
        set_value(holder.attributes.add(key=key).value, value)


def set_value(target, value):
    if isinstance(value, list):
        target.array_value.SetInParent()
        for item in value:
            set_value(target.array_value.values.add(), item)
        return
    field = {str: "string_value", bool: "bool_value", int: "int_value", float: "double_value", bytes: "bytes_value"}
    setattr(target, field[type(value)], value)


def as_json(message) -> bytes:
    """The same message as OTLP/JSON: hex ids, 64-bit integers as text, enums as numbers."""
    return json.dumps(_hex_ids(MessageToDict(message, use_integers_for_enums=True))).encode()


def _hex_ids(node):
    import base64

    if isinstance(node, list):
        return [_hex_ids(item) for item in node]
    if not isinstance(node, dict):
        return node
    ids = {"traceId", "spanId", "parentSpanId"}
    return {k: base64.b64decode(v).hex() if k in ids else _hex_ids(v) for k, v in node.items()}
