"""Gaps: what is in no cost, counted with the tokens it touches, and how it is closed."""

from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text
from tests.support.books import DAY, SEVEN, clock, metered, price
from tests.support.calls import call, ingest

from trivet import db
from trivet.ingest.store import reprice
from trivet.kit.interval import Interval
from trivet.pricing import quantity, unit
from trivet.pricing.quantity import Told
from trivet.report.gaps import gaps

ASKED = Interval(DAY, DAY + timedelta(days=1))


def found():
    with db.transaction() as session:
        return gaps(session, ASKED)


def odd(at, **more):
    return call(clock(at), provider="house", model="own", **more)


def tell(unit_name, amount, key, name=""):
    told = Told(key, SEVEN, "acme", unit_name, Decimal(amount), name)
    with db.transaction() as session:
        quantity.tell(session, [told], tenant_id=None, actor="cdn", now=ASKED.end)


@pytest.mark.usefixtures("database")
class TestModels:
    def test_without_a_price_stand_with_their_tokens_by_kind_and_the_command(self):
        price("openai", "gpt-4o", input="2.50", output="10")
        ingest(
            metered("acme", "07:00", input_tokens=5),
            odd("07:01", input_tokens=10, output_tokens=2),
            odd("07:02", input_tokens=30, cache_read_tokens=4, reasoning_tokens=1),
            odd("07:03", input_tokens=7, tier="batch"),
        )
        got = found()
        assert [(gap.model, gap.tier, gap.reason, gap.requests, dict(gap.tokens)) for gap in got.models] == [
            ("own", "", "no_price", 2, {"input": 40, "output": 2, "cache_read": 4, "cache_write": 0, "reasoning": 1}),
            ("own", "batch", "no_price", 1, {"input": 7, "output": 0, "cache_read": 0, "cache_write": 0, "reasoning": 0}),
        ]  # fmt: skip
        assert (got.requests, got.tokens, got.whole) == (3, 54, True)
        assert got.models[0].to_do == (
            "trivet prices enter house own --from 2026-11-20T00:00:00Z --currency USD --input … --output …"
        )
        assert "--tier batch" in got.models[1].to_do

    def test_why_no_price_would_close_it_is_said(self):
        ingest(metered("acme", "07:00"), call(clock("07:01"), provider="openai", model="", input_tokens=3))
        assert {(gap.reason, gap.requests) for gap in found().models} == {("no_tokens", 1), ("no_model", 1)}
        assert all("trivet prices" not in gap.to_do for gap in found().models)

    def test_a_price_entered_later_closes_it_in_its_own_tier_alone(self):
        ingest(odd("07:01", input_tokens=10), odd("07:02", input_tokens=10, tier="batch"))
        price("house", "own", input="1", output="1")
        with db.transaction() as session:
            assert reprice.price_batch(session) == 1
            assert reprice.price_batch(session) == 0
        (left,) = found().models
        assert (left.tier, left.requests) == ("batch", 1)

    def test_a_call_in_a_tier_that_falls_back_is_priced_at_once_and_later_alike(self):
        ingest(odd("07:01", input_tokens=10, tier="priority"))
        price("house", "own", input="1", output="1")
        with db.transaction() as session:
            assert reprice.price_batch(session) == 1
        ingest(odd("07:02", input_tokens=10, tier="priority"))
        with db.transaction() as session:
            costs = session.execute(text("SELECT cost_picos, tier FROM request")).all()
        assert costs == [(10_000_000, "priority")] * 2


@pytest.mark.usefixtures("database")
class TestUnits:
    def test_without_a_price_are_a_gap_with_their_amount(self):
        tell("bandwidth_gb", "12.5", "k1")
        tell("bandwidth_gb", "2.5", "k2")
        tell("web_searches", "40", "k3", "medium")
        assert [(gap.of.unit, gap.of.name, gap.amount) for gap in found().units] == [
            ("web_searches", "medium", Decimal(40)), ("bandwidth_gb", "", Decimal(15)),
        ]  # fmt: skip
        assert found().units[0].to_do == (
            "trivet prices unit web_searches --from 2026-11-20T07:00:00Z --currency USD --name medium --price …"
        )

    def test_that_cost_nothing_are_none_once_somebody_says_so(self):
        tell("bandwidth_gb", "12.5", "k1")
        with db.transaction() as session:
            unit.add(
                session, unit="bandwidth_gb", name="", provider="", pool="", effective_from=DAY, currency="USD",
                price=Decimal(0), source="entered", actor="finance",
            )  # fmt: skip
        assert found().units == []


class TestOverRest:
    def test_says_the_same(self, client, admin):
        ingest(odd("07:01", input_tokens=10, output_tokens=2))
        tell("bandwidth_gb", "12.5", "k1")
        asked = {"from": "2026-11-20T00:00:00Z", "to": "2026-11-21T00:00:00Z"}
        answer = client.get("/api/v1/price-gaps", params=asked, headers=admin).json()
        assert (answer["requests"], answer["tokens"], answer["models"][0]["model"]) == (1, 12, "own")
        assert (answer["units"][0]["unit"], answer["units"][0]["amount"]) == ("bandwidth_gb", "12.5")

    def test_a_tenants_key_does_not_see_the_platforms_gaps(self, client, make_key):
        own = {"Authorization": f"Bearer {make_key(['read'], 'bolt')}"}
        asked = {"from": "2026-11-20T00:00:00Z", "to": "2026-11-21T00:00:00Z"}
        assert client.get("/api/v1/price-gaps", params=asked, headers=own).status_code == 403
