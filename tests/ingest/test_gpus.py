"""GPU readings over /v1/metrics: once, by bucket, as samples of many values and as increments."""

import math
import time

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from sqlalchemy import text
from tests.support.metrics import metrics, sampled, sums
from tests.support.otlp import JSON, PROTOBUF, as_json, gauges

from trivet import db
from trivet_collectors import semconv

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
            "SELECT g.uuid, g.model, g.host, metric, samples, total FROM gpu_sample JOIN gpu g ON g.id = gpu_id ORDER BY 4"
        )
        same = {"uuid": "GPU-1", "model": "NVIDIA H200", "host": "node-1"}
        assert found == [
            same | {"metric": "hw.gpu.utilization", "samples": 1, "total": 0.5},
            same | {"metric": "hw.power", "samples": 1, "total": 300.0},
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
        assert {r["total"] for r in rows("SELECT total FROM gpu_sample")} == {300.5, float(2**40)}

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


class TestSamples:
    def test_a_point_of_many_samples_says_how_many_their_sum_least_and_most(self, sender, key):
        point = (AT + 9 * 10**9, 10, 3100.0, 280.0, 340.0)
        assert post(sender, key, metrics(sampled("hw.power", point, attributes=GPU))).content == b""
        post(sender, key, metrics(sampled("hw.power", (AT + 10**9, 2, 600.0, 290.0, 310.0), attributes=GPU)))
        assert rows("SELECT samples, total, least, most FROM gpu_sample ORDER BY sampled_at") == [
            {"samples": 2, "total": 600.0, "least": 290.0, "most": 310.0},
            {"samples": 10, "total": 3100.0, "least": 280.0, "most": 340.0},
        ]
        found = rows("SELECT sum(samples)::int n, sum(total) total, min(least) least, max(most) most FROM gpu_delta")
        assert found == [{"n": 12, "total": 3700.0, "least": 280.0, "most": 340.0}]

    def test_where_least_and_most_are_not_said_they_are_the_mean(self, sender, key):
        post(sender, key, metrics(sampled("hw.power", (AT, 4, 1200.0, None, None), attributes=GPU)))
        assert rows("SELECT least, most FROM gpu_sample") == [{"least": 300.0, "most": 300.0}]

    def test_increments_add_up(self, sender, key):
        ecc = {"error.type": "corrected"}
        for second, more in ((0, 3), (5, 0), (9, 4)):
            post(sender, key, metrics(sums("hw.errors", (AT + second * 10**9, more), attributes=GPU | ecc)))
        assert rows("SELECT metric, sum(total) AS total FROM gpu_delta GROUP BY 1") == [
            {"metric": "hw.errors:corrected", "total": 7.0}
        ]

    def test_each_detail_is_a_metric_of_its_own(self, sender, key):
        xid = [sums("trivet.gpu.xid", (AT, 1), attributes=GPU | {"trivet.gpu.xid.code": code}) for code in ("79", "48")]
        process = sampled("trivet.gpu.process.memory", (AT, 1, 5.0, 5.0, 5.0), attributes=GPU | {"process.pid": "1234"})
        post(sender, key, metrics(*xid, process))
        assert {row["metric"] for row in rows("SELECT metric FROM gpu_sample")} == {
            "trivet.gpu.xid:79", "trivet.gpu.xid:48", "trivet.gpu.process.memory:1234",
        }  # fmt: skip

    def test_a_running_total_counts_as_what_it_has_grown_by(self, sender, key):
        for second, joules in ((0, 1000), (10, 1300), (20, 1500), (30, 40)):
            total = sums("hw.energy", (AT - 60 * 10**9 + second * 10**9, joules), attributes=GPU, delta=False)
            assert post(sender, key, metrics(total)).content == b""
        assert [row["total"] for row in rows("SELECT total FROM gpu_sample ORDER BY sampled_at")] == [0, 300, 200, 40]

    def test_a_running_total_that_comes_late_is_out_of_order_and_one_sent_again_is_nothing_new(self, sender, key):
        def send(second, joules):
            total = sums("hw.energy", (AT - 60 * 10**9 + second * 10**9, joules), attributes=GPU, delta=False)
            answer = post(sender, key, metrics(total))
            return ExportMetricsServiceResponse.FromString(answer.content).partial_success.error_message

        assert [send(10, 1000), send(30, 1600)] == ["", ""]
        assert [send(10, 1000), send(30, 1600)] == ["", ""]
        assert send(20, 1200) == "1 data points refused: out_of_order 1"
        assert rows("SELECT sum(total) total FROM gpu_delta") == [{"total": 600.0}]

    def test_an_instance_is_a_card_that_names_its_parent(self, sender, key):
        instance = {"hw.id": "MIG-7", "hw.parent": "GPU-1"}
        post(sender, key, gauges(("hw.gpu.memory.usage", 5, instance, AT), ("hw.power", 1.0, GPU, AT)))
        assert rows("SELECT uuid, parent FROM gpu ORDER BY uuid") == [
            {"uuid": "GPU-1", "parent": ""},
            {"uuid": "MIG-7", "parent": "GPU-1"},
        ]

    def test_a_card_says_when_it_was_last_seen(self, sender, key):
        for at in (AT - 120 * 10**9, AT, AT - 60 * 10**9):
            post(sender, key, gauges(("hw.power", 1.0, GPU, at)))
        assert rows("SELECT extract(epoch FROM seen_at)::int8 AS s FROM gpu") == [{"s": AT // 10**9}]


class TestWhatIsNotStored:
    def test_no_reading_is_no_number(self, sender, key):
        """DCGM's words for it, in its three widths, and no value at all."""
        blank = (9223372036854775794, 140737488355328.0, 2147483632)
        answer = post(sender, key, gauges(*(("hw.power", value, GPU, AT + i * 1000) for i, value in enumerate(blank))))
        partial = ExportMetricsServiceResponse.FromString(answer.content).partial_success
        assert partial.error_message == "3 data points refused: no_reading 3"
        gone = gauges(("hw.power", 1.0, GPU, AT))
        gone.resource_metrics[0].scope_metrics[0].metrics[0].gauge.data_points[0].flags = 1
        assert post(sender, key, gone).content == b"", "a series that has ended is no refusal"
        assert rows("SELECT count(*) n FROM gpu_sample") == [{"n": 0}]

    def test_a_counter_never_runs_backwards(self, sender, key):
        answer = post(sender, key, metrics(sums("hw.energy", (AT, -1.0), attributes=GPU)))
        partial = ExportMetricsServiceResponse.FromString(answer.content).partial_success
        assert partial.error_message == "1 data points refused: counter_negative 1"

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

    def test_more_new_cards_than_the_setting_are_refused(self, sender, key, monkeypatch):
        from trivet.settings import get_settings

        monkeypatch.setenv("TRIVET_NAMES_PER_EXPORT_LIMIT", "2")
        get_settings.cache_clear()

        def refused(*numbers):
            answer = post(sender, key, gauges(*(("hw.power", 1.0, {"hw.id": f"G{n}"}, AT) for n in numbers)))
            partial = ExportMetricsServiceResponse.FromString(answer.content).partial_success
            assert partial.error_message in ("", "2 data points refused: too_many_new_names 2")
            return partial.rejected_data_points

        assert refused(1, 2, 3, 4) == 2
        assert refused(1, 2, 3, 4) == 0, "those met before are not new"
        assert rows("SELECT count(*) n FROM gpu_sample") == [{"n": 4}]
        assert rows("SELECT reason, items FROM denial") == [{"reason": "too_many_new_names", "items": 2}]

    def test_of_more_pools_than_the_key_may_name_are_of_the_pool_overflow(self, sender, key, monkeypatch):
        from trivet.settings import get_settings

        monkeypatch.setenv("TRIVET_NAMES_PER_KEY_LIMIT", "2")
        get_settings.cache_clear()
        for n in range(4):
            post(sender, key, gauges(("hw.power", 1.0, {"hw.id": f"G{n}", "trivet.pool": f"p{n}"}, AT)))
        pools = "SELECT g.uuid, p.name FROM gpu g JOIN pool p ON p.id = g.pool_id ORDER BY g.uuid"
        assert [row["name"] for row in rows(pools)] == ["p0", "p1", "overflow", "overflow"]
        assert rows("SELECT reason, items FROM denial") == [{"reason": "overflow_pool", "items": 2}]

    def test_malformed_ones_get_400(self, sender, key):
        assert sender.post("/v1/metrics", content=b"\xff\xff", headers=key | PROTOBUF).status_code == 400
        bad = b'{"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": 5}]}]}]}'
        assert sender.post("/v1/metrics", content=bad, headers=key | JSON).status_code == 400

    def test_too_many_points_get_413(self, sender, key, monkeypatch):
        from trivet.settings import get_settings

        monkeypatch.setenv("TRIVET_OTLP_SPANS_LIMIT", "1")
        get_settings.cache_clear()
        assert post(sender, key, gauges(*[("hw.power", 1.0, GPU, AT)] * 2)).status_code == 413
