"""Quality scores: once, within bounds, and in the buckets of their scenario."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from tests.support.otlp import PROTOBUF, body, span

from trivet import db
from trivet.kit.clock import rfc3339, utc_now
from trivet.settings import get_settings

SCORE = {"scenario": "checkout", "metric": "faithfulness", "value": 0.5}


def post(sender, key, body):
    return sender.post("/api/v1/scores", json=body, headers=key)


def rows(query):
    with db.transaction() as session:
        return session.execute(text(query)).mappings().all()


class TestPosting:
    def test_one_score_or_a_list(self, sender, key):
        assert post(sender, key, SCORE).json() == {"stored": 1, "duplicates": 0}
        answer = post(sender, key, [SCORE | {"id": "a"}, SCORE | {"id": "b"}])
        assert (answer.status_code, answer.json()) == (201, {"stored": 2, "duplicates": 0})

    def test_the_same_id_is_the_same_score(self, sender, key):
        post(sender, key, SCORE | {"id": "a"})
        assert post(sender, key, [SCORE | {"id": "a", "value": 1}] * 2).json() == {"stored": 0, "duplicates": 2}
        assert rows("SELECT sum(scores)::int n, sum(score_total) t FROM usage_delta") == [{"n": 1, "t": 0.5}]

    def test_without_an_id_trace_metric_and_time_make_one(self, sender, key):
        at = rfc3339(utc_now())
        one = SCORE | {"trace_id": "ab" * 16, "at": at}
        assert post(sender, key, [one, one | {"metric": "tone"}, one]).json() == {"stored": 2, "duplicates": 1}
        assert post(sender, key, one).json() == {"stored": 0, "duplicates": 1}

    def test_adds_to_the_bucket_of_its_time_scenario_revision_and_level(self, sender, key):
        at = utc_now().replace(microsecond=0) - timedelta(minutes=5)
        at = at.replace(second=37)
        same = {"tenant": "acme", "revision": 3, "level": 1, "at": rfc3339(at)}
        post(sender, key, [SCORE | same | {"id": i, "value": v} for i, v in (("a", 0.25), ("b", 1.0))])
        [delta] = rows("SELECT d.*, t.name AS tenant, s.name AS scenario FROM usage_delta d JOIN tenant t ON t.id = "
                       "d.tenant_id JOIN scenario s ON s.id = d.scenario_id")  # fmt: skip
        assert (delta["bucket"], delta["tenant"], delta["scenario"]) == (at.replace(second=30), "acme", "checkout")
        assert (delta["revision"], delta["level"], delta["model_id"], delta["currency"]) == (3, 1, 0, "")
        assert (delta["scores"], delta["score_total"], delta["requests"], delta["cost"]) == (2, 1.25, 0, 0)

    def test_a_key_bound_to_a_tenant_decides(self, sender, make_key):
        headers = {"Authorization": f"Bearer {make_key(['ingest'], tenant='bound')}"}
        post(sender, headers, SCORE | {"tenant": "other"})
        assert rows("SELECT t.name FROM score s JOIN tenant t ON t.id = s.tenant_id") == [{"name": "bound"}]

    def test_the_same_id_of_another_tenant_is_another_score(self, sender, key, make_key):
        own = {t: {"Authorization": f"Bearer {make_key(['ingest'], tenant=t)}"} for t in ("acme", "globex")}
        for headers in own.values():
            assert post(sender, headers, SCORE | {"id": "1"}).json() == {"stored": 1, "duplicates": 0}
        both = [SCORE | {"id": "2", "tenant": tenant} for tenant in own]
        assert post(sender, key, [*both, SCORE | {"id": "2"}]).json() == {"stored": 3, "duplicates": 0}
        assert post(sender, own["acme"], SCORE | {"id": "2"}).json() == {"stored": 0, "duplicates": 1}

    def test_without_an_id_the_tenant_of_the_key_counts_and_not_the_one_it_names(self, sender, make_key):
        one = SCORE | {"at": rfc3339(utc_now())}
        own = {t: {"Authorization": f"Bearer {make_key(['ingest'], tenant=t)}"} for t in ("acme", "globex")}
        assert post(sender, own["acme"], one | {"tenant": "x"}).json()["stored"] == 1
        assert post(sender, own["globex"], one | {"tenant": "x"}).json()["stored"] == 1
        assert post(sender, own["acme"], one | {"tenant": "y"}).json() == {"stored": 0, "duplicates": 1}

    @pytest.mark.parametrize(
        "change",
        [
            {"value": 1.5},
            {"value": -0.1},
            {"value": "NaN"},
            {"scenario": ""},
            {"metric": "x" * 1000},
            {"level": 4},
            {"revision": -1},
            {"trace_id": "xyz"},
            {"at": "2026-11-21T08:00:00"},
            {"at": "1999-01-01T00:00:00Z"},
            {"at": "2999-01-01T00:00:00Z"},
            {"colour": "red"},
            {"scenario": None},
            {"scenario": None, "trace_id": "cd" * 16},
        ],
    )
    def test_what_is_no_score_is_refused_whole(self, sender, key, change):
        answer = post(sender, key, [SCORE, SCORE | change])
        assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
        assert rows("SELECT count(*) n FROM score") == [{"n": 0}]

    def test_needs_the_scope_ingest(self, sender, make_key):
        headers = {"Authorization": f"Bearer {make_key(['read'])}"}
        assert post(sender, headers, SCORE).status_code == 403


class TestWithATraceAlone:
    TRACE = "ab" * 16

    def send_call(self, sender, key, **said):
        attributes = {"trivet.policy.revision": 3, "trivet.degrade.level": 1} | said
        sent = body(span(attributes, trace_id=bytes.fromhex(self.TRACE), span_id=random.randbytes(8)))
        assert sender.post("/v1/traces", content=sent, headers=key | PROTOBUF).content == b""

    def test_the_request_says_scenario_tenant_revision_and_level(self, sender, key):
        self.send_call(sender, key)
        assert post(sender, key, {"metric": "tone", "value": 1, "trace_id": self.TRACE}).json()["stored"] == 1
        [item] = sender.get("/api/v1/scores", headers=key).json()["items"]
        assert [item[name] for name in ("tenant", "scenario", "revision", "level")] == ["acme", "checkout", 3, 1]

    def test_what_is_said_counts_more_and_zero_is_said(self, sender, key):
        self.send_call(sender, key)
        post(sender, key, SCORE | {"trace_id": self.TRACE, "scenario": "search", "revision": 0, "level": 0})
        [item] = sender.get("/api/v1/scores", headers=key).json()["items"]
        assert [item[name] for name in ("tenant", "scenario", "revision", "level")] == ["acme", "search", 0, 0]

    def test_another_tenants_request_says_nothing(self, sender, key, make_key):
        self.send_call(sender, key)
        headers = {"Authorization": f"Bearer {make_key(['ingest'], tenant='globex')}"}
        answer = post(sender, headers, {"metric": "tone", "value": 1, "trace_id": self.TRACE})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "scenario")


class TestNamesPastTheKeysLimit:
    def test_are_kept_under_overflow_and_counted_and_totals_stay(self, sender, key, monkeypatch):
        for kind in ("TENANTS", "SCENARIOS"):
            monkeypatch.setenv(f"TRIVET_{kind}_PER_KEY_LIMIT", "2")
        get_settings.cache_clear()
        given = [SCORE | {"id": str(n), "tenant": f"t{n}", "scenario": f"s{n}"} for n in range(4)]
        assert post(sender, key, given).json() == {"stored": 4, "duplicates": 0}
        assert post(sender, key, given).json() == {"stored": 0, "duplicates": 4}
        of = {"tenant": "tenant_id", "scenario": "scenario_id"}
        for table, column in of.items():
            query = f"SELECT n.name, sum(d.scores)::int AS n FROM usage_delta d JOIN {table} n ON n.id = d.{column} GROUP BY 1 ORDER BY 1"
            first = table[0]
            assert [(r["name"], r["n"]) for r in rows(query)] == [("overflow", 2), (f"{first}0", 1), (f"{first}1", 1)]
        denied = {row["reason"]: row["items"] for row in rows("SELECT reason, items FROM denial")}
        assert denied == {"overflow_tenant": 4, "overflow_scenario": 4}

    @pytest.mark.parametrize("said", [{"at": True}, {"id": "of-its-tenant"}])
    def test_of_two_tenants_are_two_even_if_they_look_alike(self, sender, key, monkeypatch, said):
        monkeypatch.setenv("TRIVET_TENANTS_PER_KEY_LIMIT", "1")
        get_settings.cache_clear()
        alike = SCORE | (said if "id" in said else {"at": rfc3339(utc_now())})
        given = [alike | {"tenant": f"t{n}"} for n in range(3)]
        assert post(sender, key, given).json() == {"stored": 3, "duplicates": 0}
        assert post(sender, key, given).json() == {"stored": 0, "duplicates": 3}


class TestListing:
    def test_is_paged_newest_first(self, sender, key):
        base = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
        given = [SCORE | {"id": str(n), "at": rfc3339(base + timedelta(seconds=n // 2))} for n in range(5)]
        post(sender, key, given)
        seen, cursor = [], None
        for _ in range(3):
            query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
            page = sender.get("/api/v1/scores", params=query, headers=key).json()
            seen += [item["id"] for item in page["items"]]
            cursor = page["next_cursor"]
        assert seen == ["4", "3", "2", "1", "0"]
        assert cursor is None

    def test_shows_what_was_sent(self, sender, key):
        at = rfc3339(utc_now())
        sent = SCORE | {"tenant": "acme", "trace_id": "ab" * 16, "revision": 2, "level": 1, "at": at, "id": "x"}
        post(sender, key, sent)
        [item] = sender.get("/api/v1/scores", headers=key).json()["items"]
        assert item == sent | {"source": "key:test"}

    def test_may_be_of_one_scenario(self, sender, key):
        post(sender, key, [SCORE | {"id": "a"}, SCORE | {"id": "b", "scenario": "search"}])
        items = sender.get("/api/v1/scores", params={"scenario": "search"}, headers=key).json()["items"]
        assert [item["id"] for item in items] == ["b"]
        assert sender.get("/api/v1/scores", params={"scenario": "none"}, headers=key).json()["items"] == []

    def test_shows_a_tenants_key_only_its_tenants(self, sender, key, make_key):
        post(sender, key, [SCORE | {"id": "a", "tenant": "acme"}, SCORE | {"id": "b", "tenant": "globex"}])
        headers = {"Authorization": f"Bearer {make_key(['read'], tenant='globex')}"}
        assert [i["id"] for i in sender.get("/api/v1/scores", headers=headers).json()["items"]] == ["b"]

    @pytest.mark.parametrize("cursor", ["x", "WzFd", "WyJ4IiwgMV0", "bnVsbA"])
    def test_a_cursor_of_somebody_else_is_refused(self, sender, key, cursor):
        assert sender.get("/api/v1/scores", params={"cursor": cursor}, headers=key).status_code == 422
