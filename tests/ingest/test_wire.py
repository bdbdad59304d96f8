"""Counting items before parsing: exact on the edge, quick, and silent about what is no protobuf."""

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from tests.support.otlp import export, gauges, span

from trivet.ingest.errors import TooManyItems
from trivet.ingest.wire import DATA_POINTS, LOG_RECORDS, SPANS, check_count


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
        from tests.support.otlp import PROTOBUF

        spans = b"\x12\x00" * 1_000_000
        scope = b"\x12" + varint(len(spans)) + spans
        content = b"\x0a" + varint(len(scope)) + scope
        assert sender.post("/v1/traces", content=content, headers=key | PROTOBUF).status_code == 413


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])
