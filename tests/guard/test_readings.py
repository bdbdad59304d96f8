"""Metrics that are no sum over a window's requests, on real rows: days, queues, KV caches, GPUs, cache hits, drift, burn rates."""

from datetime import timedelta

import pytest
from tests.support import books
from tests.support.calls import call, ingest
from tests.support.governed import START, at, register
from tests.support.signal_rows import signal

from trivet import db
from trivet.card import service as cards
from trivet.fleet.models import Backend, Gpu, GpuDelta, Pool
from trivet.guard import readings
from trivet.guard.drifted import usual_hours
from trivet.ingest.request.fact import ERROR
from trivet.ingest.score import scores
from trivet_collectors import semconv as sc

HIGHER = {"enter": 10, "leave": 5, "window_s": 60, "minimum_sample": 1}


def guarded(metric, **more):
    """A scenario with one guard on a metric."""
    limits = {**HIGHER, "enter": 0.4, "leave": 0.6} if metric == "cache_hit_rate" else HIGHER
    guard = {**limits, "name": "g", "metric": metric, **more}
    return register("chat", guards=[guard], rollback={"automatic": False})


def reading(now):
    """What its guard reads at an instant."""
    with db.transaction() as session:
        (card,) = cards.active(session).values()
        found = readings.read(session, {card.scenario_id: card}, now)
        return found.of(card).get("g"), found.burned(card).get("g")


def engine(id_, name="engine-1"):
    with db.transaction() as session:
        backend_id = db.named_ids(session, Backend, [name])[name]
        session.get(Backend, backend_id).scenario_ids = [id_]
        return backend_id


@pytest.fixture
def priced(database):
    """A dollar for each thousand input tokens."""
    books.price_from("openai", "gpt-4o", START - timedelta(days=30), input="1000", output="0")


class TestADay:
    @pytest.mark.parametrize(("metric", "value"), [("cost_per_day", 6.0), ("cost_per_tenant_day", 4.0)])
    def test_is_what_was_spent_since_midnight_utc(self, priced, metric, value):
        guarded(metric)
        midnight = START.replace(hour=0)
        ingest(call(midnight - timedelta(seconds=1), input_tokens=9_000), now=at(0))
        ingest(call(midnight, input_tokens=1_000), call(at(0), input_tokens=3_000), now=at(0))
        ingest(call(at(1), input_tokens=2_000, tenant="globex"), now=at(1))
        found, _ = reading(at(5))
        assert (found.value, found.sample) == (value, 3)

    def test_of_a_tenant_names_the_dearest(self, priced):
        guarded("cost_per_tenant_day")
        ingest(call(at(0), input_tokens=1_000), call(at(0), input_tokens=5_000, tenant="globex"), now=at(0))
        assert reading(at(5))[0].words == "by globex, the dearest of 2"

    def test_begins_at_nothing(self, priced):
        guarded("cost_per_day")
        ingest(call(at(0), input_tokens=1_000), now=at(0))
        assert reading(at(86_400))[0].value == 0.0

    def test_of_requests_without_a_price_is_unknown_and_says_so(self, database):
        guarded("cost_per_day")
        ingest(call(at(0), input_tokens=1_000, model="nobody-knows"), now=at(0))
        found, _ = reading(at(5))
        assert found.value is None and "none of today's 1 requests has a price" in found.missing


class TestAQueue:
    def test_is_that_of_everything_that_serves_the_scenario(self, database):
        id_ = guarded("queue_depth")
        signal(at(0), sc.TRIVET_REQUESTS_WAITING, 7.0, backend_id=engine(id_))
        signal(at(0), sc.TRIVET_REQUESTS_WAITING, 5.0, scenario_id=id_, sender="gateway")
        signal(at(0), sc.TRIVET_REQUESTS_WAITING, 90.0, backend_id=engine(99, "another's"))
        assert reading(at(5))[0].value == 12.0

    def test_that_nobody_told_of_lately_is_unknown(self, database):
        id_ = guarded("queue_depth")
        signal(at(0), sc.TRIVET_REQUESTS_WAITING, 7.0, scenario_id=id_)
        found, _ = reading(at(300))
        assert (found.value, found.missing) == (None, "no engine told its queue in 90 s")


class TestAKvCache:
    def test_is_the_fullest(self, database):
        id_ = guarded("kv_cache_usage")
        signal(at(0), sc.TRIVET_KV_CACHE_USAGE, 0.3, backend_id=engine(id_))
        signal(at(0), sc.TRIVET_KV_CACHE_USAGE, 0.97, backend_id=engine(id_, "engine-2"))
        assert reading(at(5))[0].value == 0.97


class TestGpus:
    def test_are_those_of_the_pools_that_serve_the_scenario(self, database):
        guarded("gpu_utilisation")
        ingest(call(at(0), pool="h100"), now=at(0))
        with db.transaction() as session:
            serving, idle = db.named_ids(session, Pool, ["h100"])["h100"], db.named_ids(session, Pool, ["l4"])["l4"]
            for uuid, pool_id, share in (("GPU-1", serving, 0.9), ("GPU-2", serving, 0.7), ("GPU-3", idle, 0.0)):
                gpu = Gpu(uuid=uuid, pool_id=pool_id)
                session.add(gpu)
                session.flush()
                said = {"samples": 2, "total": 2 * share, "least": share, "most": share}
                session.add(GpuDelta(bucket=at(0), gpu_id=gpu.id, metric=sc.HW_GPU_UTILIZATION.name, **said))
        found, _ = reading(at(5))
        assert found.value == pytest.approx(0.8) and found.sample == 4


class TestCacheHits:
    def test_are_what_requests_tell(self, database):
        guarded("cache_hit_rate")
        ingest(call(at(0), input_tokens=100, cache_read_tokens=300), now=at(0))
        found, _ = reading(at(5))
        assert (found.value, found.sample) == (0.75, 400)

    def test_are_what_engines_count_where_requests_tell_nothing(self, database):
        id_ = guarded("cache_hit_rate")
        ingest(call(at(0), input_tokens=100), now=at(0))
        for metric, tokens in ((sc.TRIVET_PREFIX_CACHE_QUERIES, 200.0), (sc.TRIVET_PREFIX_CACHE_HITS, 50.0)):
            signal(at(0), metric, tokens, backend_id=engine(id_))
        assert reading(at(5))[0].value == 0.25

    def test_that_nobody_tells_of_are_unknown_and_not_zero(self, database):
        guarded("cache_hit_rate")
        ingest(call(at(0), input_tokens=100), now=at(0))
        assert reading(at(5))[0].value is None


class TestDrift:
    def test_compares_with_these_hours_of_the_last_seven_days(self):
        found = usual_hours(at(600))
        assert len(found) == 7
        assert (found[0].start, found[0].end) == (at(-25 * 3600), at(-22 * 3600))
        assert found[-1].start == at(-(7 * 24 + 1) * 3600)

    def test_of_input_length_is_a_shift_in_standard_deviations(self, database):
        guarded("input_length_drift", minimum_sample=20)
        yesterday = START - timedelta(days=1)
        lengths = [500, 2_000, 2_000, 8_000]
        ingest(*(call(yesterday, input_tokens=lengths[n % 4]) for n in range(200)), now=at(0))
        ingest(*(call(at(0), input_tokens=200_000) for _ in range(50)), now=at(0))
        found, _ = reading(at(5))
        assert found.value > 2 and found.sample == 50 and found.words.startswith("(up, of 200 requests")

    def test_without_enough_to_compare_with_is_unknown(self, database):
        guarded("input_length_drift")
        ingest(call(at(0), input_tokens=200_000), now=at(0))
        assert reading(at(5))[0].missing.startswith("0 requests at these hours of the last 7 days, 100 needed")

    def test_of_quality_is_only_downwards(self, database):
        guarded("quality_drift")
        ingest(call(at(0)), now=at(0))
        yesterday = START - timedelta(days=1)
        with db.transaction() as session:
            given = [
                scores.NewScore(
                    "chat", "score", 0.7 + n % 3 / 10, when + timedelta(minutes=n), external_id=f"{when}{n}"
                )
                for when in (yesterday, yesterday - timedelta(hours=1), yesterday - timedelta(days=1))
                for n in range(40)
            ]
            given += [scores.NewScore("chat", "score", 0.95, at(0), external_id=f"now{n}") for n in range(20)]
            scores.add(session, given, source="test", tenant_id=None)
        assert reading(at(5))[0].value == 0.0


class TestABurnRate:
    def test_is_of_the_lookbacks_of_its_severity(self, database):
        guarded("error_rate", enter=0.5, leave=0.1, burn={"objective": 0.99})
        ingest(*(call(at(0), outcome=ERROR if n < 30 else 0) for n in range(100)), now=at(0))
        ingest(*(call(at(-1800)) for _ in range(100)), now=at(0))
        _, burned = reading(at(5))
        assert burned[300] == (100, 30) and burned[3600] == (200, 30)
        assert set(burned) == {300, 1800, 3600, 21_600}

    def test_of_a_percentile_counts_what_is_slower_than_its_limit(self, database):
        guarded("p95_latency_ms", enter=1000, leave=800, burn={"objective": 0.95, "severity": "ticket"})
        ingest(*(call(at(0), seconds=2.0 if n < 5 else 0.2) for n in range(50)), now=at(0))
        _, burned = reading(at(5))
        assert burned[259_200] == (50, 5)

    @pytest.mark.parametrize(
        ("metric", "told", "detail"),
        [
            ("rate_limit_rate", sc.TRIVET_HEALTH, "rate_limit"),
            ("cold_start_rate", sc.TRIVET_COLD_STARTS, ""),
        ],
    )
    def test_of_what_is_told_apart_from_requests_counts_what_was_told(self, database, metric, told, detail):
        chat = guarded(metric, enter=0.5, leave=0.1, burn={"objective": 0.99})
        signal(at(0), told, 30, scenario_id=chat, detail=detail)
        signal(at(0), sc.TRIVET_HEALTH, 7, scenario_id=chat, detail="model_load")
        signal(at(-1800), told, 5, backend_id=engine(chat), detail=detail)
        ingest(*(call(at(0)) for _ in range(100)), *(call(at(-1800)) for _ in range(100)), now=at(0))
        _, burned = reading(at(5))
        assert burned[300] == (100, 30) and burned[3600] == (200, 35)


class TestWhatWasRead:
    def test_is_kept_for_a_moment_and_no_longer(self, priced):
        guarded("cost_per_day")
        ingest(call(at(0), input_tokens=1_000), now=at(0))
        assert reading(at(1))[0].value == 1.0
        ingest(call(at(1), input_tokens=1_000), now=at(1))
        assert reading(at(2))[0].value == 1.0
        assert reading(at(7))[0].value == 2.0
