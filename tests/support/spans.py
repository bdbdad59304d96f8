"""One span as an emitter would send it, decoded both ways, and the request in it."""

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from tests.support.otlp import as_json, set_attributes

from trivet.ingest.decode.spans import spans_of_protobuf
from trivet.ingest.decode.spans_json import spans_of_json
from trivet.ingest.request.normalise import Rules, normalise

START_NS = 1_795_240_400 * 10**9
DURATION_NS = 2 * 10**9
RULES = Rules(("trivet.tenant", "tenant.id"), ("trivet.scenario", "service.name"))


def decoded(attributes, rules, *, resource=None, status=0, message="", events=()):
    """The span, which protobuf and JSON must agree about; `events` are (name, attributes), half-way through."""
    export = ExportTraceServiceRequest()
    group = export.resource_spans.add()
    set_attributes(group.resource, resource or {})
    span = group.scope_spans.add().spans.add(
        trace_id=b"t" * 16,
        span_id=b"s" * 8,
        name="a call",
        start_time_unix_nano=START_NS,
        end_time_unix_nano=START_NS + DURATION_NS,
    )
    set_attributes(span, attributes)
    if status:
        span.status.code, span.status.message = status, message
    for name, said in events:
        set_attributes(span.events.add(name=name, time_unix_nano=START_NS + DURATION_NS // 2), said)
    [from_protobuf] = spans_of_protobuf(export.SerializeToString(), rules.wanted, 10)
    [from_json] = spans_of_json(as_json(export), rules.wanted, 10)
    assert from_json == from_protobuf
    return from_protobuf


def request_in(attributes, **given):
    """What is in one span that took two seconds."""
    span = decoded(attributes, RULES, **given)
    return normalise(span, RULES, span.end_ns)


def said(fact, *names):
    return tuple(getattr(fact, name) for name in names)


def tokens_of(fact):
    """input, output, cache_read, cache_write, reasoning"""
    return said(fact, "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens")
