"""What instrumentations really send to /v1/metrics, and every signal that comes of it."""

import time
from pathlib import Path

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from tests.support.otlp import JSON, as_json
from tests.support.telemetry import post, quantiles, rows, signals

DATA = Path(__file__).parent.parent / "data" / "otlp"
AT = time.time_ns() - 600 * 10**9


class TestWhatOthersSend:
    """The sample payloads, each with all that comes of it. Each was started less than a minute before its one export."""

    MODEL = "gpt-4o-mini-2024-07-18"

    def body(self, name):
        """As if it had been sent a minute ago."""
        message = ExportMetricsServiceRequest.FromString((DATA / name).read_bytes())
        of_scopes = [
            metric for group in message.resource_metrics for scope in group.scope_metrics for metric in scope.metrics
        ]
        points = [point for metric in of_scopes for point in getattr(metric, metric.WhichOneof("data")).data_points]
        later = AT - max(point.time_unix_nano for point in points)
        for point in points:
            point.time_unix_nano += later
            point.start_time_unix_nano += later
        return message

    def send(self, sender, key, name):
        return post(sender, key, self.body(name))

    @pytest.mark.parametrize(
        ("name", "seconds"),
        [("official-chat-metrics.pb", 0.011126360999696772), ("official-latest-chat-metrics.pb", 0.009355615000458783)],
    )
    def test_the_official_instrumentation(self, sender, key, name, seconds):
        assert self.send(sender, key, name) == ""
        assert signals() == {
            ("trivet.client.duration", ""): (1, seconds),
            ("trivet.client.tokens", "input"): (1, 33.0),
            ("trivet.client.tokens", "output"): (1, 15.0),
        }
        assert quantiles()[0] == pytest.approx(seconds * 1000, rel=0.01)

    def test_openlit(self, sender, key):
        assert self.send(sender, key, "openlit-chat-metrics.pb") == ""
        assert signals() == {
            ("trivet.client.duration", ""): (1, 0.00975179672241211),
            ("trivet.client.tokens", "input"): (1, 33.0),
            ("trivet.client.tokens", "output"): (1, 15.0),
            ("trivet.engine.e2e", ""): (1, 0.00975179672241211),
            ("trivet.engine.ttft", ""): (1, 0.00973653793334961),
            ("trivet.spend", ""): (1, 0.0),
        }

    def test_traceloop(self, sender, key):
        said = self.send(sender, key, "traceloop-chat-metrics.pb")
        assert said == "2 data points refused: metric_not_kept (gen_ai.client.generation.choices 2) 2"
        assert signals() == {
            ("trivet.client.duration", ""): (1, 0.008476018905639648),
            ("trivet.client.tokens", "input"): (1, 33.0),
            ("trivet.client.tokens", "output"): (1, 15.0),
        }

    def test_belongs_to_the_tenant_scenario_and_model_that_the_callers_spans_name(self, sender, key):
        self.send(sender, key, "official-chat-metrics.pb")
        assert rows(
            "SELECT DISTINCT t.name tenant, s.name scenario, m.provider, m.name model FROM signal_delta JOIN tenant t "
            "ON t.id = tenant_id JOIN scenario s ON s.id = scenario_id JOIN model m ON m.id = model_id"
        ) == [{"tenant": "acme", "scenario": "checkout-assistant", "provider": "openai", "model": self.MODEL}]

    def test_is_never_added_to_usage(self, sender, key):
        self.send(sender, key, "openlit-chat-metrics.pb")
        assert rows("SELECT (SELECT count(*) FROM usage_delta) + (SELECT count(*) FROM request) AS n") == [{"n": 0}]

    def test_json_says_the_same_as_protobuf(self, sender, key):
        body = as_json(self.body("openlit-chat-metrics.pb"))
        assert sender.post("/v1/metrics", content=body, headers=key | JSON).json() == {}
        from_json = signals()
        assert self.send(sender, key, "openlit-chat-metrics.pb") == ""
        assert signals() == from_json, "the same points once more"
