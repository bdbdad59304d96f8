"""Rows and deltas of one transaction: once, complete, by day, and for whom."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text
from tests.support.calls import call

from trivet import db
from trivet.ingest.request.fact import ERROR, REFUSED, REJECTED, TIMEOUT
from trivet.ingest.store import partitions
from trivet.ingest.store.ids import span_bytes
from trivet.ingest.store.persist import Stored, store
from trivet.kit import histogram

NOW = datetime(2026, 11, 21, 8, 0, 3, tzinfo=UTC)


def put(*facts, refusals=(), tenant_id=None, now=NOW):
    return store(facts, refusals, tenant_id=tenant_id, key_id=7, now=now)


def rows(query: str):
    with db.transaction() as session:
        return session.execute(text(query)).mappings().all()


def add_price(model="m", pool="", per_million="2.50", since=NOW - timedelta(days=60), currency="USD"):
    from trivet.pricing import service

    with db.transaction() as session:
        rates = {"input": [[0, per_million]], "output": [[0, "10"]], "cache_read": [[0, "1.25"]]}
        return service.add_price(
            session,
            provider="house",
            model=model,
            pool=pool,
            effective_from=since,
            currency=currency,
            rates=rates,
            actor="test",
        ).id


def priced(**given):
    return call(NOW, provider="house", **({"model": "m", "input_tokens": 1000, "output_tokens": 100} | given))


def called(**given):
    return call(NOW, input_tokens=1, **given)


@pytest.mark.usefixtures("database")
class TestOnce:
    def test_a_span_sent_twice_is_one_request(self):
        fact = call(NOW, input_tokens=5)
        assert put(fact) == Stored(1, 0)
        assert put(fact) == Stored(0, 1)
        assert [r["requests"] for r in rows("SELECT requests FROM usage_delta")] == [1]

    def test_also_inside_one_batch(self):
        fact = call(NOW, input_tokens=5)
        assert put(fact, fact, fact) == Stored(1, 2)
        assert rows("SELECT sum(requests) n, sum(input_tokens) t FROM usage_delta") == [{"n": 1, "t": 5}]

    def test_a_batch_half_sent_before_adds_only_the_other_half(self):
        facts = [call(NOW, input_tokens=1) for _ in range(10)]
        put(*facts[:5])
        assert put(*facts) == Stored(5, 5)
        assert rows("SELECT sum(requests) n, sum(input_tokens) t FROM usage_delta") == [{"n": 10, "t": 10}]

    def test_nothing_is_written_for_a_batch_that_is_all_old(self):
        fact = call(NOW, generation=3)
        put(fact)
        before = rows("SELECT (SELECT count(*) FROM usage_delta) d, (SELECT count(*) FROM policy_seen) p")
        put(fact)
        assert rows("SELECT (SELECT count(*) FROM usage_delta) d, (SELECT count(*) FROM policy_seen) p") == before

    def test_an_empty_batch_is_nothing(self):
        assert put() == Stored(0, 0)


@pytest.mark.usefixtures("database")
class TestRow:
    def test_keeps_what_the_span_said_and_no_more(self):
        start = NOW - timedelta(seconds=2)
        put(
            call(
                NOW,
                seconds=2,
                ttft_ms=250,
                trace_id=b"t" * 16,
                span=b"s" * 8,
                parent_id=b"p" * 8,
                backend="gw",
                pool="h100",
                input_tokens=1,
                output_tokens=2,
                cache_read_tokens=3,
                cache_write_tokens=4,
                reasoning_tokens=5,
                revision=2,
                generation=9,
                level=1,
                output_limit=64,
                conversation_id="c",
                finish_reason="stop",
                response_id="r",
                reservation="v",
                prompt_hash=b"h" * 32,
                tier="flex",
            )
        )
        [row] = rows("SELECT * FROM request")
        assert {k: v for k, v in row.items() if not k.endswith("_id") and k != "received_at"} == {
            "started_at": start, "ended_at": NOW, "outcome": 0, "streamed": True,
            "input_tokens": 1, "output_tokens": 2, "cache_read_tokens": 3, "cache_write_tokens": 4, "reasoning_tokens": 5,
            "ttft_us": 250_000, "cost_picos": row["cost_picos"], "policy_revision": 2, "policy_generation": 9,
            "cause": None, "shape": None, "repeats": None, "degrade_level": 1, "output_limit": 64, "tier": "flex", "finish_reason": "stop", "reservation": "v", "prompt_hash": b"h" * 32,
        }  # fmt: skip
        ids = (row["trace_id"].bytes, span_bytes(row["span_id"]), span_bytes(row["parent_span_id"]))
        assert ids == (b"t" * 16, b"s" * 8, b"p" * 8)
        assert (row["conversation_id"], row["response_id"], row["key_id"]) == ("c", "r", 7)

    def test_names_become_ids_and_no_name_is_0(self):
        put(call(NOW), call(NOW, tenant="", scenario="", backend="", pool="", provider="", model=""))
        ids = rows("SELECT tenant_id, scenario_id, model_id, backend_id, pool_id FROM request ORDER BY tenant_id")
        assert [tuple(row.values()) for row in ids] == [(0, 0, 0, 0, 0), (1, 1, 1, 1, 0)]
        assert rows("SELECT name, registered_at FROM tenant") == [{"name": "acme", "registered_at": None}]

    def test_thousands_of_new_names_at_once_are_all_kept(self):
        facts = [call(NOW, tenant=f"t{n}", model=f"m{n % 900}", input_tokens=1) for n in range(2_500)]
        assert put(*facts) == Stored(2_500, 0)
        assert rows("SELECT count(DISTINCT tenant_id) t, count(DISTINCT model_id) m FROM request") == [
            {"t": 2_500, "m": 900}
        ]

    def test_a_key_bound_to_a_tenant_decides_whatever_the_span_says(self):
        with db.transaction() as session:
            from trivet.tenant.models import Tenant

            bound = db.named_ids(session, Tenant, ["bound"])["bound"]
        put(call(NOW, tenant="somebody else"), tenant_id=bound)
        assert rows("SELECT r.tenant_id, d.tenant_id AS delta FROM request r, usage_delta d") == [
            {"tenant_id": bound, "delta": bound}
        ]
        assert rows("SELECT name FROM tenant") == [{"name": "bound"}]

    def test_blocks_go_to_a_table_of_their_own(self):
        put(call(NOW, blocks=("system", "doc-1")), call(NOW))
        assert rows("SELECT blocks FROM prompt_blocks") == [{"blocks": ["system", "doc-1"]}]

    def test_each_policy_seen_is_one_row_by_our_clock(self):
        put(*(call(NOW, generation=g, level=1) for g in (3, 3, 4)), call(NOW))
        seen = rows("SELECT generation, level, backend_id, scenario_id, tenant_id, seen_at FROM policy_seen ORDER BY 1")
        same = {"level": 1, "backend_id": 1, "scenario_id": 1, "tenant_id": 1, "seen_at": NOW}
        assert seen == [{"generation": 3, **same}, {"generation": 4, **same}]

    def test_refusals_are_added_up_by_day_key_and_reason(self):
        put(refusals=["too_old", "too_old", "bad_id"])
        put(refusals=["too_old"])
        day = NOW.replace(hour=0, minute=0, second=0)
        assert rows("SELECT day, key_id, reason, items FROM denial ORDER BY reason") == [
            {"day": day, "key_id": 7, "reason": "bad_id", "items": 1},
            {"day": day, "key_id": 7, "reason": "too_old", "items": 3},
        ]


@pytest.mark.usefixtures("database")
class TestDays:
    def test_a_request_lies_in_the_partition_of_the_utc_day_it_started(self):
        midnight = datetime(2026, 11, 20, tzinfo=UTC)
        put(call(midnight + timedelta(seconds=1), seconds=2), call(midnight + timedelta(seconds=1), seconds=1))
        assert rows("SELECT tableoid::regclass::text AS day FROM request ORDER BY 1") == [
            {"day": "request_20261119"},
            {"day": "request_20261120"},
        ]

    def test_partitions_are_made_ahead_and_making_them_again_is_harmless(self):
        for _ in range(2):
            partitions.ensure_ahead(NOW.date())
            db.forget_rows()
        for table in partitions.PARTITIONED:
            made = rows(f"SELECT to_regclass('{table}_20261123')::text AS name")
            assert made == [{"name": f"{table}_20261123"}]

    def test_partitions_have_the_indexes_of_their_table(self):
        put(call(NOW))
        names = rows("SELECT indexdef FROM pg_indexes WHERE tablename = 'request_20261121'")
        assert len(names) == 5


@pytest.mark.usefixtures("database")
class TestCost:
    def test_is_exact_and_names_its_price(self):
        price_id = add_price()
        put(priced(cache_read_tokens=7))
        cost_picos = 1000 * 2_500_000 + 100 * 10_000_000 + 7 * 1_250_000
        assert rows("SELECT cost_picos, price_id FROM request") == [{"cost_picos": cost_picos, "price_id": price_id}]
        assert rows("SELECT cost, currency, unpriced_requests FROM usage_delta") == [
            {"cost": Decimal(cost_picos).scaleb(-12), "currency": "USD", "unpriced_requests": 0}
        ]

    def test_an_unknown_price_is_a_gap_and_never_zero(self):
        put(priced(model="nobody-knows"))
        assert rows("SELECT cost_picos, price_id FROM request") == [{"cost_picos": None, "price_id": None}]
        assert rows("SELECT cost, currency, unpriced_requests FROM usage_delta") == [
            {"cost": 0, "currency": "", "unpriced_requests": 1}
        ]

    def test_a_call_that_went_well_without_any_token_was_not_measured(self):
        add_price()
        put(priced(input_tokens=0, output_tokens=0), priced(input_tokens=0, output_tokens=0, outcome=ERROR))
        assert rows("SELECT cost_picos, outcome FROM request ORDER BY outcome") == [
            {"cost_picos": None, "outcome": 0},
            {"cost_picos": 0, "outcome": ERROR},
        ]

    def test_a_cost_that_no_column_holds_is_a_gap(self):
        add_price(per_million="999999999")
        put(priced(input_tokens=2_000_000_000))
        assert rows("SELECT cost_picos FROM request") == [{"cost_picos": None}]

    def test_a_pool_has_its_own_price(self):
        add_price()
        add_price(pool="h100", per_million="0.5")
        put(priced(pool="h100", output_tokens=0), priced(output_tokens=0))
        assert {r["cost_picos"] for r in rows("SELECT cost_picos FROM request")} == {500_000_000, 2_500_000_000}

    def test_the_price_is_that_of_the_start(self):
        add_price()
        add_price(per_million="5", since=NOW - timedelta(seconds=1))
        put(priced(seconds=2, output_tokens=0), priced(seconds=0.5, output_tokens=0))
        assert {r["cost_picos"] for r in rows("SELECT cost_picos FROM request")} == {2_500_000_000, 5_000_000_000}

    def test_a_model_of_the_catalogue_has_a_price_from_its_first_request(self):
        put(call(NOW, provider="openai", model="gpt-4o-mini", input_tokens=1_000_000))
        assert rows("SELECT cost_picos FROM request") == [{"cost_picos": 150_000_000_000}]


@pytest.mark.usefixtures("database")
class TestDeltas:
    def test_are_one_row_for_each_bucket_and_set_of_dimensions(self):
        late = NOW + timedelta(seconds=10)
        put(call(NOW), call(NOW), call(late), call(NOW, tenant="globex"), call(NOW, level=1), call(NOW, revision=2))
        found = rows("SELECT bucket, tenant_id, revision, level, requests FROM usage_delta ORDER BY 1, 2, 3, 4")
        bucket = NOW.replace(second=0)
        assert [tuple(row.values()) for row in found] == [
            (bucket, 1, 0, 0, 2),
            (bucket, 1, 0, 1, 1),
            (bucket, 1, 2, 0, 1),
            (bucket, 2, 0, 0, 1),
            (bucket + timedelta(seconds=10), 1, 0, 0, 1),
        ]

    def test_the_bucket_is_that_of_the_end(self):
        put(call(NOW, seconds=600))
        assert rows("SELECT bucket FROM usage_delta") == [{"bucket": NOW.replace(second=0)}]

    def test_count_how_calls_ended(self):
        put(*(called(outcome=o) for o in (0, ERROR, TIMEOUT, TIMEOUT, REFUSED, REJECTED)))
        assert rows("SELECT requests, errors, timeouts, refusals, rejections FROM usage_delta") == [
            {"requests": 6, "errors": 1, "timeouts": 2, "refusals": 1, "rejections": 1}
        ]

    def test_hold_histograms_of_latency_first_token_and_between_tokens(self):
        put(
            *(called(seconds=s, ttft_ms=100, inter_token_us=20_000) for s in (1, 2, 3)),
            called(outcome=REJECTED, streamed=True),
        )
        [row] = rows("SELECT latency, ttft, inter_token FROM usage_delta")
        assert histogram.total(row["latency"]) == 3  # a rejected call reached no model
        assert histogram.quantiles_ms(row["latency"], [0.5]) == [pytest.approx(2000, rel=0.01)]
        assert histogram.quantiles_ms(row["ttft"], [0.5]) == [pytest.approx(100, rel=0.01)]
        assert histogram.quantiles_ms(row["inter_token"], [0.5]) == [pytest.approx(20, rel=0.01)]
