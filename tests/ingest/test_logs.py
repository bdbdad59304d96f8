"""OTLP logs over /v1/logs: scores, health events and running calls out of records; everything else is counted."""

import random
import time
from pathlib import Path

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from sqlalchemy import text
from tests.support.otlp import JSON, PROTOBUF, as_json, body, set_attributes, span

from trivet import db
from trivet.settings import get_settings

DATA = Path(__file__).parent.parent / "data" / "otlp"
S = 10**9
AT = (time.time_ns() // (10 * S)) * 10 * S - 60 * S
TRACE, SPAN = bytes(range(16)), bytes(range(8))
EVALUATION, HEALTH, RUNNING = "gen_ai.evaluation.result", "trivet.health", "trivet.request.running"
BACKEND = {"trivet.backend": "vllm-1"}


def record(event="", attributes=None, *, at=AT, said="", severity=0, trace=b"", span_id=b""):
    return event, attributes or {}, at, said, severity, trace, span_id


def logs(*records, resource=None):
    request = ExportLogsServiceRequest()
    group = request.resource_logs.add()
    set_attributes(group.resource, resource or {"service.name": "evaluator"})
    scope = group.scope_logs.add()
    for event, attributes, at, said, severity, trace, span_id in records:
        made = scope.log_records.add(
            event_name=event, time_unix_nano=at, severity_number=severity, trace_id=trace, span_id=span_id
        )
        if said:
            made.body.string_value = said
        set_attributes(made, attributes)
    return request


def post(sender, key, *records, resource=None):
    """What the answer says was refused."""
    sent = logs(*records, resource=resource).SerializeToString()
    answer = sender.post("/v1/logs", content=sent, headers=key | PROTOBUF)
    assert answer.status_code == 200, answer.text
    return ExportLogsServiceResponse.FromString(answer.content).partial_success.error_message


def rows(query):
    with db.transaction() as session:
        return [dict(row) for row in session.execute(text(query)).mappings()]


def call(sender, key, attributes=None, *, trace=TRACE, span_id=SPAN, end_ns=AT - S):
    """A request that a score can be about."""
    given = {"trace_id": trace, "span_id": span_id, "end_ns": end_ns}
    sent = body(span(attributes, **given))
    assert sender.post("/v1/traces", content=sent, headers=key | PROTOBUF).content == b""


def scores():
    return rows(
        "SELECT t.name AS tenant, s.name AS scenario, metric, value, revision, level FROM score LEFT JOIN tenant t "
        "ON t.id = tenant_id JOIN scenario s ON s.id = scenario_id ORDER BY score.id"
    )


def health():
    return rows(
        "SELECT b.name AS backend, detail, samples, total FROM signal_delta LEFT JOIN backend b ON b.id = backend_id "
        "WHERE metric = 'trivet.health' ORDER BY signal_delta.id"
    )


class TestEvaluations:
    RESULT = {"gen_ai.evaluation.name": "relevance", "gen_ai.evaluation.score.value": 0.75}  # noqa: RUF012  # never changed

    def test_are_scores_of_the_request_that_they_name(self, sender, key):
        call(sender, key, {"trivet.policy.revision": 3, "trivet.degrade.level": 2})
        assert post(sender, key, record(EVALUATION, self.RESULT, trace=TRACE, span_id=SPAN)) == ""
        expected = {"tenant": "acme", "scenario": "checkout", "metric": "relevance", "value": 0.75}
        assert scores() == [expected | {"revision": 3, "level": 2}]
        assert rows("SELECT scores, score_total, level FROM usage_delta WHERE scores > 0") == [
            {"scores": 1, "score_total": 0.75, "level": 2}
        ]

    def test_of_a_trace_with_many_requests_the_span_decides_then_the_response(self, sender, key):
        others = {b"\1" * 8: "first", b"\2" * 8: "second", b"\3" * 8: "third"}
        for n, (span_id, scenario) in enumerate(others.items()):
            said = {"trivet.scenario": scenario, "gen_ai.response.id": f"r-{scenario}"}
            call(sender, key, said, span_id=span_id, end_ns=AT - (9 - n) * S)
        by_response = self.RESULT | {"gen_ai.response.id": "r-second"}
        post(sender, key, record(EVALUATION, self.RESULT, trace=TRACE, span_id=b"\1" * 8))
        post(sender, key, record(EVALUATION, by_response, trace=TRACE))
        post(sender, key, record(EVALUATION, self.RESULT, trace=TRACE))
        assert [score["scenario"] for score in scores()] == ["first", "second", "third"]

    def test_what_the_event_says_itself_counts_more(self, sender, key):
        call(sender, key, {"trivet.policy.revision": 3})
        said = self.RESULT | {"trivet.scenario": "search", "trivet.policy.revision": 1, "trivet.degrade.level": 1}
        post(sender, key, record(EVALUATION, said, trace=TRACE))
        [score] = scores()
        assert (score["scenario"], score["revision"], score["level"]) == ("search", 1, 1)

    def test_where_no_request_is_known_the_sender_stands_in_as_on_its_spans(self, sender, key):
        resource = {"service.name": "checkout-assistant", "tenant.id": "acme"}
        post(sender, key, record(EVALUATION, self.RESULT, trace=TRACE), resource=resource)
        [score] = scores()
        assert (score["tenant"], score["scenario"]) == ("acme", "checkout-assistant")

    def test_where_nobody_says_a_scenario_they_are_refused(self, sender, key):
        said = post(sender, key, record(EVALUATION, self.RESULT), resource={"host.name": "x"})
        assert said == "1 log records refused: score_without_scenario 1"

    @pytest.mark.parametrize(("label", "value"), [("pass", 1.0), ("Fail", 0.0)])
    def test_a_label_stands_for_a_value_that_is_missing(self, sender, key, label, value):
        said = {"gen_ai.evaluation.name": "safe", "gen_ai.evaluation.score.label": label}
        assert post(sender, key, record(EVALUATION, said)) == ""
        assert [score["value"] for score in scores()] == [value]

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"gen_ai.evaluation.score.value": 1.5}, "score_out_of_range"),
            ({"gen_ai.evaluation.score.value": -0.1}, "score_out_of_range"),
            ({"gen_ai.evaluation.score.value": float("nan")}, "score_out_of_range"),
            ({"gen_ai.evaluation.score.value": "high"}, "evaluation_without_score"),
            ({"gen_ai.evaluation.name": ""}, "evaluation_without_name"),
        ],
    )
    def test_that_are_none_are_refused_and_the_others_kept(self, sender, key, change, reason):
        said = post(sender, key, record(EVALUATION, self.RESULT | change), record(EVALUATION, self.RESULT))
        assert said == f"1 log records refused: {reason} 1"
        assert len(scores()) == 1
        assert rows("SELECT reason, items FROM denial") == [{"reason": reason, "items": 1}]

    def test_sent_again_are_one_score_even_where_the_request_came_in_between(self, sender, key):
        sent = record(EVALUATION, self.RESULT, trace=TRACE)
        for _ in range(2):
            post(sender, key, sent, sent)
        call(sender, key)
        post(sender, key, sent)
        assert len(scores()) == 1

    def test_a_bound_key_scores_its_own_tenants_requests_alone(self, sender, key, make_key):
        call(sender, key, {"trivet.policy.revision": 3})
        bound = {"Authorization": f"Bearer {make_key(['ingest'], tenant='globex')}"}
        post(sender, bound, record(EVALUATION, self.RESULT, trace=TRACE))
        [score] = scores()
        assert (score["tenant"], score["scenario"], score["revision"]) == ("globex", "evaluator", 0)

    def test_come_by_attribute_and_as_json_too(self, sender, key):
        sent = logs(record("", self.RESULT | {"event.name": EVALUATION}))
        assert sender.post("/v1/logs", content=as_json(sent), headers=key | JSON).json() == {}
        assert len(scores()) == 1


class TestHealth:
    OOM = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB"

    def test_events_are_signals_of_their_backend(self, sender, key):
        said = BACKEND | {"trivet.health.kind": "gpu_lost", "trivet.reason": "bus"}
        assert post(sender, key, record(HEALTH, said)) == ""
        assert health() == [{"backend": "vllm-1", "detail": "gpu_lost/bus", "samples": 1, "total": 1.0}]

    def test_without_a_kind_are_refused(self, sender, key):
        assert post(sender, key, record(HEALTH, BACKEND)) == "1 log records refused: health_without_kind 1"

    @pytest.mark.parametrize(
        ("said", "detail"),
        [
            (OOM, "out_of_memory/cuda"),
            ("RuntimeError: Engine core initialization failed. See root cause above.", "model_load/engine"),
            ("NVRM: GPU at PCI:0000:3b:00: GPU has fallen off the bus.", "gpu_lost/bus"),
        ],
    )
    def test_error_logs_of_engines_are_understood(self, sender, key, said, detail):
        assert post(sender, key, record(said=said, severity=17, attributes=BACKEND)) == ""
        assert [event["detail"] for event in health()] == [detail]

    def test_so_are_exceptions(self, sender, key):
        raised = BACKEND | {"exception.type": "torch.cuda.OutOfMemoryError", "exception.message": "CUDA error"}
        assert post(sender, key, record(attributes=raised, severity=21)) == ""
        assert [event["detail"] for event in health()] == ["out_of_memory/cuda"]

    def test_only_errors_of_a_named_backend_count(self, sender, key):
        said = post(
            sender, key, record(said=self.OOM, severity=9, attributes=BACKEND), record(said=self.OOM, severity=17)
        )
        assert said == "2 log records refused: log_not_kept 2"

    def test_sent_again_are_one_event_and_two_in_one_microsecond_are_two(self, sender, key):
        sent = [record(said=f"{self.OOM} on GPU {n}", severity=17, attributes=BACKEND) for n in range(2)]
        for _ in range(2):
            assert post(sender, key, *sent) == ""
        assert sum(event["total"] for event in health()) == 2.0

    def test_series_stay_few_however_many_events_there_are(self, sender, key):
        rng = random.Random(1)
        sent = [
            record(said=f"{self.OOM} {rng.random()}", severity=17, attributes=BACKEND, at=AT + n * 1000)
            for n in range(500)
        ]
        assert post(sender, key, *sent) == ""
        assert sum(event["samples"] for event in health()) == 500
        [series] = rows("SELECT count(*) AS n FROM signal_series")
        assert series["n"] <= 64

    def test_too_old_ones_are_refused(self, sender, key):
        old = record(HEALTH, BACKEND | {"trivet.health.kind": "xid"}, at=AT - 40 * 86_400 * S)
        assert post(sender, key, old) == "1 log records refused: too_old 1"


class TestRunningCalls:
    def test_are_handed_on(self, sender, key):
        now = time.time_ns()
        said = BACKEND | {"trivet.request.start_time_unix_nano": now - 30 * S, "trivet.scenario": "chat"}
        assert post(sender, key, record(RUNNING, said, at=now, trace=TRACE, span_id=SPAN)) == ""
        assert rows("SELECT s.name AS scenario, b.name AS backend, trace_id IS NOT NULL AS traced FROM running_call r "
                    "JOIN scenario s ON s.id = scenario_id JOIN backend b ON b.id = backend_id") == [
            {"scenario": "chat", "backend": "vllm-1", "traced": True}
        ]  # fmt: skip

    def test_without_a_start_are_refused(self, sender, key):
        said = post(sender, key, record(RUNNING, BACKEND, trace=TRACE, span_id=SPAN))
        assert said == "1 log records refused: bad_id 1"


class TestOtherRecords:
    def test_details_of_a_call_are_never_a_second_request(self, sender, key):
        """OpenLIT says each call again as a log record, with its messages: nothing of it is kept."""
        for name in ("openlit-chat-logs.pb", "openlit-embeddings-logs.pb"):
            answer = sender.post("/v1/logs", content=(DATA / name).read_bytes(), headers=key | PROTOBUF)
            partial = ExportLogsServiceResponse.FromString(answer.content).partial_success
            assert partial.error_message == "1 log records refused: log_not_kept 1"
        assert rows("SELECT (SELECT count(*) FROM request) + (SELECT count(*) FROM signal_series) AS n") == [{"n": 0}]

    def test_are_counted_and_no_denial(self, sender, key):
        assert post(sender, key, record(said="hello"), record("app.event")) == "2 log records refused: log_not_kept 2"
        assert rows("SELECT count(*) AS n FROM denial") == [{"n": 0}]

    def test_too_many_get_413(self, sender, key, monkeypatch):
        monkeypatch.setenv("TRIVET_OTLP_SPANS_LIMIT", "1")
        get_settings.cache_clear()
        for content, kind in (
            (logs(record(), record()).SerializeToString(), PROTOBUF),
            (as_json(logs(record(), record())), JSON),
        ):
            assert sender.post("/v1/logs", content=content, headers=key | kind).status_code == 413

    def test_malformed_ones_get_400(self, sender, key):
        assert sender.post("/v1/logs", content=b"\xff\xff", headers=key | PROTOBUF).status_code == 400
        assert sender.post("/v1/logs", content=b'{"resourceLogs": 5}', headers=key | JSON).status_code == 400


class TestWhatDriversDid:
    """Events of hands that obey for an engine: they prove a generation, and are nothing else."""

    SAID = {  # noqa: RUF012  # never changed
        "trivet.backend": "vllm-1", "trivet.scenario": "chat", "trivet.policy.generation": 7, "trivet.policy.revision": 3,
        "trivet.degrade.level": 2, "trivet.reason": "put to sleep at level 1",
    }  # fmt: skip
    SEEN = """
        SELECT b.name AS backend, s.name AS scenario, bound, generation, revision, level FROM policy_seen
        JOIN backend b ON b.id = backend_id JOIN scenario s ON s.id = scenario_id
    """

    def test_prove_the_generation_that_a_backend_works_under(self, sender, key):
        assert post(sender, key, *[record("trivet.policy.applied", self.SAID)] * 2) == ""
        assert rows(self.SEEN) == [
            {"backend": "vllm-1", "scenario": "chat", "bound": False, "generation": 7, "revision": 3, "level": 2}
        ]
        assert rows("SELECT count(*) AS n FROM request") == [{"n": 0}]

    @pytest.mark.parametrize(
        ("changed", "reason"),
        [
            ({"trivet.policy.generation": 0}, "applied_without_generation"),
            ({"trivet.policy.generation": "7"}, "applied_without_generation"),
            ({"trivet.policy.generation": -1}, "applied_without_generation"),
            ({"trivet.backend": ""}, "applied_without_backend_or_scenario"),
        ],
    )
    def test_that_prove_nothing_are_refused(self, sender, key, changed, reason):
        assert reason in post(sender, key, record("trivet.policy.applied", self.SAID | changed))
        assert rows(self.SEEN) == []
