"""GET /engines and GET /caches: what serving backends say of themselves."""

from datetime import timedelta

import pytest
from tests.support.signal_rows import signal

from trivet import db
from trivet.fleet.models import Backend
from trivet.kit.clock import utc_now
from trivet.tenant.models import Tenant
from trivet_collectors import semconv as sc


@pytest.fixture
def get(client, admin):
    def ask(path, headers=admin, status=200):
        answer = client.get(f"/api/v1/{path}", headers=headers)
        assert answer.status_code == status, answer.text
        return answer.json()["items"] if status == 200 else answer.json()

    return ask


def named(table, *names):
    with db.transaction() as session:
        ids = db.named_ids(session, table, names)
    return [ids[name] for name in names]


class TestAnEngine:
    def test_says_what_runs_against_its_cap_and_what_calls_waited_for(self, get):
        (lambda_1,) = named(Backend, "lambda-1")
        now = utc_now()
        signal(now - timedelta(seconds=30), sc.TRIVET_REQUESTS_RUNNING, 2, backend_id=lambda_1)
        signal(now, sc.TRIVET_REQUESTS_RUNNING, 5, backend_id=lambda_1, model_id=1)
        signal(now, sc.TRIVET_REQUESTS_RUNNING, 3, backend_id=lambda_1, model_id=2)
        signal(now, sc.TRIVET_CONCURRENCY_LIMIT, 10, backend_id=lambda_1)
        signal(now - timedelta(minutes=30), sc.TRIVET_COLD_STARTS, 3, backend_id=lambda_1)
        signal(now - timedelta(minutes=30), sc.TRIVET_COLD_START_TIME, 12.5, backend_id=lambda_1)
        signal(now - timedelta(minutes=90), sc.TRIVET_COLD_STARTS, 99, backend_id=lambda_1)
        signal(now, sc.TRIVET_HEALTH, 2, backend_id=lambda_1, detail="concurrency_limit/quota")
        (found,) = get("engines")
        assert found == {
            "backend": "lambda-1", "running": 10.0, "waiting": None, "concurrency_limit": 10.0, "kv_cache_usage": None,
            "prefix_cache_hit_rate": None, "preemptions": 0, "cold_starts": 3, "cold_start_wait_s": 12.5,
            "health": {"concurrency_limit": 2},
        }  # fmt: skip

    def test_of_several_processes_runs_what_all_of_them_run_within_one_cap(self, get):
        (gateway,) = named(Backend, "gateway")
        now = utc_now()
        for sender, running in (("a", 5), ("b", 7)):
            signal(now, sc.TRIVET_REQUESTS_RUNNING, running, backend_id=gateway, sender=sender)
            signal(now, sc.TRIVET_CONCURRENCY_LIMIT, 20, backend_id=gateway, sender=sender)
        (found,) = get("engines")
        assert (found["running"], found["concurrency_limit"]) == (12, 20)

    def test_of_several_models_is_as_full_as_the_fullest(self, get):
        (vllm,) = named(Backend, "vllm")
        now = utc_now()
        for model, share in ((1, 0.4), (2, 0.9)):
            signal(now, sc.TRIVET_KV_CACHE_USAGE, share, backend_id=vllm, model_id=model)
            signal(now, sc.TRIVET_PREFIX_CACHE_QUERIES, 100, backend_id=vllm, model_id=model)
            signal(now, sc.TRIVET_PREFIX_CACHE_HITS, 100 * share, backend_id=vllm, model_id=model)
        (found,) = get("engines")
        assert (found["kv_cache_usage"], found["prefix_cache_hit_rate"]) == (0.9, pytest.approx(0.65))

    def test_that_has_been_silent_is_not_shown_as_it_once_was(self, get):
        (vllm,) = named(Backend, "vllm")
        signal(utc_now() - timedelta(minutes=5), sc.TRIVET_REQUESTS_RUNNING, 5, backend_id=vllm)
        assert get("engines") == []

    def test_is_the_platforms_affair(self, get, make_key):
        bound = {"Authorization": f"Bearer {make_key(['read'], tenant='acme')}"}
        get("engines", headers=bound, status=403)


class TestCaches:
    def test_are_told_apart_with_the_commonest_reasons_of_misses(self, get):
        now = utc_now()
        for detail, count in (
            ("prompt/true", 30), ("prompt/false", 10), ("retrieval/true", 2), ("retrieval/false/expired", 5),
            ("retrieval/false/not_found", 3),
        ):  # fmt: skip
            signal(now, sc.TRIVET_CACHE_LOOKUPS, count, detail=detail)
        assert get("caches") == [
            {"kind": "prompt", "lookups": 40, "hits": 30, "hit_rate": 0.75, "miss_reasons": []},
            {"kind": "retrieval", "lookups": 10, "hits": 2, "hit_rate": 0.2,
             "miss_reasons": [{"reason": "expired", "misses": 5}, {"reason": "not_found", "misses": 3}]},
        ]  # fmt: skip

    def test_of_another_tenant_are_not_told(self, get, make_key):
        bound = {"Authorization": f"Bearer {make_key(['read'], tenant='acme')}"}
        acme, globex = named(Tenant, "acme", "globex")
        signal(utc_now(), sc.TRIVET_CACHE_LOOKUPS, 4, detail="kv/true", tenant_id=acme)
        signal(utc_now(), sc.TRIVET_CACHE_LOOKUPS, 9, detail="kv/true", tenant_id=globex)
        assert [item["lookups"] for item in get("caches", headers=bound)] == [4]
