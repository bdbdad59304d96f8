"""OTLP/HTTP: what comes in, what is answered, and that bad input harms nobody but itself."""

import gzip
import json
import math
import random
import time
import tracemalloc
import zlib

import psycopg
import pytest
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from tests.support.otlp import JSON, PROTOBUF, as_json, body, export, span

from trivet import db
from trivet.ingest.line import gate, receive
from trivet.ingest.store import persist
from trivet.settings import get_settings


def stored() -> int:
    with db.transaction() as session:
        return session.scalar(text("SELECT count(*) FROM request"))


def counted() -> int:
    with db.transaction() as session:
        return session.scalar(text("SELECT coalesce(sum(requests), 0)::int FROM usage_delta"))


def denials() -> dict[str, int]:
    with db.transaction() as session:
        return dict(session.execute(text("SELECT reason, items FROM denial")).all())


def post(sender, key, content, **headers):
    return sender.post("/v1/traces", content=content, headers=key | PROTOBUF | headers)


@pytest.fixture
def works(sender, key):
    """After whatever the test did, a good request works and is counted."""
    yield
    before = stored()
    answer = post(sender, key, body(span()))
    assert (answer.status_code, answer.content) == (200, b"")
    assert stored() == before + 1


@pytest.fixture
def small_limit(monkeypatch, sender):
    monkeypatch.setenv("TRIVET_OTLP_BODY_LIMIT_BYTES", str(1 << 20))
    get_settings.cache_clear()


class TestGoodExports:
    def test_protobuf_is_answered_with_an_empty_protobuf(self, sender, key):
        answer = post(sender, key, body(span(), span()))
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["content-type"] == "application/x-protobuf"
        assert (stored(), counted()) == (2, 2)

    def test_json_is_answered_with_an_empty_object(self, sender, key):
        answer = sender.post("/v1/traces", content=as_json(export(span())), headers=key | JSON)
        assert (answer.status_code, answer.json()) == (200, {})
        assert answer.headers["content-type"] == "application/json"
        assert (stored(), counted()) == (1, 1)

    def test_json_with_a_charset_and_unknown_fields_is_taken(self, sender, key):
        content = json.loads(as_json(export(span())))
        content["unknown"] = {"deeper": [1, 2]}
        content["resourceSpans"][0]["scopeSpans"][0]["spans"][0] |= {"new": 1, "events": None, "links": []}
        headers = key | {"Content-Type": "application/json; charset=utf-8"}
        assert sender.post("/v1/traces", json=content, headers=headers).status_code == 200
        assert stored() == 1

    @pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
    def test_compressed_bodies_are_taken(self, sender, key, encoding, pack):
        assert post(sender, key, pack(body(span())), **{"Content-Encoding": encoding}).status_code == 200
        assert stored() == 1

    def test_a_gzip_body_of_several_members_is_one_body(self, sender, key):
        whole = body(span(), span())
        packed = gzip.compress(whole[:100]) + gzip.compress(whole[100:])
        assert post(sender, key, packed, **{"Content-Encoding": "gzip"}).status_code == 200
        assert stored() == 2

    def test_an_empty_export_is_fine(self, sender, key):
        assert post(sender, key, b"").status_code == 200
        assert sender.post("/v1/traces", content=b"{}", headers=key | JSON).json() == {}

    def test_spans_around_a_call_are_taken_and_not_counted(self, sender, key):
        around = span({"gen_ai.operation.name": "invoke_agent"})
        assert post(sender, key, body(around, span())).content == b""
        assert stored() == 1


@pytest.mark.usefixtures("works")
class TestPartialSuccess:
    @pytest.mark.parametrize(
        ("tokens", "reason"),
        [(-5, "tokens_negative"), (math.nan, "tokens_not_a_number"), (10**12, "tokens_over_limit")],
    )
    def test_a_bad_token_count_refuses_that_span_and_keeps_the_others(self, sender, key, tokens, reason):
        bad = span({"gen_ai.usage.input_tokens": tokens})
        answer = post(sender, key, body(span(), bad, span()))
        partial = ExportTraceServiceResponse.FromString(answer.content).partial_success
        assert (answer.status_code, partial.rejected_spans) == (200, 1)
        assert partial.error_message == f"1 spans refused: {reason} 1"
        assert (stored(), counted()) == (2, 2)
        assert denials() == {reason: 1}

    def test_json_says_so_in_json(self, sender, key):
        content = as_json(export(span({"gen_ai.usage.output_tokens": math.nan}), span()))
        answer = sender.post("/v1/traces", content=content, headers=key | JSON)
        assert answer.json() == {
            "partialSuccess": {"rejectedSpans": "1", "errorMessage": "1 spans refused: tokens_not_a_number 1"}
        }
        assert stored() == 1

    def test_several_reasons_are_each_counted(self, sender, key):
        late = span(end_ns=time.time_ns() - 40 * 86_400 * 10**9)
        soon = span(end_ns=time.time_ns() + 3600 * 10**9)
        backwards = span(seconds=-1)
        nameless = span(span_id=b"")
        post(sender, key, body(late, late, soon, backwards, nameless))
        assert denials() == {"too_old": 2, "in_the_future": 1, "ends_before_start": 1, "bad_id": 1}

    def test_a_nul_byte_harms_nobody(self, sender, key):
        names = {
            "trivet.tenant": "a\0b",
            "trivet.scenario": "\0",
            "gen_ai.request.model": "m\0",
            "gen_ai.response.model": None,
        }
        texts = {"gen_ai.response.id": "\0", "gen_ai.conversation.id": "c\0d", "trivet.prompt.blocks": ["x\0"]}
        answer = post(sender, key, body(span(names | texts), span()))
        assert (answer.status_code, answer.content) == (200, b"")
        with db.transaction() as session:
            names = session.execute(text("SELECT name FROM tenant ORDER BY name")).scalars().all()
        assert sorted(names) == ["acme", "a\N{REPLACEMENT CHARACTER}b"]

    def test_half_a_surrogate_pair_in_json_harms_nobody(self, sender, key):
        content = as_json(export(span({"trivet.tenant": "HERE"}))).replace(b"HERE", b"\\ud800")
        assert sender.post("/v1/traces", content=content, headers=key | JSON).json() == {}
        assert stored() == 1


@pytest.mark.usefixtures("works")
class TestMalformed:
    def test_protobuf_gets_400_with_a_status(self, sender, key):
        answer = post(sender, key, b"\xff\xff\xff not protobuf")
        assert answer.status_code == 400
        assert answer.headers["content-type"] == "application/x-protobuf"
        status = Status.FromString(answer.content)
        assert status.code == 3
        assert "protobuf" in status.message

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"{",
            b"[]",
            b'"text"',
            b'{"resourceSpans": 5}',
            b'{"resourceSpans": [5]}',
            b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "zz"}]}]}]}',
            b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"startTimeUnixNano": "soon"}]}]}]}',
            b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"startTimeUnixNano": -1}]}]}]}',
            b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"startTimeUnixNano": 1' + b"0" * 5000 + b"}]}]}]}",
            b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"attributes": {}}]}]}]}',
            b"[" * 100_000,
            b'{"a":' * 100_000,
            b"\xff\xfe{}",
        ],
    )
    def test_json_gets_400_with_a_status(self, sender, key, content):
        answer = sender.post("/v1/traces", content=content, headers=key | JSON)
        assert answer.status_code == 400
        assert answer.json()["code"] == 3
        assert answer.json()["message"]

    def test_a_gzip_body_of_a_thousand_empty_members_gets_400(self, sender, key):
        assert post(sender, key, gzip.compress(b"") * 1001, **{"Content-Encoding": "gzip"}).status_code == 400

    @pytest.mark.parametrize(
        "packed",
        [b"not gzip at all", gzip.compress(b"x" * 1000, mtime=0)[:-8], gzip.compress(b"abc", mtime=0) + b"rest"],
        ids=["no gzip", "cut short", "with a rest"],
    )
    def test_compression_gets_400(self, sender, key, packed):
        assert post(sender, key, packed, **{"Content-Encoding": "gzip"}).status_code == 400

    def test_random_bytes_never_get_anything_but_200_or_400(self, sender, key):
        rng = random.Random(20261121)
        whole = bytearray(body(span(), span()))
        for _ in range(150):
            torn = bytearray(whole)
            for _ in range(rng.randrange(1, 6)):
                torn[rng.randrange(len(torn))] = rng.randrange(256)
            assert post(sender, key, bytes(torn[: rng.randrange(len(torn))])).status_code in (200, 400)

    def test_an_unknown_content_type_or_encoding_gets_415(self, sender, key):
        headers = key | {"Content-Type": "text/plain"}
        assert sender.post("/v1/traces", content=b"x", headers=headers).status_code == 415
        assert post(sender, key, b"x", **{"Content-Encoding": "br"}).status_code == 415


@pytest.mark.usefixtures("works")
class TestKeys:
    @pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer tvt_unknown"}, {"Authorization": "Basic x"}])
    def test_an_unknown_key_gets_401_with_a_status(self, sender, headers):
        answer = sender.post("/v1/traces", content=body(span()), headers=headers | PROTOBUF)
        assert answer.status_code == 401
        assert Status.FromString(answer.content).code == 16
        answer = sender.post("/v1/traces", content=b"{}", headers=headers | JSON)
        assert answer.json()["code"] == 16

    def test_a_key_without_the_scope_gets_403(self, sender, make_key):
        headers = {"Authorization": f"Bearer {make_key(['read'])}"}
        answer = sender.post("/v1/traces", content=body(span()), headers=headers | PROTOBUF)
        assert (answer.status_code, Status.FromString(answer.content).code) == (403, 7)


@pytest.mark.usefixtures("works")
class TestLimits:
    def test_a_body_over_the_limit_gets_413(self, small_limit, sender, key):
        answer = post(sender, key, b"\x0a" * ((1 << 20) + 1))
        assert (answer.status_code, Status.FromString(answer.content).code) == (413, 8)

    def test_so_does_one_that_hides_its_length(self, small_limit, sender, key):
        def pieces():
            for _ in range(40):
                yield b"\x0a" * (1 << 16)

        assert post(sender, key, pieces()).status_code == 413

    @pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
    def test_so_does_one_that_is_large_after_decompression(self, small_limit, sender, key, encoding, pack):
        bomb = pack(bytes(8 << 20))
        assert len(bomb) < 1 << 16
        assert post(sender, key, bomb, **{"Content-Encoding": encoding}).status_code == 413

    def test_memory_stays_bounded_while_finding_out(self, sender, key, monkeypatch):
        monkeypatch.setenv("TRIVET_OTLP_BODY_LIMIT_BYTES", str(4 << 20))
        get_settings.cache_clear()
        bomb = gzip.compress(bytes(256 << 20), 9)
        tracemalloc.start()
        try:
            assert post(sender, key, bomb, **{"Content-Encoding": "gzip"}).status_code == 413
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 16 << 20

    def test_too_many_spans_get_413(self, sender, key, monkeypatch):
        monkeypatch.setenv("TRIVET_OTLP_SPANS_LIMIT", "2")
        get_settings.cache_clear()
        three = export(span(), span(), span())
        assert post(sender, key, three.SerializeToString()).status_code == 413
        assert sender.post("/v1/traces", content=as_json(three), headers=key | JSON).status_code == 413
        assert stored() == 0

    def test_too_many_exports_at_once_get_503_and_may_come_again(self, sender, key, monkeypatch):
        monkeypatch.setattr(gate, "PATIENCE_S", 0.05)
        monkeypatch.setenv("TRIVET_OTLP_CONCURRENT_EXPORTS", "0")
        get_settings.cache_clear()
        answer = post(sender, key, body(*(span() for _ in range(500))))  # a small one is read where it came in
        assert (answer.status_code, Status.FromString(answer.content).code) == (503, 14)
        assert int(answer.headers["retry-after"]) > 0
        monkeypatch.undo()
        gate.forget()
        get_settings.cache_clear()


class TestWhatTheDatabaseSays:
    @pytest.mark.parametrize(
        ("error", "reason"),
        [
            (psycopg.OperationalError("server closed the connection"), "database-away"),
            (psycopg.InterfaceError("the connection is closed"), "database-away"),
            (psycopg.errors.AdminShutdown(), "database-away"),
            (psycopg.errors.TooManyConnections(), "database-away"),
            (psycopg.errors.LockNotAvailable(), "database-busy"),
            (psycopg.errors.DeadlockDetected(), "database-busy"),
            (psycopg.errors.QueryCanceled(), "database-busy"),
            (psycopg.errors.StatementTooComplex(), None),
            (psycopg.errors.UndefinedTable(), None),
            (psycopg.errors.CharacterNotInRepertoire(), None),
        ],
        ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
    )
    def test_is_503_only_where_the_same_again_may_help(self, error, reason):
        """From the driver as from above it."""
        wrapped = DBAPIError.instance("SELECT 1", None, error, psycopg.Error)
        for said in (error, wrapped):
            found = receive.try_again(said)
            assert (found[0] if found else None) == reason

    def test_a_lock_that_is_not_to_be_had_is_503_and_counted_as_that(self, sender, key, monkeypatch):
        def waits(session, *_):
            session.execute(text("SET LOCAL lock_timeout = '50ms'"))
            session.execute(text("LOCK TABLE denial IN SHARE UPDATE EXCLUSIVE MODE"))

        with db.transaction() as holder:
            holder.execute(text("LOCK TABLE denial IN SHARE UPDATE EXCLUSIVE MODE"))
            monkeypatch.setattr(persist, "deny", waits)
            labels = {"signal": "traces", "transport": "http", "status": "503", "reason": "database-busy"}
            before = TestItsOwnCounters.value("exports", **labels)
            answer = post(sender, key, body(span()))
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
        assert TestItsOwnCounters.value("exports", **labels) == before + 1
        assert stored() == 0


class TestLogs:
    def test_that_nobody_reads_are_taken_and_said_not_to_be_kept(self, sender, key):
        request = ExportLogsServiceRequest()
        request.resource_logs.add().scope_logs.add().log_records.add().body.string_value = "hello"
        answer = sender.post("/v1/logs", content=request.SerializeToString(), headers=key | PROTOBUF)
        partial = ExportLogsServiceResponse.FromString(answer.content).partial_success
        assert (answer.status_code, partial.rejected_log_records) == (200, 1)
        assert "log_not_kept" in partial.error_message
        answer = sender.post("/v1/logs", content=as_json(request), headers=key | JSON)
        assert answer.json()["partialSuccess"]["rejectedLogRecords"] == "1"
        assert sender.post("/v1/logs", content=b"{}", headers=key | JSON).json() == {}

    def test_malformed_ones_get_400(self, sender, key):
        assert sender.post("/v1/logs", content=b"\xff\xff", headers=key | PROTOBUF).status_code == 400


class TestItsOwnCounters:
    @staticmethod
    def value(name, **labels):
        from prometheus_client import REGISTRY

        return REGISTRY.get_sample_value(f"trivet_ingest_{name}_total", labels) or 0

    def test_say_what_came_of_every_span(self, sender, key):
        results = ("stored", "duplicate", "not_a_request")
        before = {result: self.value("spans", result=result) for result in results}
        refused = self.value("refused", reason="tokens_negative")
        bad, around = span({"gen_ai.usage.input_tokens": -1}), span({"gen_ai.operation.name": "execute_tool"})
        once = span()
        post(sender, key, body(once, once, span(), bad, around))
        after = {result: self.value("spans", result=result) for result in results}
        assert {r: after[r] - before[r] for r in results} == {"stored": 2, "duplicate": 1, "not_a_request": 1}
        assert self.value("refused", reason="tokens_negative") == refused + 1

    ANSWERS = (("200", "", b""), ("400", "malformed", b"\xff\xff"), ("413", "body-too-large", b"x" * 2000))

    def test_say_how_exports_were_answered_and_why(self, sender, key, monkeypatch):
        monkeypatch.setenv("TRIVET_OTLP_BODY_LIMIT_BYTES", "1000")
        get_settings.cache_clear()
        for status, reason, content in self.ANSWERS:
            labels = {"signal": "traces", "transport": "http", "status": status, "reason": reason}
            before = self.value("exports", **labels)
            post(sender, key, content)
            assert self.value("exports", **labels) == before + 1
