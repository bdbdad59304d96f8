"""Running calls as a serving backend tells them: what is told, when it ends, and what it costs the calls."""

import subprocess
import sys
import threading

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider

from trivet_collectors import running
from trivet_collectors import semconv as sc
from trivet_collectors.running import RunningCalls

CHAT = {
    "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o",
    "trivet.tenant": "acme", "trivet.scenario": "support", "trivet.backend": "b1", "trivet.degrade.level": 1,
    "gen_ai.input.messages": "never told",
}  # fmt: skip
SECOND_NS = 1_000_000_000


@pytest.fixture
def reader():
    return InMemoryMetricReader()


@pytest.fixture
def calls(reader):
    made = RunningCalls(InMemoryLogRecordExporter(), reader, every_s=3600)
    yield made
    made.shutdown()


@pytest.fixture
def start(calls):
    """`start("name", attributes)` -> a live span; spans of attributes None are no calls."""
    provider = TracerProvider()
    provider.add_span_processor(calls)
    tracer = provider.get_tracer("test")
    yield lambda attributes=CHAT, start_ns=10 * SECOND_NS: tracer.start_span(
        "chat", attributes=attributes, start_time=start_ns
    )
    provider.shutdown()


def told(calls, now_s):
    return [record.log_record for record in calls.events(round(now_s * SECOND_NS))]


def counts(reader, metric):
    """Values of a metric by scenario."""
    found = {}
    data = reader.get_metrics_data()
    for of_resource in data.resource_metrics if data else ():
        for of_scope in of_resource.scope_metrics:
            for made in of_scope.metrics:
                for point in made.data.data_points if made.name == metric.name else ():
                    found[point.attributes.get("trivet.scenario", "")] = point.value
    return found


class TestWhatIsTold:
    def test_is_who_the_call_is_for_and_when_it_began_and_no_text_of_it(self, calls, start):
        span = start()
        (event,) = told(calls, 13)
        assert event.event_name == "trivet.request.running" and event.timestamp == 13 * SECOND_NS
        assert (event.trace_id, event.span_id) == (span.context.trace_id, span.context.span_id)
        assert event.attributes == {k: v for k, v in CHAT.items() if k != "gen_ai.input.messages"} | {
            "trivet.request.start_time_unix_nano": 10 * SECOND_NS,
            "trivet.request.answering": False,
        }

    def test_is_told_again_until_the_call_has_ended(self, calls, start):
        span = start()
        assert [len(told(calls, at)) for at in (12, 13)] == [1, 1]
        span.end()
        assert told(calls, 14) == []

    def test_begins_once_a_call_is_a_second_old(self, calls, start):
        start()
        assert [len(told(calls, at)) for at in (10.5, 11)] == [0, 1]

    def test_is_only_of_calls_to_a_model(self, calls, start):
        start({"gen_ai.operation.name": "invoke_agent"})
        start({})
        assert told(calls, 20) == []

    def test_says_that_a_first_token_has_come(self, calls, start):
        calls.answering(start())
        assert told(calls, 20)[0].attributes["trivet.request.answering"] is True

    def test_is_of_the_oldest_where_there_are_too_many(self, calls, start, monkeypatch):
        monkeypatch.setattr(running, "TOLD_MAX", 2)
        for second in (3, 1, 2):
            start(start_ns=second * SECOND_NS)
        began = [event.attributes["trivet.request.start_time_unix_nano"] for event in told(calls, 20)]
        assert began == [1 * SECOND_NS, 2 * SECOND_NS]

    def test_stops_at_a_limit_that_is_counted(self, calls, start, monkeypatch):
        monkeypatch.setattr(running, "CALLS_MAX", 2)
        for _ in range(3):
            start()
        assert (len(told(calls, 20)), calls.left_out) == (2, 1)


class TestWhatIsCounted:
    def test_running_and_waiting_calls_and_those_let_in(self, calls, start, reader):
        waits, runs = start(), start()
        calls.queued(waits)
        told(calls, 20)
        assert counts(reader, sc.TRIVET_REQUESTS_RUNNING) == {"support": 1}
        assert counts(reader, sc.TRIVET_REQUESTS_WAITING) == {"support": 1}
        assert counts(reader, sc.TRIVET_REQUESTS_ADMITTED) == {"support": 2}
        calls.begun(waits)
        runs.end()
        assert counts(reader, sc.TRIVET_REQUESTS_RUNNING) == {"support": 1}
        waits.end()
        assert counts(reader, sc.TRIVET_REQUESTS_RUNNING) == {"support": 0}, "an end is told, not left out"
        assert counts(reader, sc.TRIVET_REQUESTS_ADMITTED) == {"support": 2}

    def test_what_was_turned_away_was_not_let_in(self, calls, start, reader):
        span = start()
        span.set_attribute("trivet.outcome", "rejected")
        span.end()
        assert counts(reader, sc.TRIVET_REQUESTS_ADMITTED) == {}


class TestProcessesThatSayTheSameOfThemselves:
    def test_are_told_apart_and_begin_with_nothing_after_a_fork(self):
        script = """
import os
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter
from opentelemetry.sdk.trace import TracerProvider
from trivet_collectors.running import RunningCalls
calls = RunningCalls(InMemoryLogRecordExporter(), every_s=3600)
provider = TracerProvider()
provider.add_span_processor(calls)
start = lambda: provider.get_tracer("t").start_span("chat", attributes={"gen_ai.operation.name": "chat"}, start_time=1)
start(), start().end()
def say():
    print(calls.instance, *(sum(c.values()) for c in calls.observe()), len(calls.events(5 * 10**9)), flush=True)
say()
child = os.fork()
if not child:
    say()
    start()
    say()
    os._exit(0)
os.waitpid(child, 0)
say()
os._exit(0)
"""
        out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
        parent, forked, at_work, still = [line.split() for line in out.stdout.splitlines()]
        assert parent[1:] == ["1", "0", "1", "1"]
        assert forked[1:] == ["0", "0", "0", "0"], "the parent's calls are the parent's to tell"
        assert at_work[1:] == ["1", "0", "0", "1"]
        assert parent[0] == still[0] != forked[0] == at_work[0]

    def test_say_which_they_are(self, start, reader, calls):
        start()
        data = reader.get_metrics_data()
        points = [p for m in data.resource_metrics[0].scope_metrics[0].metrics for p in m.data.data_points]
        assert {p.attributes["service.instance.id"] for p in points} == {calls.instance}


class TestTheWire:
    def test_events_reach_a_server_as_otlp(self, reader):
        sent, ready = [], threading.Event()

        class Wire(InMemoryLogRecordExporter):
            def export(self, batch):
                from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs

                sent.append(ExportLogsServiceRequest.FromString(encode_logs(batch).SerializeToString()))
                ready.set()
                return super().export(batch)

        provider = TracerProvider()
        provider.add_span_processor(RunningCalls(Wire(), reader, every_s=0.01, older_than_s=0))
        span = provider.get_tracer("t").start_span("chat", attributes=CHAT)
        assert ready.wait(10)
        (record,) = sent[0].resource_logs[0].scope_logs[0].log_records
        assert record.event_name == "trivet.request.running"
        assert record.span_id == span.context.span_id.to_bytes(8, "big")
        provider.shutdown()

    def test_an_exporter_that_fails_ends_nothing(self, reader):
        tried = threading.Semaphore(0)

        class Broken(InMemoryLogRecordExporter):
            def export(self, batch):
                tried.release()
                raise OSError("no route")

        provider = TracerProvider()
        provider.add_span_processor(RunningCalls(Broken(), reader, every_s=0.01, older_than_s=0))
        span = provider.get_tracer("t").start_span("chat", attributes=CHAT)
        assert tried.acquire(timeout=10) and tried.acquire(timeout=10)
        span.end()
        provider.shutdown()
