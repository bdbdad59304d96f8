"""Signals without a database: what requests add, what running totals come to, and how buckets become ours."""

import math
import random
import threading
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from tests.support.calls import call, ingest
from tests.support.metrics import metrics, sums
from tests.support.otlp import PROTOBUF

from trivet import db
from trivet.ingest.dialect.log_patterns import PHRASES, health_of
from trivet.ingest.dialect.signal_names import SIGNALS
from trivet.ingest.request.fact import CAUSES, CacheLookup
from trivet.ingest.signal.buckets import Explicit, Exponential, bins_of, from_json
from trivet.ingest.signal.cumulative import REACH_US, Standing, amounts
from trivet.ingest.signal.deltas import BUCKET_US, DELTA_COLUMNS, one
from trivet.ingest.signal.of_requests import HEALTH_CAUSES, signal_deltas_of
from trivet.ingest.signal.points import ADD, CUMULATIVE, Place, SignalPoint
from trivet.ingest.store.row import Row
from trivet.kit import histogram
from trivet_collectors import semconv as sc

NOWHERE = Place("", "", "", "", "", "")
END_US = 1_763_700_000_000_000


def row(**given):
    """A stored request of tenant 1, scenario 2, model 3, backend 4, pool 5."""
    fact = call(datetime.fromtimestamp(END_US / 1e6, UTC), **given)
    return Row(fact, 1, 2, 3, 4, 5)


def deltas(*rows):
    return [dict(zip(DELTA_COLUMNS, each, strict=True)) for each in signal_deltas_of(rows)]


class TestWhatRequestsAdd:
    def test_most_add_nothing(self):
        assert deltas(row(), row(cause=CAUSES.index("timeout"))) == []

    def test_looks_into_caches_by_kind_hit_and_reason(self):
        looks = (CacheLookup("prompt", hit=True), CacheLookup("retrieval", hit=False, reason="expired"))
        found = deltas(row(lookups=looks), row(lookups=looks[:1]))
        assert {(d["metric"], d["detail"]): d["total"] for d in found} == {
            ("trivet.cache.lookups", "prompt/true"): 2.0,
            ("trivet.cache.lookups", "retrieval/false/expired"): 1.0,
        }
        assert [found[0][name] for name in DELTA_COLUMNS[1:6]] == [1, 2, 3, 4, 5]

    def test_causes_that_are_health_events(self):
        assert set(HEALTH_CAUSES.values()) == {"out_of_memory", "model_load", "rate_limit", "concurrency_limit"}
        found = deltas(*(row(cause=index) for index in HEALTH_CAUSES))
        assert {(d["metric"], d["detail"]) for d in found} == {
            ("trivet.health", kind) for kind in HEALTH_CAUSES.values()
        }

    def test_cold_starts_and_how_long_they_took(self):
        found = deltas(row(cold_start_us=0), row(cold_start_us=2_500_000))
        assert {d["metric"]: (d["samples"], d["total"]) for d in found} == {
            "trivet.cold_starts": (2, 2.0),
            "trivet.cold_start.duration": (1, 2.5),
        }
        [waited] = [d for d in found if d["histogram"]]
        assert histogram.quantiles_ms(waited["histogram"])[0] == pytest.approx(2500, rel=0.01)

    def test_in_the_bucket_of_the_requests_end(self):
        one_ = row(cold_start_us=0)
        [delta] = deltas(one_)
        assert int(delta["bucket"].timestamp() * 1e6) == one_.fact.end_us - one_.fact.end_us % BUCKET_US

    @pytest.mark.usefixtures("database")
    def test_are_stored_with_the_requests_once(self):
        calls = [call(datetime.now(UTC), cold_start_us=0, lookups=(CacheLookup("kv", hit=False),)) for _ in range(3)]
        for _ in range(2):
            ingest(*calls)
        with db.transaction() as session:
            found = session.execute(text("SELECT metric, sum(total) FROM signal_delta GROUP BY 1 ORDER BY 1")).all()
        assert [tuple(each) for each in found] == [("trivet.cache.lookups", 3.0), ("trivet.cold_starts", 3.0)]


def total_at(at_us, total, *, start_us=0, mode=CUMULATIVE):
    return SignalPoint(
        identity=b"", place=NOWHERE, metric="m", detail="", at_us=at_us, start_us=start_us, mode=mode, counted=False,
        samples=1, total=float(total), least=None, most=None, buckets=None, per=1.0, to_us=0.0,
    )  # fmt: skip


class TestRunningTotals:
    @given(st.lists(st.integers(0, 1000), min_size=1, max_size=30), st.data())
    def test_in_whatever_batches_they_add_up_to_how_much_more_there_was(self, steps, data):
        readings = [100 + sum(steps[: n + 1]) for n in range(len(steps))]
        points = [total_at(n + 1, reading) for n, reading in enumerate(readings)]
        cut = data.draw(st.integers(0, len(points)))
        first = data.draw(st.permutations(points[:cut]))
        standing, before, late = amounts(Standing(), first)
        standing, after, more_late = amounts(standing, data.draw(st.permutations(points[cut:])))
        assert late + more_late == []
        assert sum(amount.total for _, amount in before + after) == readings[-1] - readings[0]
        assert standing.total == readings[-1]

    @given(st.lists(st.integers(0, 1000), max_size=30))
    def test_never_add_less_than_nothing(self, readings):
        _, counted, _ = amounts(Standing(), [total_at(n + 1, reading) for n, reading in enumerate(readings)])
        assert all(amount.total >= 0 for _, amount in counted)

    @given(st.lists(st.integers(1, 20), max_size=20))
    def test_sent_again_they_add_nothing(self, times):
        points = [total_at(at, at * 10) for at in times]
        standing, counted, _ = amounts(Standing(), points)
        again, more, late = amounts(standing, points)
        assert (again, more, len(late)) == (standing, [], len(points))
        assert len(counted) == len(set(times))

    @pytest.mark.parametrize(("began_us", "total"), [(REACH_US, 70.0), (REACH_US + 1, 0.0), (-1, 0.0)])
    def test_the_first_counts_where_it_began_within_reach(self, began_us, total):
        at_us = 10 * REACH_US
        _, [(_, amount)], _ = amounts(Standing(), [total_at(at_us, 70, start_us=at_us - began_us)])
        assert amount.total == total


exponentials = st.builds(
    Exponential,
    st.integers(-2, 6),
    st.integers(0, 5),
    st.dictionaries(st.integers(-200, 200), st.integers(1, 9), max_size=12),
)


class TestBuckets:
    @given(exponentials, exponentials)
    def test_a_count_and_what_came_to_it_differ_by_what_came(self, old, more):
        scale = min(old.scale, more.scale)
        a, b = old.coarser(scale), more.coarser(scale)
        both = Exponential(
            scale, a.zero + b.zero, {i: a.counts.get(i, 0) + b.counts.get(i, 0) for i in {*a.counts, *b.counts}}
        )
        assert both.more_than(old) == Exponential(scale, b.zero, {i: n for i, n in b.counts.items() if n})

    @given(exponentials)
    def test_nothing_is_lost_on_the_way(self, buckets):
        assert from_json(buckets.as_json()) == buckets
        assert buckets.coarser(buckets.scale - 3).total == buckets.total
        bins = bins_of(buckets, to_us=1e6, total=1.0, least=None, most=None)
        assert sum(count for _, count in bins) == buckets.total

    @given(st.integers(-16, 19), st.integers(0, 5))
    def test_values_are_put_into_their_bucket(self, index, scale):
        """Where the bucket is wider than ours, the middle lies inside it."""
        base = 2.0 ** (2.0**-scale)
        [(bin_, _)] = bins_of(Exponential(scale, 0, {index: 2}), to_us=1e6, total=1.0, least=None, most=None)
        seconds = histogram.value_of(bin_) / 1e6
        if base**index > 1e-5:
            assert base**index * 0.98 <= seconds <= base ** (index + 1) * 1.02

    @pytest.mark.parametrize(
        ("counts", "least", "most", "expected_ms"),
        [
            ([2, 0, 0], None, None, 50.0),
            ([0, 2, 0], None, None, 316.2),
            ([0, 0, 2], None, None, 1000.0),
            ([0, 0, 2], 2.0, 8.0, 4000.0),
            ([0, 2, 0], 0.4, None, 632.5),
        ],
    )
    def test_worked_by_hand(self, counts, least, most, expected_ms):
        """Bounds 0.1 and 1 s: half of the first, the middle by ratio of the second, the lower end of the last."""
        bins = bins_of(Explicit((0.1, 1.0), tuple(counts)), to_us=1e6, total=9.0, least=least, most=most)
        assert histogram.quantiles_ms(histogram.encode(dict(bins)))[0] == pytest.approx(expected_ms, rel=0.011)

    def test_a_scale_or_a_value_beyond_all_measure_is_no_error(self):
        for buckets in (Exponential(-11, 0, {2**31: 1, -(2**31): 2}), Exponential(30, 1, {2**31: 5})):
            assert buckets.fault() == ""
            assert math.isfinite(sum(i for i, _ in bins_of(buckets, to_us=1e6, total=1.0, least=None, most=None)))
        assert Exponential(99, 0, {}).fault() == "scale"


class TestTables:
    def test_every_known_metric_is_a_signal_of_ours(self):
        assert {known.metric for known in SIGNALS.values()} <= set(sc.SIGNAL_METRICS)

    def test_every_phrase_of_error_logs_is_found_and_tells_a_kind_of_health(self):
        for phrase, kind, reason in PHRASES:
            assert kind in sc.HEALTH_KINDS
            assert health_of(f"2026-11-21 ERROR {phrase.upper()}!") == (kind, reason)

    @pytest.mark.parametrize("said", ["", "CUDA graphs captured", "loading model weights took 3 s", "request aborted"])
    def test_ordinary_lines_tell_none(self, said):
        assert health_of(said) is None


@pytest.mark.usefixtures("database")
class TestMany:
    NOW = time.time_ns() - 60 * 10**9

    def send(self, sender, key, message):
        answer = sender.post("/v1/metrics", content=message.SerializeToString(), headers=key | PROTOBUF)
        assert (answer.status_code, answer.content) == (200, b"")

    def total(self):
        with db.transaction() as session:
            return session.scalar(text("SELECT sum(total) FROM signal_delta"))

    def test_senders_at_once_count_each_point_once(self, sender, key):
        """Four senders bring the same running totals of five streams in orders of their own; and the same deltas."""
        totals = [
            sums(
                "trivet.tokens",
                *((self.NOW + n * 10**9, 10 * n) for n in range(1, 9)),
                attributes={"engine": str(e)},
                delta=False,
            )
            for e in range(5)
        ]
        increments = [sums("trivet.errors", (self.NOW + n * 1000, 1), attributes={"n": n}) for n in range(20)]
        errors = []

        def bring(seed):
            given = [*totals, *increments]
            random.Random(seed).shuffle(given)
            try:
                for start in range(0, len(given), 5):
                    self.send(sender, key, metrics(*given[start : start + 5]))
            except Exception as error:
                errors.append(error)

        threads = [threading.Thread(target=bring, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        assert self.total() == 5 * 70 + 20

    def test_an_export_of_many_points(self, sender, key):
        points = [(self.NOW + n * 1000, 1) for n in range(20_000)]
        self.send(sender, key, metrics(sums("trivet.errors", *points)))
        assert self.total() == 20_000
        with db.transaction() as session:
            assert session.scalar(text("SELECT count(*) FROM signal_delta")) <= 2


def test_one_is_a_value_by_itself():
    assert (one(3.0).samples, one(3.0).last, ADD) == (1, 3.0, "add")
