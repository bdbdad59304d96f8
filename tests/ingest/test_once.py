"""One call told by several spans is counted once, whoever tells it, in whatever order and however they are grouped."""

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from tests.support import books
from tests.support.calls import call
from tests.support.otlp import PROTOBUF, body, span

from trivet import db
from trivet.ingest import tasks
from trivet.ingest.models import DIMENSIONS
from trivet.ingest.request.fact import ERROR
from trivet.ingest.store import once, persist, repeats, reprice
from trivet.ingest.store.persist import Batch, store_all
from trivet.ingest.store.row import Row
from trivet.kit.interval import Interval
from trivet.ledger import service as ledger
from trivet.rollup import tasks as rollup_tasks
from trivet.rollup.read import Usage, usage
from trivet.rollup.rebuild import rebuild

pytestmark = pytest.mark.usefixtures("database")

NOW = datetime(2026, 11, 20, 8, 0, 3, tzinfo=UTC)
DAY = Interval(datetime(2026, 11, 20, 8, tzinfo=UTC), datetime(2026, 11, 20, 11, tzinfo=UTC))
TRACE, OTHER_TRACE = b"t" * 16, b"u" * 16


def told(span, *, tenant="acme", response="r1", trace=TRACE, seconds=2.0, at=NOW, tokens=100, **more):
    return call(
        at, seconds=seconds, span=span.encode().ljust(8), trace_id=trace, tenant=tenant, response_id=response,
        input_tokens=tokens, **more,
    )  # fmt: skip


def put(*facts, tenant_id=None):
    return store_all([Batch(facts, tenant_id=tenant_id, key_id=1)], NOW)[0]


def billed():
    """Spans that count, by name; and who repeats whom."""
    with db.transaction() as session:
        found = session.execute(text("SELECT span_id, repeats FROM request")).all()
    names = {number: repeats.span_number and number.to_bytes(8, "big", signed=True).decode().strip() for pair in found for number in pair if number is not None}  # fmt: skip
    return {names[s] for s, r in found if r is None}, {names[s]: names[r] for s, r in found if r is not None}


def counted(by=("tenant_id",)):
    """Usage of the day with what is zero left out."""
    with db.transaction() as session:
        found = usage(session, DAY, list(by))
    kept = {key: Usage() + each for key, each in found.items()}
    return {key: each for key, each in kept.items() if each != Usage()}


class TestTwoSpansOfOneCall:
    def test_in_one_batch_are_one_request(self):
        put(told("outer", seconds=3), told("inner", seconds=2))
        assert billed() == ({"inner"}, {"outer": "inner"})
        (usage_,) = counted().values()
        assert (usage_.requests, usage_.input_tokens) == (1, 100)

    @pytest.mark.parametrize("order", [("outer", "inner"), ("inner", "outer")])
    def test_in_two_batches_are_one_in_either_order(self, order):
        for name in order:
            put(told(name, seconds=3 if name == "outer" else 2))
        assert billed() == ({"inner"}, {"outer": "inner"})
        (usage_,) = counted().values()
        assert (usage_.requests, usage_.input_tokens) == (1, 100)

    def test_in_two_exports_of_one_group_are_one(self):
        came = store_all([Batch([told("outer", seconds=3)], key_id=1), Batch([told("inner")], key_id=2)], NOW)
        assert [each.inserted for each in came] == [1, 1]
        assert billed()[0] == {"inner"}

    def test_after_the_fold_the_rollups_are_moved_and_a_rebuild_says_the_same(self):
        put(told("outer", seconds=3, model="gpt-4o", ttft_ms=100))
        rollup_tasks.fold()
        put(told("inner", model="gpt-4o-mini"))
        rollup_tasks.fold()
        before = counted(DIMENSIONS)
        assert [each.requests for each in before.values()] == [1]
        rebuild(DAY)
        assert counted(DIMENSIONS) == before

    def test_sent_again_change_nothing(self):
        spans = [told("outer", seconds=3), told("inner")]
        put(*spans)
        before = counted(DIMENSIONS), billed()
        for fact in [*spans, *reversed(spans)]:
            assert put(fact).duplicates == 1
        assert (counted(DIMENSIONS), billed()) == before

    def test_hours_apart_are_settled_by_the_task(self):
        put(told("outer", seconds=20_000))
        put(told("inner"))
        assert billed()[0] == {"outer", "inner"}
        assert tasks.once() == 1
        assert billed() == ({"inner"}, {"outer": "inner"})
        assert [each.requests for each in counted().values()] == [1]
        assert tasks.once() == 0

    def test_stored_at_once_by_two_transactions_are_settled_by_the_task(self, monkeypatch):
        """Neither saw the other: as if each had looked before the other had committed."""
        monkeypatch.setattr(repeats, "told", lambda cursor, rows: [])
        put(told("outer", seconds=3))
        put(told("inner"))
        assert [each.requests for each in counted().values()] == [2]
        assert tasks.once() == 1
        assert billed() == ({"inner"}, {"outer": "inner"})
        assert [each.requests for each in counted().values()] == [1]

    def test_that_several_stores_settle_at_once_are_taken_back_once(self):
        put(told("outer", seconds=9))
        threads = [threading.Thread(target=put, args=(told(f"in{n}", seconds=n + 1),)) for n in range(4)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        tasks.once()
        assert billed()[0] == {"in0"}
        assert [each.requests for each in counted().values()] == [1]

    def test_repeat_whoever_is_billed_in_the_end(self):
        for name, seconds in (("a", 9), ("b", 8), ("c", 7)):
            put(told(name, seconds=seconds))
        assert billed() == ({"c"}, {"a": "c", "b": "c"})


class TestWhoIsBilled:
    """Of two spans of a call: whoever is somebody's, was measured, names a model, names a backend, and is the inner one."""

    @pytest.mark.parametrize(
        ("better", "worse"),
        [
            (told("x", tenant="acme", seconds=9, tokens=0), told("y", tenant="", seconds=1)),
            (told("x", tokens=1, seconds=9), told("y", tokens=0, seconds=1)),
            (told("x", seconds=9), told("y", model="", provider="", seconds=1)),
            (told("x", backend="gateway-1", seconds=9), told("y", backend="", seconds=1)),
            (told("x", seconds=1), told("y", seconds=2)),
            (told("x", at=NOW - timedelta(seconds=1), seconds=1), told("y", seconds=2)),
            (told("y"), told("x")),
        ],
    )
    def test_in_that_order(self, better, worse):
        put(worse)
        put(better)
        assert billed()[0] == {better.span_id.decode().strip()}

    @pytest.mark.parametrize(
        "other",
        [told("b", response="r2"), told("b", trace=OTHER_TRACE), told("b", response=None), told("b", tenant="globex")],
    )
    def test_what_is_not_one_call_is_two(self, other):
        put(told("a"), other)
        assert billed() == ({"a", "b"}, {})

    def test_no_tenant_can_take_back_what_another_is_billed(self):
        put(told("mine", seconds=5))
        with db.transaction() as session:
            from trivet.tenant.models import Tenant

            thief = db.named_ids(session, Tenant, ["thief"])["thief"]
        put(told("stolen", seconds=1), tenant_id=thief)
        tasks.once()
        assert billed() == ({"mine", "stolen"}, {})

    @pytest.mark.parametrize("order", [(0, 1), (1, 0)])
    @pytest.mark.parametrize("more", [{}, {"litellm.cache_hit": True}])
    def test_no_tenant_takes_back_what_the_platforms_gateway_says_of_it(self, client, make_key, order, more):
        """Its own span is the inner one, and tells of fewer tokens; a gateway without tokens leaves it to the tenant."""
        said = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "gen_ai.response.id": "r1"}
        whole = said | {"gen_ai.usage.input_tokens": 1000, "trivet.tenant": "acme"}
        of_gateway = span(whole, trace_id=TRACE, span_id=b"gateway_", seconds=3)
        of_tenant = span(said | {"gen_ai.usage.input_tokens": 1} | more, trace_id=TRACE, span_id=b"tenant__", seconds=2)
        sent = [(make_key(["ingest"]), of_gateway), (make_key(["ingest"], "acme"), of_tenant)]
        for index in order:
            key, each = sent[index]
            client.post("/v1/traces", content=body(each), headers=PROTOBUF | {"Authorization": f"Bearer {key}"})
        assert billed() == ({"gateway_"}, {"tenant__": "gateway_"})

    def test_many_tenants_in_one_trace_are_compared_in_no_time(self):
        rows = [Row(told(f"{n}"), n % 7_000, 1, 1, 1, 0) for n in range(50_000)]
        assert len(once.settle(rows)) == 50_000 - 6_999


class TestWhatDoesNotCount:
    def test_is_in_no_ledger_and_no_price(self):
        put(told("outer", seconds=3, provider="house", model="m", tokens=1_000_000))
        put(told("inner", provider="house", model="m", tokens=1_000_000))
        books.price("house", "m", input="1", output="1")
        with db.transaction() as session:
            assert reprice.price_batch(session) == 1
        rollup_tasks.fold()
        with db.transaction() as session:
            ledger.post_hour(session, NOW.replace(minute=0, second=0))
            lines = session.execute(text("SELECT sum(amount) FROM entry WHERE amount > 0")).scalar_one()
            unpriced = session.execute(text("SELECT sum(unpriced_requests)::int FROM rollup_1h")).scalar_one()
        assert (lines, unpriced) == (Decimal(1), 0)

    def test_a_call_priced_while_it_is_taken_back_is_taken_back_with_its_price_and_currency(self):
        put(told("outer", model="new", seconds=3))
        books.price("openai", "new", input="1", output="0")
        with db.transaction() as session:
            assert reprice.price_batch(session) == 1
            thread = threading.Thread(target=put, args=(told("inner", model="new", tokens=7),))
            thread.start()
            with db.engine().connect() as watch:
                waiting = text(
                    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
                )
                while watch.scalar(waiting) == 0:
                    watch.rollback()
        thread.join()
        sums = text("SELECT currency, sum(cost) FROM usage_delta GROUP BY currency ORDER BY currency")
        with db.transaction() as session:
            assert [tuple(row) for row in session.execute(sums)] == [("", 0), ("USD", Decimal(7).scaleb(-6))]

    def test_a_call_priced_late_and_then_repeated_is_taken_back_with_its_price(self):
        put(told("outer", seconds=3, provider="house", model="m", tokens=1_000_000))
        books.price("house", "m", input="1", output="1")
        tasks.price_unpriced()
        put(told("inner", provider="house", model="m", tokens=3))
        (found,) = counted().values()
        assert (found.requests, found.cost, found.unpriced_requests) == (1, Decimal("0.000003"), 0)


def oracle(facts):
    """Which spans count, worked out on all of them at once and in another way."""
    different = {fact.key: fact for fact in reversed(facts)}.values()

    def same_call(a, b):
        return (
            a is not b and a.response_id and (a.trace_id, a.response_id) == (b.trace_id, b.response_id)
            and (a.tenant == b.tenant or "" in (a.tenant, b.tenant))
        )  # fmt: skip

    def better(a, b):
        def say(f):
            return bool(f.tenant), f.input_tokens > 0, bool(f.model), f.start_us, -f.end_us, f.span_id

        return say(a) > say(b)

    return [a for a in different if not any(same_call(a, b) and better(b, a) for b in different)]


PLAIN = told("s")


def made(span, start, length, tokens, **more):
    return replace(
        PLAIN, span_id=span.encode().ljust(8), start_us=PLAIN.start_us + start, end_us=PLAIN.start_us + start + length,
        input_tokens=tokens, **more,
    )  # fmt: skip


families = st.lists(
    st.builds(
        made,
        st.sampled_from("abcdefgh"),
        st.integers(0, 3) | st.sampled_from([7_200_000_000]),
        st.integers(1, 2),
        st.sampled_from([0, 7, 11]),
        tenant=st.sampled_from(["", "acme", "globex"]),
        response_id=st.sampled_from(["r1", "r1", "r2", None]),
        trace_id=st.sampled_from([TRACE, OTHER_TRACE]),
        model=st.sampled_from(["gpt-4o", "gpt-4o-mini", ""]),
        outcome=st.sampled_from([0, 0, ERROR]),
    ),
    min_size=1,
    max_size=9,
    unique_by=lambda fact: fact.key,
)


class TestInWhateverOrder:
    @settings(
        max_examples=25,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(families, st.randoms(use_true_random=False), st.integers(1, 4), st.booleans())
    def test_the_same_spans_count_once_and_exactly(self, facts, rng, size, fold):
        with db.transaction() as session:
            session.execute(text("TRUNCATE request, usage_delta, rollup_10s, rollup_1m, rollup_1h, once_seen"))
        sent = [*facts, *rng.sample(facts, rng.randrange(len(facts) + 1))]  # some are sent again
        rng.shuffle(sent)
        while sent:
            group, sent = sent[:size], sent[size:]
            cut = rng.randrange(len(group) + 1)
            store_all([Batch(group[:cut], key_id=1), Batch(group[cut:], key_id=2)], NOW)
            if fold:
                rollup_tasks.fold()
        tasks.once()
        expected = oracle(facts)
        with db.transaction() as session:
            cost = session.execute(text("SELECT coalesce(sum(cost_picos), 0) FROM request WHERE repeats IS NULL")).scalar_one()  # fmt: skip
        found = counted(())[()]
        assert found.requests == len(expected)
        assert found.input_tokens == sum(fact.input_tokens for fact in expected)
        assert found.errors == sum(fact.outcome == ERROR for fact in expected)
        assert found.cost == cost * Decimal("1e-12")
        before = counted(DIMENSIONS)
        rebuild(DAY)
        assert counted(DIMENSIONS) == before


def test_the_task_looks_again_only_at_what_is_new():
    put(told("a"))
    assert tasks.once() == 0
    assert persist.settle_received() == (0, False)
    with db.transaction() as session:
        seen = session.execute(text("SELECT received_until FROM once_seen")).scalar_one()
        newest = session.execute(text("SELECT max(received_at) FROM request")).scalar_one()
    assert newest < seen
