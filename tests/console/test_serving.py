"""Engines, caches and overflowing keys in words."""

from datetime import UTC, datetime, timedelta

import pytest

from trivet import db
from trivet.console import serving
from trivet.identity.models import ApiKey
from trivet.ingest.models import Denial
from trivet.report.engines import Cache, Engine

NOW = datetime(2026, 11, 21, 14, 0, tzinfo=UTC)
TODAY = NOW.replace(hour=0)


class TestAnEngineInWords:
    def test_says_what_runs_of_what_it_takes(self):
        engine = Engine("b1", running=8, waiting=3, concurrency_limit=8, cold_starts=4, cold_start_wait_s=12.4)
        (row,) = serving.engine_rows([engine])
        assert (row.running, row.waiting, row.full) == ("8 of 8", "3", True)
        assert row.cold_starts == "4, waited 12.4 s"

    def test_says_nothing_where_the_engine_does(self):
        (row,) = serving.engine_rows([Engine("b1")])
        assert (row.running, row.kv, row.prefix, row.cold_starts, row.events, row.full) == ("", "", "", "", "", False)

    def test_shows_shares_and_health_events(self):
        engine = Engine("b1", kv_cache_usage=0.834, prefix_queries=200, prefix_hits=50, health={"out_of_memory": 2.0})
        (row,) = serving.engine_rows([engine])
        assert (row.kv, row.prefix, row.events) == ("83 %", "25 %", "out of memory 2")


class TestACacheInWords:
    def test_names_the_commonest_reasons(self):
        cache = Cache("retrieval", hits=2, misses=8, reasons={"not_found": 3, "expired": 4, "a": 1, "b": 1})
        (row,) = serving.cache_rows([cache])
        assert (row.kind, row.lookups, row.hit_rate) == ("Retrieval", 10, 0.2)
        assert row.reasons == "expired 4, not found 3, a 1"


@pytest.mark.usefixtures("database")
class TestAKeyThatOverflows:
    def denied(self, *rows):
        with db.transaction() as session:
            key = ApiKey(name="gateway", key_hash=b"k", prefix="tvt_k", scopes=["ingest"], created_by="test")
            session.add(key)
            session.flush()
            session.add_all(Denial(day=day, key_id=key.id, reason=reason, items=items) for day, reason, items in rows)

    def test_is_named_with_what_it_does_and_the_setting_that_limits_it(self):
        self.denied((TODAY, "overflow_tenant", 1200), (TODAY - timedelta(days=1), "overflow_tenant", 4))
        with db.transaction() as session:
            (found,) = serving.overflows(session, NOW)
        assert (found.key, found.kind, found.items) == ("gateway", "tenants", 1204)
        assert (found.limit, found.setting) == (50_000, "TRIVET_TENANTS_PER_KEY_LIMIT")

    @pytest.mark.parametrize("kind", ["backend", "pool", "region"])
    def test_of_a_kind_without_a_limit_of_its_own_names_the_common_one(self, kind):
        self.denied((TODAY, f"overflow_{kind}", 1))
        with db.transaction() as session:
            (found,) = serving.overflows(session, NOW)
        assert found.setting == "TRIVET_NAMES_PER_KEY_LIMIT"

    def test_is_not_told_for_what_was_refused_or_long_ago(self):
        self.denied((TODAY, "bad_id", 7), (TODAY - timedelta(days=3), "overflow_model", 7))
        with db.transaction() as session:
            assert serving.overflows(session, NOW) == ()
