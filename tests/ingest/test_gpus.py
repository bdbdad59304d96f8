"""GPU readings over /v1/metrics: once, by bucket; other metrics are counted and not stored yet."""

import math
import time
from pathlib import Path

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from sqlalchemy import text
from tests.support.otlp import JSON, PROTOBUF, as_json, gauges

from trivet import db
from trivet_collectors import semconv

DATA = Path(__file__).parent.parent / "data" / "otlp"
GPU = {"hw.id": "GPU-1", "hw.model": "NVIDIA H200", "hw.type": "gpu"}
AT = (time.time_ns() // (10 * 10**9)) * 10 * 10**9  # the start of a bucket


def post(sender, key, message):
    return sender.post("/v1/metrics", content=message.SerializeToString(), headers=key | PROTOBUF)


def rows(query):
    with db.transaction() as session:
        return session.execute(text(query)).mappings().all()


class TestReadings:
    def test_are_stored_under_their_gpu(self, sender, key):
        answer = post(sender, key, gauges(("hw.gpu.utilization", 0.5, GPU, AT), ("hw.power", 300, GPU, AT)))
        assert (answer.status_code, answer.content) == (200, b"")
        found = rows(
            "SELECT g.uuid, g.model, g.host, metric, value FROM gpu_sample JOIN gpu g ON g.id = gpu_id ORDER BY 4"
        )
        same = {"uuid": "GPU-1", "model": "NVIDIA H200", "host": "node-1"}
        assert found == [
            same | {"metric": "hw.gpu.utilization", "value": 0.5},
            same | {"metric": "hw.power", "value": 300.0},
        ]

    def test_are_stored_once(self, sender, key):
        for _ in range(2):
            post(sender, key, gauges(*[("hw.power", 300.0, GPU, AT)] * 2))
        assert rows("SELECT count(*) n FROM gpu_sample") == [{"n": 1}]
        assert rows("SELECT sum(samples)::int n FROM gpu_delta") == [{"n": 1}]

    def test_add_up_by_10_seconds(self, sender, key):
        values = [(200.0, 0), (400.0, 9), (100.0, 10)]
        post(sender, key, gauges(*(("hw.power", v, GPU, AT - 20 * 10**9 + s * 10**9) for v, s in values)))
        found = rows("SELECT samples, total, least, most FROM gpu_delta ORDER BY bucket")
        assert found == [
            {"samples": 2, "total": 600.0, "least": 200.0, "most": 400.0},
            {"samples": 1, "total": 100.0, "least": 100.0, "most": 100.0},
        ]

    def test_come_as_json_too(self, sender, key):
        message = gauges(("hw.power", 300.5, GPU, AT), ("hw.gpu.memory.usage", 2**40, GPU, AT))
        answer = sender.post("/v1/metrics", content=as_json(message), headers=key | JSON)
        assert answer.json() == {}
        assert {r["value"] for r in rows("SELECT value FROM gpu_sample")} == {300.5, float(2**40)}

    def test_every_metric_of_the_collector_is_stored_and_each_throttle_reason_apart(self, sender, key):
        points = [(metric.name, 1.0, GPU, AT) for metric in semconv.GPU_METRICS if metric.name != "trivet.gpu.throttle"]
        reasons = ("idle", "hw_slowdown")
        points += [("trivet.gpu.throttle", 1, GPU | {"trivet.gpu.throttle.reason": r}, AT) for r in reasons]
        assert post(sender, key, gauges(*points)).content == b""
        names = {row["metric"] for row in rows("SELECT metric FROM gpu_sample")}
        assert len(names) == len(points)
        assert "trivet.gpu.throttle:hw_slowdown" in names

    def test_a_gpu_belongs_to_the_pool_its_node_names(self, sender, key):
        post(sender, key, gauges(("hw.power", 1.0, GPU, AT)))
        assert rows("SELECT pool_id FROM gpu") == [{"pool_id": None}]
        resource = {"trivet.pool": "h200", "host.name": "node-1"}
        post(sender, key, gauges(("hw.power", 1.0, GPU, AT + 1000), resource=resource))
        assert rows("SELECT p.name FROM gpu JOIN pool p ON p.id = pool_id") == [{"name": "h200"}]


class TestWhatIsNotStored:
    def test_a_reading_that_cannot_be_is_refused_and_the_others_kept(self, sender, key):
        old = AT - 40 * 86_400 * 10**9
        message = gauges(
            ("hw.power", math.nan, GPU, AT),
            ("hw.power", 1.0, {}, AT),
            ("hw.power", 1.0, GPU, old),
            ("hw.power", 1.0, GPU, AT + 3600 * 10**9),
            ("hw.power", 1.0, GPU, AT),
        )
        partial = ExportMetricsServiceResponse.FromString(post(sender, key, message).content).partial_success
        assert partial.rejected_data_points == 4
        assert rows("SELECT reason FROM denial ORDER BY 1") == [
            {"reason": r} for r in ("in_the_future", "no_gpu_id", "too_old", "value_not_finite")
        ]
        assert rows("SELECT count(*) n FROM gpu_sample") == [{"n": 1}]

    def test_a_tenants_key_registers_no_card_and_moves_none(self, sender, key, make_key):
        post(sender, key, gauges(("hw.power", 1.0, GPU, AT), resource={"trivet.pool": "h200"}))
        bound = {"Authorization": f"Bearer {make_key(['ingest'], tenant='acme')}"}
        other = GPU | {"hw.id": "GPU-2"}
        points = [("hw.power", 1.0, GPU, AT + 1000), ("hw.power", 1.0, other, AT + 1000), ("x", 1.0, {}, AT)]
        answer = post(sender, bound, gauges(*points, resource={"trivet.pool": "mine"}))
        partial = ExportMetricsServiceResponse.FromString(answer.content).partial_success
        assert (answer.status_code, partial.rejected_data_points) == (200, 3)
        assert "gpu_needs_platform_key 2" in partial.error_message
        assert rows("SELECT uuid, p.name FROM gpu JOIN pool p ON p.id = pool_id") == [{"uuid": "GPU-1", "name": "h200"}]
        assert rows("SELECT name FROM pool") == [{"name": "h200"}]
        assert rows("SELECT count(*) n FROM gpu_sample") == [{"n": 1}]
        assert rows("SELECT reason, items FROM denial") == [{"reason": "gpu_needs_platform_key", "items": 2}]

    def test_more_new_cards_or_pools_than_the_setting_are_refused(self, sender, key, monkeypatch):
        from trivet.settings import get_settings

        monkeypatch.setenv("TRIVET_NAMES_PER_EXPORT_LIMIT", "2")
        get_settings.cache_clear()

        def refused(*numbers, pool=None, at=AT):
            named = [{"hw.id": f"G{n}"} | ({"trivet.pool": pool.format(n)} if pool else {}) for n in numbers]
            answer = post(sender, key, gauges(*(("hw.power", 1.0, attributes, at) for attributes in named)))
            partial = ExportMetricsServiceResponse.FromString(answer.content).partial_success
            assert partial.error_message in ("", f"{partial.rejected_data_points} data points refused: {reason}")
            return partial.rejected_data_points

        reason = "too_many_new_names 2"
        assert refused(1, 2, 3, 4) == 2
        assert refused(1, 2, 3, 4) == 0, "those met before are not new"
        assert refused(1, 2, 3, 4, pool="p{}", at=AT + 1000) == 2
        assert rows("SELECT count(*) n FROM gpu_sample") == [{"n": 6}]
        assert rows("SELECT name FROM pool ORDER BY id") == [{"name": "p1"}, {"name": "p2"}]
        assert rows("SELECT reason, items FROM denial") == [{"reason": "too_many_new_names", "items": 4}]

    def test_other_metrics_are_counted_and_no_error(self, sender, key):
        raw = (DATA / "official-chat-metrics.pb").read_bytes()
        answer = sender.post("/v1/metrics", content=raw, headers=key | PROTOBUF)
        partial = ExportMetricsServiceResponse.FromString(answer.content).partial_success
        assert answer.status_code == 200
        assert partial.rejected_data_points > 0
        assert "metric_not_stored_yet" in partial.error_message
        as_text = as_json(ExportMetricsServiceRequest.FromString(raw))
        in_json = sender.post("/v1/metrics", content=as_text, headers=key | JSON).json()["partialSuccess"]
        assert in_json["rejectedDataPoints"] == str(partial.rejected_data_points)

    def test_malformed_ones_get_400(self, sender, key):
        assert sender.post("/v1/metrics", content=b"\xff\xff", headers=key | PROTOBUF).status_code == 400
        bad = b'{"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": 5}]}]}]}'
        assert sender.post("/v1/metrics", content=bad, headers=key | JSON).status_code == 400

    def test_too_many_points_get_413(self, sender, key, monkeypatch):
        from trivet.settings import get_settings

        monkeypatch.setenv("TRIVET_OTLP_SPANS_LIMIT", "1")
        get_settings.cache_clear()
        assert post(sender, key, gauges(*[("hw.power", 1.0, GPU, AT)] * 2)).status_code == 413
