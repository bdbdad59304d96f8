"""GET /scaling/{pool}: what an autoscaler reads, and what it must never be told."""

from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.support.signal_rows import signal

from trivet import db
from trivet.fleet.models import Backend, Pool
from trivet.kit.clock import utc_now
from trivet.report.scaling import Load, advice
from trivet_collectors import semconv as sc

WAITING, RUNNING, KV = sc.TRIVET_REQUESTS_WAITING, sc.TRIVET_REQUESTS_RUNNING, sc.TRIVET_KV_CACHE_USAGE
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def pool(database):
    """`pool.says(metric, value, age_s=…, engine=…)` of pool h200-a."""
    with db.transaction() as session:
        id_ = db.named_ids(session, Pool, ["h200-a"])["h200-a"]
        engines = db.named_ids(session, Backend, ["vllm-1", "vllm-2"])

    def says(metric, value, *, age_s=5, engine="vllm-1", **more):
        signal(utc_now() - timedelta(seconds=age_s), metric, value, pool_id=id_, backend_id=engines[engine], **more)

    return says


@pytest.fixture
def ask(client, admin):
    def get(query="", status=200):
        answer = client.get(f"/api/v1/scaling/h200-a{query}", headers=admin)
        assert answer.status_code == status, answer.text
        return answer

    return get


def load(**said):
    given = {
        "name": "a", "at": NOON, "servers": 4, "backlog": None, "running": None, "kv_fullest": None, "kv_mean": None,
        "per_server": None,
    }  # fmt: skip
    return Load(**given | said)


class TestAPool:
    def test_is_what_its_engines_say_together(self, pool, ask):
        for engine, (waiting, running, kv) in {"vllm-1": (7, 30, 0.95), "vllm-2": (2, 20, 0.65)}.items():
            pool(WAITING, waiting, engine=engine)
            pool(RUNNING, running, engine=engine)
            pool(KV, kv, engine=engine)
        found = ask("?per_server=16").json()
        del found["at"]
        assert found == {
            "name": "h200-a", "servers": 2, "backlog": 9, "running": 50, "kv_cache_usage": "0.95",
            "kv_cache_usage_mean": "0.8", "desired_replicas": 4, "reason": "59 calls at 16 a server; 2 now",
        }  # fmt: skip

    def test_counts_processes_of_one_backend(self, pool, ask):
        for sender in ("a", "b", "c"):
            pool(RUNNING, 1, sender=sender)
        assert ask().json()["servers"] == 3

    def test_that_is_idle_says_zero_and_means_it(self, pool, ask):
        pool(WAITING, 0)
        pool(RUNNING, 0)
        found = ask("?per_server=16").json()
        assert (found["backlog"], found["desired_replicas"]) == (0, 1)

    def test_is_read_by_prometheus_too(self, pool, ask):
        pool(WAITING, 7)
        families = {family.name: family for family in text_string_to_metric_families(ask("/metrics").text)}
        (sample,) = families["trivet_scaling_backlog"].samples
        assert (sample.labels, sample.value) == ({"pool": "h200-a"}, 7)
        assert "trivet_scaling_running" not in families  # what nobody says is not there


class TestSilence:
    """Zero would scale to nothing in the middle of an outage: KEDA takes its fallback where the answer is 503."""

    def test_is_no_zero(self, pool, ask):
        pool(WAITING, 0, age_s=90)
        refused = ask(status=503)
        assert refused.json()["type"] == "urn:trivet:problem:no-fresh-signals"
        assert refused.json()["detail"].startswith("The last word of pool `h200-a` is 9")
        assert refused.headers["retry-after"] == "10"
        assert ask("?fresh_s=300").json()["backlog"] == 0

    def test_of_a_pool_that_never_spoke_says_what_to_do(self, pool, ask):
        assert "is `trivet-collector` running there" in ask(status=503).json()["detail"]

    def test_about_one_figure_makes_that_figure_null(self, pool, ask):
        pool(RUNNING, 3)
        pool(WAITING, 0, age_s=90)
        found = ask("?per_server=4").json()
        assert (found["backlog"], found["running"], found["desired_replicas"]) == (None, 3, None)

    def test_of_a_pool_nobody_knows_is_not_found(self, database, ask):
        ask(status=404)


class TestAdvice:
    @pytest.mark.parametrize(
        ("said", "replicas"),
        [
            ({"backlog": 10.0, "running": 54.0, "per_server": 16.0}, 4),  # 64 / 16
            ({"backlog": 11.0, "running": 54.0, "per_server": 16.0}, 5),
            ({"kv_mean": 0.96}, 5),  # 4 x 0.96 / 0.8 = 4.8
            ({"kv_mean": 0.87}, 4),  # within a tenth of the target
            ({"kv_mean": 0.2}, 1),
            ({"backlog": 0.0, "running": 16.0, "per_server": 16.0, "kv_mean": 0.96}, 5),  # the larger
            ({"backlog": 3.0, "running": 1.0}, None),  # nobody says what a server takes
        ],
    )
    def test_is_the_autoscalers_own_formula(self, said, replicas):
        assert advice(load(**said)).replicas == replicas


class TestWhoMayAsk:
    def test_a_tenant_sees_no_pool(self, client, pool, make_key):
        key = make_key(["read"], tenant="acme")
        assert client.get("/api/v1/scaling/h200-a", headers={"Authorization": f"Bearer {key}"}).status_code == 403
