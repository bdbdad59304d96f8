"""Counting items before parsing: exact on the edge, quick, and silent about what is no protobuf."""

import gzip
from pathlib import Path

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from tests.support.otlp import PROTOBUF, export, gauges, span

from trivet.ingest.decode.spans import SMALL_BYTES, spans_of_protobuf
from trivet.ingest.errors import TooManyItems
from trivet.ingest.line.wire import DATA_POINTS, LOG_RECORDS, SPANS, check_count, check_elements, fields_of
from trivet.ingest.request.normalise import Rules

DATA = Path(__file__).parent.parent / "data" / "otlp"


class TestCounting:
    @pytest.mark.parametrize("count", [1, 5, 200])
    def test_lets_as_many_pass_as_the_limit_says(self, count):
        content = export(*(span() for _ in range(count))).SerializeToString()
        check_count(content, SPANS, count, "spans")
        with pytest.raises(TooManyItems):
            check_count(content, SPANS, count - 1, "spans")

    def test_counts_over_several_resources_and_scopes(self):
        request = ExportTraceServiceRequest()
        for _ in range(4):
            resource = request.resource_spans.add(schema_url="x")
            for _ in range(3):
                resource.scope_spans.add().spans.add(name="n")
        content = request.SerializeToString()
        check_count(content, SPANS, 12, "spans")
        with pytest.raises(TooManyItems):
            check_count(content, SPANS, 11, "spans")

    def test_counts_data_points_and_log_records(self):
        points = gauges(*[("hw.power", 1.0, {}, 1)] * 50).SerializeToString()
        records = ExportLogsServiceRequest()
        for _ in range(50):
            records.resource_logs.add().scope_logs.add().log_records.add()
        for content, path in ((points, DATA_POINTS), (records.SerializeToString(), LOG_RECORDS)):
            with pytest.raises(TooManyItems):
                check_count(content, path, 49, "items")

    def test_leaves_what_is_no_protobuf_to_the_parser(self):
        for content in (b"\xff" * 100, b"\x0a\xff" * 100, b"\x0b" * 100, bytes(range(256)), b"\x09" * 100):
            check_count(content, SPANS, 3, "spans")

    def test_a_body_of_empty_spans_is_refused_before_it_fills_the_memory(self, sender, key):
        spans = b"\x12\x00" * 1_000_000
        scope = b"\x12" + varint(len(spans)) + spans
        content = b"\x0a" + varint(len(scope)) + scope
        assert sender.post("/v1/traces", content=content, headers=key | PROTOBUF).status_code == 413

    @pytest.mark.parametrize("padding", [0, SMALL_BYTES])
    def test_holds_for_a_small_body_too_which_is_counted_once_parsed(self, padding):
        content = export(*(span() for _ in range(20)), resource={"x": "y" * padding}).SerializeToString()
        assert len(spans_of_protobuf(content, Rules().wanted, 20)) == 20
        with pytest.raises(TooManyItems):
            spans_of_protobuf(content, Rules().wanted, 19)

    def test_a_group_hides_nothing(self):
        """The parser skips a group that no schema names, and so does the count."""
        content = b"\x9b\x06\x9c\x06" + export(*(span() for _ in range(9))).SerializeToString()
        assert len(ExportTraceServiceRequest.FromString(content).resource_spans) == 1
        with pytest.raises(TooManyItems):
            check_count(content, SPANS, 8, "spans")
        with pytest.raises(TooManyItems):
            check_elements(content, TRACES, 8)


TRACES = fields_of(ExportTraceServiceRequest.DESCRIPTOR)
METRICS = fields_of(ExportMetricsServiceRequest.DESCRIPTOR)


def elements(message):
    """Messages in a message, reckoned from what the parser made of it."""
    count = 0
    for field, value in message.ListFields():
        items = value if field.is_repeated else [value]
        if field.message_type is not None:
            count += sum(1 + elements(item) for item in items)
        elif field.is_repeated and not field.is_packed:
            count += len(items)
    return count


class TestCountingElements:
    @pytest.mark.parametrize(
        "path", [p for p in DATA.glob("*.pb") if not p.stem.endswith(("-metrics", "-logs"))], ids=lambda p: p.stem
    )
    def test_is_exact(self, path):
        self.assert_exact(path.read_bytes(), ExportTraceServiceRequest, TRACES)

    @staticmethod
    def assert_exact(content, kind, fields):
        count = elements(kind.FromString(content))
        assert count > 20
        check_elements(content, fields, count)
        padded = content + b"\xfa\x07" + varint(10_000) + bytes(10_000)  # an unknown field, so that it is walked
        check_elements(padded, fields, count)
        with pytest.raises(TooManyItems):
            check_elements(padded, fields, count - 1)

    def test_metrics_too(self):
        points = gauges(*[("hw.power", 1.0, {"hw.id": "g"}, 1)] * 50)
        histogram = points.resource_metrics[0].scope_metrics[0].metrics.add().exponential_histogram.data_points.add()
        histogram.positive.bucket_counts.extend([1] * 7)  # seven bytes: less than one element
        self.assert_exact(points.SerializeToString(), ExportMetricsServiceRequest, METRICS)
        histogram.positive.bucket_counts.extend([1] * 8_000)
        with pytest.raises(TooManyItems):
            check_elements(points.SerializeToString(), METRICS, 1_000)

    def test_leaves_what_is_no_protobuf_to_the_parser(self):
        for content in (
            b"\xff" * 100,
            b"\x0a\xff" * 100,
            b"\x0b" * 100,
            bytes(range(256)),
            b"\x09" * 100,
            b"\x08" * 99,
        ):
            check_elements(content, TRACES, 3)

    @given(st.binary(min_size=20, max_size=400))
    def test_never_stumbles_over_bytes_and_never_counts_less_than_the_parser(self, content):
        try:
            count = elements(ExportTraceServiceRequest.FromString(content))
        except DecodeError:
            check_elements(content, TRACES, 10**6)
            return
        if count:
            with pytest.raises(TooManyItems):
                check_elements(content + bytes([250, 7, 127]) + bytes(127), TRACES, count - 1)

    @pytest.mark.parametrize("where", ["attributes", "events", "links", "values", "resource"])
    def test_a_span_of_empty_things_is_refused_before_it_fills_the_memory(self, sender, key, where):
        many = {"attributes": 0x4A, "events": 0x5A, "links": 0x6A, "values": 0x0A, "resource": 0x0A}[where]
        inner = bytes([many, 0]) * 2_000_000
        if where == "values":  # span.attributes.value.array_value.values
            for tag in (0x2A, 0x12, 0x4A):
                inner = bytes([tag]) + varint(len(inner)) + inner
        tags = (0x0A, 0x0A) if where == "resource" else (0x12, 0x12, 0x0A)
        for tag in tags:
            inner = bytes([tag]) + varint(len(inner)) + inner
        packed = gzip.compress(inner)
        answer = sender.post("/v1/traces", content=packed, headers=key | PROTOBUF | {"Content-Encoding": "gzip"})
        assert answer.status_code == 413


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])
