"""OTLP/gRPC: the same exports, limits and answers as over HTTP, in gRPC's words."""

import asyncio
import gzip
import threading
import tracemalloc

import grpc
import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import REGISTRY
from sqlalchemy import text
from tests.support.grpc_server import PATHS, serving
from tests.support.otlp import CHAT, body, span

from trivet import db
from trivet.ingest.line import body as bodies
from trivet.ingest.line import gate, grpc_server
from trivet.settings import get_settings

GZIP, DEFLATE = grpc.Compression.Gzip, grpc.Compression.Deflate
MIB = 1 << 20


def stored() -> int:
    with db.transaction() as session:
        return session.scalar(text("SELECT count(*) FROM request"))


def tenants() -> list[str]:
    with db.transaction() as session:
        return session.execute(text("SELECT name FROM tenant ORDER BY name")).scalars().all()


@pytest.fixture
def caller(database):
    with serving() as made:
        yield made


@pytest.fixture
def key(make_key):
    """A platform key."""
    return make_key(["ingest"])


@pytest.fixture
def small_limit(monkeypatch, database):
    """The setting is read when the server starts: name this fixture before `caller`."""
    monkeypatch.setenv("TRIVET_OTLP_BODY_LIMIT_BYTES", str(4 * MIB))
    get_settings.cache_clear()


class TestExports:
    @pytest.mark.parametrize("signal", ["traces", "metrics", "logs"])
    def test_of_nothing_are_fine_for_every_signal(self, caller, key, signal):
        assert caller.export(b"", key, signal=signal) == ("OK", b"", "", None)

    @pytest.mark.parametrize("packed", [None, GZIP, DEFLATE], ids=["plain", "gzip", "deflate"])
    def test_are_stored_however_they_are_packed(self, caller, key, packed):
        assert caller.export(body(span(), span()), key, packed=packed) == ("OK", b"", "", None)
        assert stored() == 2

    def test_sent_over_both_ways_are_counted_once(self, caller, sender, key):
        content = body(span(), span())
        assert caller.export(content, key).code == "OK"
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/x-protobuf"}
        assert sender.post("/v1/traces", content=content, headers=headers).status_code == 200
        assert stored() == 2

    def test_of_the_sdk_by_the_stub_of_the_protocol_are_stored(self, caller, key):
        kept = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(kept))
        with provider.get_tracer("test").start_as_current_span("chat gpt-4o-mini", attributes=CHAT):
            pass
        with caller.channel() as channel:
            metadata = (("authorization", f"Bearer {key}"),)
            answer = TraceServiceStub(channel).Export(encode_spans(kept.get_finished_spans()), metadata=metadata)
        assert answer == ExportTraceServiceResponse()
        assert stored() == 1

    def test_that_are_partly_refused_say_how_many_and_why(self, caller, key):
        answer = caller.export(body(span(), span({"gen_ai.usage.input_tokens": -5})), key)
        partial = ExportTraceServiceResponse.FromString(answer.content).partial_success
        assert (answer.code, partial.rejected_spans) == ("OK", 1)
        assert partial.error_message == "1 spans refused: tokens_negative 1"
        assert stored() == 1


class TestKeys:
    @pytest.mark.parametrize("metadata", [{"authorization": "bearer {}"}, {"x-api-key": "{}"}])
    def test_are_found_in_the_metadata(self, caller, key, metadata):
        sent = {name: value.format(key) for name, value in metadata.items()}
        assert caller.export(body(span()), **sent).code == "OK"
        assert stored() == 1

    @pytest.mark.parametrize("given", [None, "tvt_unknown"])
    def test_that_are_unknown_are_unauthenticated(self, caller, given):
        answer = caller.export(body(span()), given)
        assert (answer.code, answer.status.code, answer.retry_after_s) == ("UNAUTHENTICATED", 16, None)
        assert answer.status.message == answer.said

    def test_without_the_scope_are_refused(self, caller, make_key):
        answer = caller.export(body(span()), make_key(["read"]))
        assert (answer.code, answer.status.code) == ("PERMISSION_DENIED", 7)
        assert "scope ingest" in answer.said

    def test_bound_to_a_tenant_decide_the_tenant(self, caller, make_key):
        assert caller.export(body(span({"trivet.tenant": "other"})), make_key(["ingest"], tenant="mine")).code == "OK"
        assert tenants() == ["mine"]


class TestMalformed:
    def test_messages_are_invalid_arguments_that_must_not_come_again(self, caller, key):
        answer = caller.export(b"\xff\xff\xff", key)
        assert (answer.code, answer.status.code, answer.retry_after_s) == ("INVALID_ARGUMENT", 3, None)
        assert "protobuf" in answer.status.message

    def test_compression_too(self, caller, key):
        answer = caller.export(gzip.compress(b"x" * 1000)[:-8], key)
        assert (answer.code, answer.status.code) == ("INVALID_ARGUMENT", 3)

    def test_methods_are_unimplemented(self, caller):
        assert caller.call("/opentelemetry.proto.collector.trace.v1.TraceService/Import", b"").code == "UNIMPLEMENTED"


class TestLimits:
    """Over-size is RESOURCE_EXHAUSTED without RetryInfo: exporters must not send it again."""

    def test_hold_for_a_message_as_it_is_sent(self, small_limit, caller, key):
        answer = caller.export(bytes(5 * MIB), key)
        assert (answer.code, answer.retry_after_s) == ("RESOURCE_EXHAUSTED", None)
        assert caller.export(body(span()), key).code == "OK"

    @pytest.mark.parametrize("packed", [GZIP, DEFLATE], ids=["gzip", "deflate"])
    def test_hold_for_a_message_inflated_and_memory_stays_bounded(self, small_limit, caller, key, packed):
        bomb = bytes(128 * MIB)
        tracemalloc.start()
        try:
            tracemalloc.reset_peak()
            answer = caller.export(bomb, key, packed=packed)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert (answer.code, answer.status.code, answer.retry_after_s) == ("RESOURCE_EXHAUSTED", 8, None)
        assert peak < 16 * MIB
        assert caller.export(body(span()), key).code == "OK"

    def test_hold_for_spans(self, caller, key, monkeypatch):
        monkeypatch.setenv("TRIVET_OTLP_SPANS_LIMIT", "2")
        get_settings.cache_clear()
        answer = caller.export(body(span(), span(), span()), key)
        assert (answer.code, answer.retry_after_s) == ("RESOURCE_EXHAUSTED", None)
        assert stored() == 0


class TestOverload:
    """UNAVAILABLE with RetryInfo: exporters send it again, and when."""

    def test_of_a_senders_share_is_unavailable_for_a_while(self, caller, key, monkeypatch):
        monkeypatch.setattr(gate, "BODIES_EACH", 0)
        answer = caller.export(body(span()), key)
        assert (answer.code, answer.status.code, answer.retry_after_s) == ("UNAVAILABLE", 14, 2)

    def test_of_a_database_that_is_away_too(self, caller, key, monkeypatch, tmp_path):
        away = db.make_engine(f"postgresql://nobody@/nothing?host={tmp_path}")
        monkeypatch.setattr(db, "reserved_engine", lambda: away)
        answer = caller.export(body(span()), key)
        assert (answer.code, answer.retry_after_s) == ("UNAVAILABLE", 2)
        assert "away" in answer.said

    def test_of_patience_too_and_an_unknown_callers_body_is_not_even_waited_for(self, caller, key, monkeypatch):
        monkeypatch.setattr(bodies, "PATIENCE_S", 0.05)
        assert self.code_of_a_body_that_never_comes(caller, key) == grpc.StatusCode.UNAVAILABLE
        monkeypatch.setattr(bodies, "PATIENCE_S", 3600)
        assert self.code_of_a_body_that_never_comes(caller, "tvt_unknown") == grpc.StatusCode.UNAUTHENTICATED

    @staticmethod
    def code_of_a_body_that_never_comes(caller, key):
        ended = threading.Event()

        def never():
            ended.wait(30)
            yield from ()

        with caller.channel() as channel:
            call = channel.stream_unary(PATHS["traces"])
            answer = call.future(never(), metadata=(("authorization", f"Bearer {key}"),))
            code = answer.code()
            ended.set()
        return code


class TestItsOwnCounters:
    def test_tell_grpc_from_http(self, caller, key):
        def value(status, reason):
            labels = {"signal": "traces", "transport": "grpc", "status": status, "reason": reason}
            return REGISTRY.get_sample_value("trivet_ingest_exports_total", labels) or 0

        for status, reason, content in (("200", "", b""), ("400", "malformed", b"\xff\xff")):
            before = value(status, reason)
            caller.export(content, key)
            assert value(status, reason) == before + 1


class TestPort:
    def test_that_is_taken_is_a_clear_error_unless_processes_of_ours_share_it(self):
        async def main():
            alone, port = await grpc_server.start("127.0.0.1", 0)
            with pytest.raises(grpc_server.PortTakenError, match=rf"127\.0\.0\.1, port {port}, for OTLP/gRPC"):
                await grpc_server.start("127.0.0.1", port)
            await alone.stop(0)
            one, port = await grpc_server.start("127.0.0.1", 0, shared=True)
            two, same = await grpc_server.start("127.0.0.1", port, shared=True)
            assert same == port
            await asyncio.gather(one.stop(0), two.stop(0))

        asyncio.run(main())
