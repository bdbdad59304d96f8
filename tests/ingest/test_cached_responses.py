"""A call answered from a cache of responses costs nothing, and that is a price; it is another call than what filled it."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import permutations

import pytest
from sqlalchemy import text
from tests.support.calls import call
from tests.support.otlp import PROTOBUF, body, span

from trivet import db
from trivet.ingest import tasks
from trivet.ingest.request.fact import CacheLookup
from trivet.ingest.store.persist import Batch, store_all
from trivet.kit.interval import Interval
from trivet.pricing import service as pricing
from trivet.pricing.rate import canonical
from trivet.rollup import tasks as rollup
from trivet.rollup.read import usage
from trivet.rollup.rebuild import rebuild

pytestmark = pytest.mark.usefixtures("database")

NOW = datetime(2026, 11, 20, 8, 0, 3, tzinfo=UTC)
DAY = Interval(datetime(2026, 11, 20, 8, tzinfo=UTC), datetime(2026, 11, 20, 9, tzinfo=UTC))
# What LiteLLM's second integration says of a call that its cache answered.
LITELLM = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "cheap",
    "litellm.provider.model": "openai/gpt-4o",
    "gen_ai.response.id": "chatcmpl-1",
    "gen_ai.usage.input_tokens": 33,
    "gen_ai.usage.output_tokens": 15,
    "litellm.cache_hit": True,
}
HIT = (CacheLookup("response", True),)


def price(model="gpt-4o", since=NOW - timedelta(days=1)):
    with db.transaction() as session:
        pricing.add_price(
            session, provider="openai", model=model, pool="", effective_from=since, currency="USD",
            rates=canonical({"input": "1", "output": "0"}), actor="finance",
        )  # fmt: skip


def rows(query):
    with db.transaction() as session:
        return [tuple(row) for row in session.execute(text(query))]


def told(name, start_s, seconds, *, hit=False, tenant="acme", model="gpt-4o", **more):
    given = {"input_tokens": 1_000_000, "trace_id": b"t" * 16, "response_id": "r1"} | more
    shape = {"shape": "cached", "lookups": HIT} if hit else {}
    at = NOW + timedelta(seconds=start_s + seconds)
    return call(at, seconds=seconds, span=name.encode().ljust(8), tenant=tenant, model=model, **given, **shape)


def put(*facts):
    store_all([Batch(facts, key_id=1)], NOW)


def counted():
    """(requests, unpriced, cost) over all currencies."""
    with db.transaction() as session:
        each = usage(session, DAY, ["currency"]).values()
    return sum(u.requests for u in each), sum(u.unpriced_requests for u in each), sum(u.cost for u in each)


class TestACallAnsweredFromACache:
    @pytest.mark.parametrize("said", [True, "True"])
    def test_costs_nothing_and_is_priced_where_the_book_has_its_model(self, client, make_key, admin, said):
        headers = {"Authorization": f"Bearer {make_key(['ingest'])}"} | PROTOBUF
        client.post("/v1/traces", content=body(span(LITELLM | {"litellm.cache_hit": said})), headers=headers)
        rollup.fold()
        [item] = client.get("/api/v1/requests", headers=admin).json()["items"]
        assert (item["model"], item["tokens"]["input"]) == ("gpt-4o", 33)
        assert item["cost"] == {"amount": "0.000000000000", "currency": "USD"}
        assert item["price_id"] is not None
        assert item["unpriced_reason"] is None

    @pytest.mark.parametrize("attributes", [{}, {"gen_ai.usage.input_tokens": 0, "gen_ai.usage.output_tokens": 0}])
    def test_is_not_unpriced_without_a_price_or_without_tokens(self, client, make_key, admin, attributes):
        own = LITELLM | {"litellm.provider.model": "openai/of-nobody"} | attributes
        headers = {"Authorization": f"Bearer {make_key(['ingest'])}"} | PROTOBUF
        client.post("/v1/traces", content=body(span(own)), headers=headers)
        [item] = client.get("/api/v1/requests", headers=admin).json()["items"]
        assert (item["cost"]["amount"], item["unpriced_reason"]) == ("0.000000000000", None)
        trace = client.get(f"/api/v1/interactions/trace/{item['trace_id']}", headers=admin).json()
        assert (trace["requests"], trace["unpriced_requests"], trace["cost"]) == (1, 0, [])
        assert rows("SELECT requests, unpriced_requests, cost FROM usage_delta") == [(1, 0, 0)]

    def test_still_costs_nothing_after_a_price_entered_later(self):
        put(told("hit", 0, 1, hit=True, model="new"), told("miss", 5, 1, model="new", response_id="r2"))
        price("new")
        assert tasks.price_unpriced() == 1
        rollup.fold()
        assert counted() == (2, 0, 1)
        rebuild(DAY)
        assert counted() == (2, 0, 1)

    def test_missed_is_priced_as_any_other(self):
        price()
        put(told("miss", 0, 1, lookups=(CacheLookup("response", False),)))
        assert counted() == (1, 0, Decimal(1))


class TestNestedOnce:
    """A response out of a cache has the id of the call that filled it."""

    @pytest.mark.parametrize("order", list(permutations(range(3))))
    def test_the_call_that_filled_the_cache_stays_billed_in_whatever_order(self, order):
        price()
        spans = [told("filled", 0, 2), told("hit", 3, 0.01, hit=True), told("again", 5, 0.01, hit=True)]
        for index in order:
            put(spans[index])
        assert tasks.once() == 0
        assert counted() == (3, 0, 1)
        rollup.fold()
        rebuild(DAY)
        assert counted() == (3, 0, 1)

    @pytest.mark.parametrize("order", list(permutations(range(3))))
    def test_a_client_around_the_hit_is_the_same_call_and_costs_nothing(self, order):
        price()
        spans = [told("client", 3, 0.2), told("sdk", 3.01, 0.1), told("hit", 3.05, 0.01, hit=True)]
        for index in order:
            put(spans[index])
        tasks.once()
        assert counted() == (1, 0, 0)
        assert rows("SELECT count(*) FROM request WHERE repeats IS NULL AND shape = 4") == [(1,)]

    def test_that_was_stored_at_the_same_instant_is_settled_by_the_task(self, monkeypatch):
        from trivet.ingest.store import repeats

        price()
        monkeypatch.setattr(repeats, "told", lambda cursor, rows: [])
        for each in (told("client", 3, 0.2), told("hit", 3.05, 0.01, hit=True), told("filled", 0, 2)):
            put(each)
        assert tasks.once() == 1
        assert counted() == (2, 0, 1)

    def test_a_hit_that_is_nobodys_is_the_call_of_whoever_is_charged(self):
        price()
        put(told("client", 3, 0.2), told("hit", 3.05, 0.01, hit=True, tenant=""))
        assert counted() == (1, 0, 1)
