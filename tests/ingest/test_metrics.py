"""OTLP metrics of every kind over /v1/metrics: which signals they become, once, and what is refused by which name."""

import math
import time

import pytest
from sqlalchemy import text
from tests.support.metrics import exponential, histogram, metrics, sampled, summary, sums
from tests.support.otlp import JSON, as_json, gauges
from tests.support.telemetry import post, quantiles, rows, signals, totals

from trivet import db
from trivet.ingest import tasks
from trivet.kit import histogram as kept
from trivet.settings import get_settings

S = 10**9
AT = (time.time_ns() // (10 * S)) * 10 * S - 600 * S  # the start of a bucket, ten minutes ago
VLLM = {"trivet.backend": "vllm-1", "trivet.pool": "h200", "gen_ai.request.model": "llama-3"}
RUNNING, ADMITTED, TTFT = "trivet.requests.running", "trivet.requests.admitted", "trivet.engine.ttft"


class TestGauges:
    def test_are_kept_with_whose_they_are(self, sender, key):
        attributes = VLLM | {"trivet.tenant": "acme", "trivet.scenario": "checkout"}
        assert post(sender, key, gauges((RUNNING, 7, attributes, AT))) == ""
        assert rows(
            "SELECT t.name tenant, s.name scenario, m.name model, b.name backend, p.name pool, metric, detail, samples, "
            "total, least, most, last FROM signal_delta d JOIN tenant t ON t.id = tenant_id JOIN scenario s "
            "ON s.id = scenario_id JOIN model m ON m.id = model_id JOIN backend b ON b.id = backend_id "
            "JOIN pool p ON p.id = pool_id"
        ) == [
            {
                "tenant": "acme", "scenario": "checkout", "model": "llama-3", "backend": "vllm-1", "pool": "h200",
                "metric": RUNNING, "detail": "", "samples": 1, "total": 7.0, "least": 7.0, "most": 7.0, "last": 7.0,
            }
        ]  # fmt: skip

    def test_of_one_bucket_have_a_mean_and_a_newest_value(self, sender, key):
        post(sender, key, gauges(*((RUNNING, v, VLLM, AT + s * S) for s, v in ((1, 4), (9, 2), (5, 9)))))
        found = rows("SELECT samples, total, least, most, last FROM signal_delta")
        assert found == [{"samples": 3, "total": 15.0, "least": 2.0, "most": 9.0, "last": 2.0}]

    def test_a_sum_that_goes_up_and_down_is_how_it_stands(self, sender, key):
        standing = sums(RUNNING, (AT, 5), (AT + S, 3), attributes=VLLM, delta=False, monotonic=False)
        post(sender, key, metrics(standing))
        assert rows("SELECT total, last FROM signal_delta") == [{"total": 8.0, "last": 3.0}]

    def test_changes_of_a_level_add_up_to_it(self, sender, key):
        changes = [(AT, 5), (AT + S, -2), (AT + 2 * S, 1)]
        for change in changes:
            post(sender, key, metrics(sums(RUNNING, change, attributes=VLLM, monotonic=False)))
        assert [row["last"] for row in rows("SELECT last FROM signal_delta ORDER BY id")] == [5.0, 3.0, 4.0]

    def test_a_histogram_without_bounds_is_many_samples(self, sender, key):
        post(sender, key, metrics(sampled(RUNNING, (AT, 10, 55.0, 1.0, 10.0), attributes=VLLM)))
        found = rows("SELECT samples, total, least, most, last FROM signal_delta")
        assert found == [{"samples": 10, "total": 55.0, "least": 1.0, "most": 10.0, "last": 5.5}]


class TestCounters:
    def test_deltas_add_up_in_any_order(self, sender, key):
        for second in (5, 1, 3):
            assert post(sender, key, metrics(sums(ADMITTED, (AT + second * S, second), attributes=VLLM))) == ""
        assert sum(totals(ADMITTED)) == 9.0

    def test_of_a_running_total_each_point_is_a_difference(self, sender, key):
        points = [(AT + n * S, total) for n, total in enumerate((100, 130, 130, 200))]
        assert post(sender, key, metrics(sums(ADMITTED, *points, attributes=VLLM, delta=False))) == ""
        assert rows("SELECT total FROM signal_sample ORDER BY sampled_at") == [
            {"total": total} for total in (0.0, 30.0, 0.0, 70.0)
        ]

    def test_a_drop_is_a_new_beginning_and_never_negative(self, sender, key):
        points = [(AT + n * S, total) for n, total in enumerate((100, 130, 20, 25))]
        post(sender, key, metrics(sums(ADMITTED, *points, attributes=VLLM, delta=False)))
        assert totals(ADMITTED) == [30 + 20 + 5]

    def test_a_later_start_is_a_new_beginning_even_where_the_total_is_larger(self, sender, key):
        post(sender, key, metrics(sums(ADMITTED, (AT, 10), attributes=VLLM, delta=False)))
        again = sums(ADMITTED, (AT + 60 * S, 50), attributes=VLLM, delta=False, start_ns=AT + 30 * S)
        post(sender, key, metrics(again))
        assert sum(totals(ADMITTED)) == 50.0

    def test_the_first_point_is_a_starting_point_unless_it_began_within_reach(self, sender, key):
        old, young = {"trivet.backend": "old"}, {"trivet.backend": "young"}
        long_ago = sums(ADMITTED, (AT, 70_000), attributes=old, delta=False, start_ns=AT - 3600 * S)
        just_now = sums(ADMITTED, (AT, 70), attributes=young, delta=False, start_ns=AT - 60 * S)
        post(sender, key, metrics(long_ago, just_now))
        assert totals(ADMITTED) == [0.0, 70.0]

    def test_a_point_that_comes_late_is_out_of_order(self, sender, key):
        def send(second, total):
            return post(sender, key, metrics(sums(ADMITTED, (AT + second * S, total), attributes=VLLM, delta=False)))

        assert [send(0, 10), send(20, 50)] == ["", ""]
        assert send(10, 30) == "1 data points refused: out_of_order 1"
        assert send(30, 60) == ""
        assert sum(totals(ADMITTED)) == 50.0
        assert rows("SELECT reason, items FROM denial") == [{"reason": "out_of_order", "items": 1}]

    def test_a_counter_does_not_run_backwards(self, sender, key):
        assert post(sender, key, metrics(sums(ADMITTED, (AT, -1), attributes=VLLM))).endswith("counter_negative 1")

    def test_streams_that_differ_in_anything_are_counted_apart_and_added(self, sender, key):
        """Two engines of one backend each have their own total."""
        for second, (one, two) in enumerate(((100, 900), (110, 903), (120, 906))):
            for engine, total in (("0", one), ("1", two)):
                own = sums(ADMITTED, (AT + second * S, total), attributes=VLLM | {"engine": engine}, delta=False)
                assert post(sender, key, metrics(own)) == ""
        assert sum(totals(ADMITTED)) == 26.0
        assert rows("SELECT count(DISTINCT backend_id) n FROM signal_delta") == [{"n": 1}]


class TestHistograms:
    BOUNDS = (0.1, 1.0, 10.0)

    def send(self, sender, key, *points, **more):
        return post(sender, key, metrics(histogram(TTFT, *points, attributes=VLLM, **more)))

    def test_become_percentiles(self, sender, key):
        """90 values up to 100 ms and 10 up to 1 s: put at half of 0.1 s, and at the middle of 0.1 and 1 s by ratio."""
        assert self.send(sender, key, (AT, 100, 7.0, None, None, self.BOUNDS, [90, 10, 0, 0])) == ""
        p50, _, p95, _ = quantiles()
        assert (p50, p95) == (pytest.approx(50, rel=0.01), pytest.approx(316.2, rel=0.01))
        assert rows("SELECT samples, total, least FROM signal_delta") == [{"samples": 100, "total": 7.0, "least": None}]

    def test_the_least_and_the_most_value_narrow_the_buckets(self, sender, key):
        self.send(sender, key, (AT, 2, 19.0, 9.5, 9.5, self.BOUNDS, [0, 0, 2, 0]))
        assert quantiles()[0] == pytest.approx(9500, rel=0.01)

    def test_a_single_value_is_where_the_sum_says(self, sender, key):
        self.send(sender, key, (AT, 1, 0.25, None, None, self.BOUNDS, [0, 1, 0, 0]))
        assert quantiles()[0] == pytest.approx(250, rel=0.01)

    def test_may_be_in_milliseconds(self, sender, key):
        point = (AT, 1, 250.0, 250.0, 250.0, (100.0, 1000.0), [0, 1, 0])
        self.send(sender, key, point, unit="ms")
        assert quantiles()[0] == pytest.approx(250, rel=0.01)
        assert rows("SELECT total, most FROM signal_delta") == [{"total": 0.25, "most": 0.25}]

    def test_running_totals_are_differences_bucket_by_bucket(self, sender, key):
        first = (AT, 10, 0.5, None, None, self.BOUNDS, [10, 0, 0, 0])
        then = (AT + 20 * S, 12, 8.5, None, None, self.BOUNDS, [10, 0, 2, 0])
        self.send(sender, key, first, delta=False)
        self.send(sender, key, then, delta=False)
        assert rows("SELECT samples, total FROM signal_delta") == [{"samples": 2, "total": 8.0}]
        assert quantiles()[0] == pytest.approx(3162, rel=0.01)

    def test_of_other_bounds_than_before_only_count_and_sum_are_known(self, sender, key):
        self.send(sender, key, (AT, 10, 0.5, None, None, self.BOUNDS, [10, 0, 0, 0]), delta=False)
        self.send(sender, key, (AT + 20 * S, 12, 8.5, None, None, (5.0,), [11, 1]), delta=False)
        assert rows("SELECT samples, total FROM signal_delta") == [{"samples": 2, "total": 8.0}]
        assert quantiles()[0] is None

    def test_exponential_ones_too(self, sender, key):
        """Scale 1: bucket i ends at sqrt(2) ** (i + 1). Index -4 holds (0.25, 0.354] s; its middle is 0.297 s."""
        assert post(sender, key, metrics(exponential(TTFT, (AT, 11, 3.0, 1, 1, -4, [10]), attributes=VLLM))) == ""
        p50 = quantiles()[0]
        assert p50 == pytest.approx(297.3, rel=0.01)

    def test_exponential_running_totals_may_grow_coarser(self, sender, key):
        """At scale 1 index -4 and -3, at scale 0 both are index -2: (0.25, 0.5] s."""
        fine = exponential(TTFT, (AT, 5, 1.5, 1, 0, -4, [2, 3]), attributes=VLLM, delta=False)
        coarse = exponential(TTFT, (AT + 20 * S, 9, 2.9, 0, 0, -2, [9]), attributes=VLLM, delta=False)
        post(sender, key, metrics(fine))
        post(sender, key, metrics(coarse))
        [row] = rows("SELECT samples, histogram FROM signal_delta")
        assert (row["samples"], kept.total(row["histogram"])) == (4, 4)
        assert quantiles()[0] == pytest.approx(353.6, rel=0.01)

    def test_a_summary_counts_without_percentiles(self, sender, key):
        for second, count, total in ((0, 10, 5.0), (20, 14, 9.0)):
            post(sender, key, metrics(summary(TTFT, (AT + second * S, count, total), attributes=VLLM)))
        assert rows("SELECT samples, total FROM signal_delta") == [{"samples": 4, "total": 4.0}]
        assert quantiles()[0] is None

    @pytest.mark.parametrize(
        "point",
        [
            (AT, 3, 1.0, None, None, (0.1, 1.0), [1, 1]),
            (AT, 3, 1.0, None, None, (0.1, 1.0), [1, 1, 9]),
            (AT, 3, 1.0, None, None, (1.0, 0.1), [1, 1, 1]),
            (AT, 3, 1.0, None, None, (0.1, math.inf), [1, 1, 1]),
            (AT, 2**63, 1.0, None, None, (), ()),
            (AT, 2000, 1.0, None, None, tuple(range(1999)), [1] * 2000),
        ],
    )
    def test_that_do_not_add_up_are_refused(self, sender, key, point):
        assert self.send(sender, key, point) == "1 data points refused: bad_histogram 1"

    def test_without_a_sum_are_no_value(self, sender, key):
        given = metrics(histogram(TTFT, (AT, 2, 0.0, None, None, self.BOUNDS, [0, 2, 0, 0]), attributes=VLLM))
        given.resource_metrics[0].scope_metrics[0].metrics[0].histogram.data_points[0].ClearField("sum")
        assert post(sender, key, given) == "1 data points refused: no_value 1"
        answer = sender.post("/v1/metrics", content=as_json(given), headers=key | JSON).json()
        assert answer["partialSuccess"]["errorMessage"] == "1 data points refused: no_value 1"

    def test_a_sum_of_seconds_is_no_histogram(self, sender, key):
        assert post(sender, key, metrics(sums(TTFT, (AT, 3.0)))).endswith("metric_of_another_kind 1")


class TestOnce:
    def everything(self):
        return metrics(
            sums(ADMITTED, (AT, 5), (AT, 5), attributes=VLLM),
            sums("trivet.tokens", (AT, 50), (AT + S, 60), attributes=VLLM, delta=False, start_ns=AT - S),
            histogram(TTFT, (AT, 1, 0.25, None, None, (0.1,), [0, 1]), attributes=VLLM),
        )

    def test_points_sent_again_change_nothing(self, sender, key):
        expected = {(ADMITTED, ""): (1, 5.0), ("trivet.tokens", ""): (2, 60.0), (TTFT, ""): (1, 0.25)}
        for _ in range(2):
            assert post(sender, key, self.everything()) == ""
            assert signals() == expected

    def test_whether_as_protobuf_or_as_json(self, sender, key):
        post(sender, key, self.everything())
        answer = sender.post("/v1/metrics", content=as_json(self.everything()), headers=key | JSON)
        assert answer.json() == {}
        assert signals()[ADMITTED, ""] == (1, 5.0)
        assert rows("SELECT count(*) n FROM signal_series") == [{"n": 3}]


class TestWhose:
    def test_an_engines_service_name_is_no_scenario(self, sender, key):
        resource = {"service.name": "trivet-collector", "service.namespace": "inference", "trivet.backend": "vllm-1"}
        post(sender, key, gauges((RUNNING, 1, {}, AT), resource=resource))
        assert rows("SELECT name FROM scenario UNION ALL SELECT name FROM tenant") == []
        assert rows("SELECT name FROM backend") == [{"name": "vllm-1"}]

    def test_a_key_bound_to_a_tenant_decides_whatever_the_point_says(self, sender, make_key):
        bound = {"Authorization": f"Bearer {make_key(['ingest'], tenant='acme')}"}
        assert post(sender, bound, gauges((RUNNING, 1, VLLM | {"trivet.tenant": "globex"}, AT))) == ""
        found = rows("SELECT t.name FROM signal_delta JOIN tenant t ON t.id = tenant_id")
        assert found == [{"name": "acme"}]
        assert rows("SELECT name FROM tenant") == [{"name": "acme"}]

    def test_details_tell_series_of_a_metric_apart(self, sender, key):
        looks = [{"trivet.cache.kind": "prompt", "trivet.cache.hit": True}, {"trivet.cache.kind": "kv", "trivet.cache.hit": False, "trivet.reason": "evicted"}]  # fmt: skip
        post(sender, key, metrics(*(sums("trivet.cache.lookups", (AT, 1), attributes=look) for look in looks)))
        assert {detail for _, detail in signals()} == {"prompt/true", "kv/false/evicted"}


class TestLimits:
    def test_numbers_that_are_none_are_refused_and_the_others_kept(self, sender, key):
        given = (math.nan, math.inf, -math.inf, 9223372036854775794, 1e300, 5)
        said = post(sender, key, gauges(*((RUNNING, v, VLLM, AT + i * S) for i, v in enumerate(given))))
        assert said == "5 data points refused: value_not_finite 3, no_reading 1, value_over_limit 1"
        assert signals() == {(RUNNING, ""): (1, 5.0)}

    def test_too_old_and_in_the_future(self, sender, key):
        points = [(RUNNING, 1, VLLM, AT - 40 * 86_400 * S), (RUNNING, 1, VLLM, AT + 7200 * S)]
        assert post(sender, key, gauges(*points)) == "2 data points refused: too_old 1, in_the_future 1"

    def test_metrics_nobody_knows_are_counted_and_some_named(self, sender, key):
        given = [(f"app.queue.{n}", 1, {}, AT) for n in range(7)] + [("app.queue.3", 1, {}, AT), (RUNNING, 1, {}, AT)]
        said = post(sender, key, gauges(*given))
        assert said.startswith("8 data points refused: metric_not_kept (app.queue.3 2, app.queue.0 1, ")
        assert said.endswith(" and 2 more) 8")
        assert rows("SELECT count(*) n FROM denial") == [{"n": 0}]

    def test_series_of_one_export_and_of_one_key_are_limited(self, sender, key, make_key, monkeypatch):
        monkeypatch.setenv("TRIVET_NAMES_PER_EXPORT_LIMIT", "3")
        monkeypatch.setenv("TRIVET_SIGNAL_SERIES_LIMIT", "5")
        get_settings.cache_clear()

        def send(who, *replicas, at=AT):
            return post(sender, who, gauges(*((RUNNING, 1, {"replica": n}, at) for n in replicas)))

        assert send(key, 1, 2, 3, 4) == "1 data points refused: too_many_new_series 1"
        assert send(key, 4, 5, 6, 7) == "2 data points refused: too_many_series 2"
        assert send(key, 1, 2, 3, 4, 5, at=AT + S) == "", "those met before go on"
        other = {"Authorization": f"Bearer {make_key(['ingest'])}"}
        assert send(other, 6, at=AT + 2 * S) == "", "another key has room of its own"
        assert rows("SELECT reason, items FROM denial ORDER BY 1") == [
            {"reason": "too_many_new_series", "items": 1},
            {"reason": "too_many_series", "items": 2},
        ]

    def test_names_past_a_keys_limit_become_overflow_and_totals_stay(self, sender, key, monkeypatch):
        monkeypatch.setenv("TRIVET_NAMES_PER_KEY_LIMIT", "2")
        get_settings.cache_clear()
        named = [(RUNNING, 1, {"trivet.backend": f"b{n}"}, AT) for n in range(5)]
        assert post(sender, key, gauges(*named)) == ""
        found = rows(
            "SELECT name, sum(total) total FROM signal_delta JOIN backend b ON b.id = backend_id GROUP BY 1 ORDER BY 1"
        )
        assert found == [{"name": "b0", "total": 1.0}, {"name": "b1", "total": 1.0}, {"name": "overflow", "total": 3.0}]
        assert rows("SELECT reason, items FROM denial") == [{"reason": "overflow_backend", "items": 3}]

    def test_series_not_heard_of_for_longer_than_samples_are_kept_are_forgotten(self, sender, key):
        post(sender, key, gauges((RUNNING, 1, {"replica": 1}, AT), (RUNNING, 1, {"replica": 2}, AT)))
        with db.transaction() as session:
            session.execute(text("UPDATE signal_series SET seen_on = now() - interval '60 days'"))
        post(sender, key, gauges((RUNNING, 1, {"replica": 2}, AT + S)))
        assert tasks.forget_series() == 1
        assert rows("SELECT count(*) n FROM signal_series") == [{"n": 1}]
        assert rows("SELECT count(*) n FROM signal_delta") == [{"n": 2}], "what they said stays"
