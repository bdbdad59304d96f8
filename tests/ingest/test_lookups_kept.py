"""Retrieval spans that look into a cache: kept once, never a request, and what they add to the signals."""

from datetime import UTC, datetime

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text
from tests.support.calls import call, microseconds
from tests.support.otlp import PROTOBUF, body, span

from trivet import db
from trivet.ingest.request.fact import CacheLookup, LookupFact
from trivet.ingest.store.persist import Batch, store_all
from trivet.settings import get_settings

pytestmark = pytest.mark.usefixtures("database")

NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)


def lookup(span_id=b"s" * 8, *found):
    end = microseconds(NOW)
    given = found or (CacheLookup("retrieval", True), CacheLookup("retrieval", False, "expired"))
    return LookupFact(b"t" * 16, span_id, end - 5_000, end, "acme", "rag", "gw", given)


def rows(query):
    with db.transaction() as session:
        return [tuple(row) for row in session.execute(text(query))]


def put(*lookups, requests=()):
    return store_all([Batch(requests, lookups, key_id=1)], NOW)[0]


class TestLookups:
    def test_are_signals_and_no_requests(self):
        came = put(lookup(), lookup(b"u" * 8))
        assert (came.inserted, came.duplicates) == (0, 0)
        assert rows("SELECT detail, samples FROM signal_delta ORDER BY detail") == [
            ("retrieval/false/expired", 2),
            ("retrieval/true", 2),
        ]
        assert rows("SELECT count(*) FROM request") == rows("SELECT count(*) FROM usage_delta") == [(0,)]

    def test_sent_again_or_twice_in_one_export_count_once(self):
        put(lookup(), lookup())
        put(lookup(), requests=[call(NOW)])
        assert rows("SELECT details FROM cache_lookup") == [(["retrieval/true", "retrieval/false/expired"],)]
        assert rows("SELECT sum(samples)::int FROM signal_delta WHERE detail LIKE 'retrieval%'") == [(2,)]

    def test_belong_to_the_names_of_their_span(self):
        put(lookup())
        named = "SELECT t.name, s.name, b.name FROM cache_lookup c JOIN tenant t ON t.id = c.tenant_id JOIN scenario s ON s.id = c.scenario_id JOIN backend b ON b.id = c.backend_id"
        assert rows(named) == [("acme", "rag", "gw")]


def tool(name, span_id=b"s" * 8, tenant="acme"):
    end = microseconds(NOW)
    return LookupFact(b"t" * 16, span_id, end - 5_000, end, tenant, "rag", "gw", (), "tool", name)


class TestCallsOfTools:
    COUNTED = "SELECT metric, detail, samples FROM signal_delta ORDER BY metric, detail"

    def test_count_once_by_tool_and_retrievals_beside_them(self):
        retrieval = lookup(b"r" * 8)
        retrieval.called = "retrieval"
        put(tool("search"), tool("search", b"u" * 8), tool("pay", b"v" * 8), retrieval)
        put(tool("search"))
        assert rows(self.COUNTED) == [
            ("trivet.cache.lookups", "retrieval/false/expired", 1),
            ("trivet.cache.lookups", "retrieval/true", 1),
            ("trivet.retrieval.calls", "", 1),
            ("trivet.tool.calls", "pay", 1),
            ("trivet.tool.calls", "search", 2),
        ]

    def test_past_a_tenants_limit_of_names_they_are_overflow(self, monkeypatch):
        monkeypatch.setenv("TRIVET_NAMES_PER_KEY_LIMIT", "2")
        get_settings.cache_clear()
        put(*(tool(f"t{n}", bytes([n]) * 8) for n in range(1, 5)), tool("t9", b"o" * 8, tenant="bolt"))
        assert rows("SELECT detail, sum(samples)::int FROM signal_delta GROUP BY 1 ORDER BY 1") == [
            ("overflow", 2), ("t1", 1), ("t2", 1), ("t9", 1),
        ]  # fmt: skip
        assert rows("SELECT reason, items FROM denial") == [("overflow_tool", 2)]


class TestWhyThereIsNoCost:
    @pytest.mark.parametrize(
        ("attributes", "reason"),
        [
            ({"gen_ai.response.model": "nobody-knows-it"}, "no_price"),
            ({"gen_ai.response.model": "", "gen_ai.request.model": ""}, "no_model"),
            ({"gen_ai.usage.input_tokens": "", "gen_ai.usage.output_tokens": ""}, "no_tokens"),
        ],
    )
    def test_is_counted_by_reason(self, sender, key, attributes, reason):
        def count():
            return REGISTRY.get_sample_value("trivet_ingest_unpriced_total", {"reason": reason}) or 0

        before = count()
        answer = sender.post("/v1/traces", content=body(span(attributes)), headers=key | PROTOBUF)
        assert answer.status_code == 200
        assert count() == before + 1
