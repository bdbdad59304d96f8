"""What has not ended, from the wire to the breach: a backend that stalls, and calls that are slow before they end.

The real API takes the metrics, logs and spans; the real evaluation judges. Only the hands of its clock are ours.
"""

import random
from datetime import timedelta

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from tests.support.governed import revise
from tests.support.otlp import JSON, PROTOBUF, as_json, body, gauges, set_attributes, span

from trivet import db
from trivet.guard import service as guards
from trivet.kit.clock import utc_now
from trivet.tenant.models import Scenario

NAMED = {"trivet.scenario": "chat", "trivet.backend": "b1", "trivet.tenant": "acme"}
WATCH = {"name": "watch", "metric": "p95_latency_ms", "enter": 1000, "leave": 800, "window_s": 20, "minimum_sample": 5}


@pytest.fixture
def now(database):
    return utc_now()


@pytest.fixture
def chat(now):
    """Scenario `chat`, governed for an hour; `govern(**changes)` of its card."""

    def govern(**changes):
        with db.transaction() as session:
            id_ = db.named_ids(session, Scenario, ["chat"])["chat"]
            revise(session, id_, 1, now - timedelta(hours=1), **changes)

    return govern


@pytest.fixture
def post(client, admin):
    def send(path, content, headers=PROTOBUF):
        answer = client.post(f"/v1/{path}", content=content, headers=admin | headers)
        assert answer.status_code == 200, answer.text
        assert answer.content in (b"", b"{}"), "all of it was taken"

    return send


@pytest.fixture
def listed(client, admin):
    """`listed("breaches", state="open")` -> the items of an API list."""
    return lambda path, **params: client.get(f"/api/v1/{path}", params=params, headers=admin).json()["items"]


@pytest.fixture
def said(listed):
    """`said("p95")` -> that guard as the API tells it."""
    return lambda guard: next(item for item in listed("guards") if item["guard"] == guard)


def evaluate(now):
    with db.transaction() as session:
        guards.evaluate(session, now)


def ns(at):
    return round(at.timestamp() * 1e6) * 1000


def events(calls, now, began):
    """An export that says that these calls, ids of their spans, still run."""
    export = ExportLogsServiceRequest()
    records = export.resource_logs.add().scope_logs.add().log_records
    for span_id in calls:
        record = records.add(
            time_unix_nano=ns(now), event_name="trivet.request.running", trace_id=span_id * 2, span_id=span_id
        )
        set_attributes(record, NAMED | {"trivet.request.start_time_unix_nano": ns(began)})
    return export


class TestABackendThatStalls:
    def test_breaks_its_scenarios_guards_until_requests_finish_again(self, chat, post, said, now, listed):
        chat()
        for second in (0, 10, 20):
            at = now + timedelta(seconds=second)
            running = gauges(("trivet.requests.running", 5, NAMED, ns(at)))
            post("metrics", running.SerializeToString())
            evaluate(at + timedelta(milliseconds=10))
        assert said("p95")["verdict"] == "stall"
        assert said("p95")["reason"] == "nothing finished in 20 s while 5 run"
        assert {breach["guard"] for breach in listed("breaches", state="open")} == {"p95", "p95-high"}
        assert [ladder["level"] for ladder in listed("ladders")] == [1]

        at = now + timedelta(seconds=22)
        ran = NAMED | {"trivet.policy.revision": 1, "trivet.degrade.level": 1}
        post("traces", body(*(span(ran, end_ns=ns(at), seconds=0.2) for _ in range(6))))
        evaluate(at + timedelta(seconds=1))
        assert said("p95")["verdict"] == "ok"
        assert listed("breaches", state="open") == []


class TestASlowCall:
    @pytest.mark.parametrize("media", [PROTOBUF, JSON], ids=["protobuf", "json"])
    def test_breaks_its_guard_before_it_ends_and_counts_once_after(self, chat, post, said, now, media):
        chat(guards=[WATCH], rollback={"automatic": False})
        calls = [random.randbytes(8) for _ in range(6)]
        began = now - timedelta(seconds=5)
        told = events(calls, now, began)
        content = as_json(told) if media is JSON else told.SerializeToString()
        post("logs", content, media)
        evaluate(now + timedelta(seconds=1))
        assert (said("watch")["verdict"], said("watch")["sample"]) == ("breach", 6)
        assert "6 still running over 1 s" in said("watch")["reason"]

        ended = now + timedelta(seconds=1)
        ids = [{"trace_id": id_ * 2, "span_id": id_} for id_ in calls]
        post(
            "traces",
            body(*(span(NAMED, start_time_unix_nano=ns(began), end_time_unix_nano=ns(ended), **of) for of in ids)),
        )
        post("logs", content, media)  # its retry came late
        evaluate(now + timedelta(seconds=10))  # what a verdict says is written anew every few seconds
        assert (said("watch")["verdict"], said("watch")["sample"]) == ("breach", 6)
        assert "still running" not in said("watch")["reason"]
