"""Whatever way the same spans come in, the same is counted: split, reordered, sent again.

Hypothesis prints the failing example and the seed (`--hypothesis-seed`) of a failure.
"""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from tests.support.calls import call

from trivet import db
from trivet.ingest.decode.spans import spans_of_protobuf
from trivet.ingest.decode.spans_json import spans_of_json
from trivet.ingest.errors import Malformed
from trivet.ingest.request.normalise import Rules, normalise_all
from trivet.ingest.request.tokens import disjoint
from trivet.ingest.store import deltas
from trivet.ingest.store.persist import store
from trivet.ingest.store.row import Cost, Row
from trivet.kit import histogram
from trivet.kit.money import from_picos

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
QUICK = settings(max_examples=60)
WITH_DATABASE = settings(
    max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
PLAIN = call(NOW, trace_id=b"t" * 16)
tokens = st.integers(0, 5_000)


def fact(end_us, duration_us, **given_fields):
    return replace(PLAIN, start_us=end_us - duration_us, end_us=end_us, **given_fields)


facts = st.builds(
    fact,
    st.integers(PLAIN.end_us, PLAIN.end_us + 30_000_000),
    st.integers(0, 20_000_000),
    span_id=st.binary(min_size=8, max_size=8),
    ttft_us=st.none() | st.integers(0, 500_000),
    tenant=st.sampled_from(["acme", "globex", ""]),
    model=st.sampled_from(["gpt-4o", "gpt-4o-mini", "nobody-knows"]),
    level=st.integers(0, 3),
    outcome=st.integers(0, 4),
    input_tokens=tokens,
    output_tokens=tokens,
    cache_read_tokens=tokens,
)
batches = st.lists(facts, min_size=1, max_size=12, unique_by=lambda made: made.key)
rows = st.builds(
    lambda fact, picos: Row(fact, 1, 1, 1, 1, 0, cost=Cost() if picos is None else Cost(picos, 1, "USD")),
    facts,
    st.none() | st.integers(0, 10**15),
)


def merged(delta_rows):
    """Sum of delta rows by bucket and dimensions, histograms in their canonical form."""
    total = {}
    width = 1 + len(deltas.DIMENSIONS)
    for row in delta_rows:
        key, counts = row[:width], row[width : width + len(deltas.COUNTS)]
        histograms = row[width + len(deltas.COUNTS) :]
        before = total.get(key)
        if before is not None:
            counts = tuple(a + b for a, b in zip(before[0], counts, strict=True))
            histograms = tuple(a + b for a, b in zip(before[1], histograms, strict=True))
        total[key] = (counts, tuple(histogram.compact(h) for h in histograms))
    return total


class TestDeltas:
    @QUICK
    @given(st.lists(rows, max_size=30), st.integers(1, 7), st.randoms(use_true_random=False))
    def test_of_parts_add_up_to_those_of_the_whole_in_any_order(self, given_rows, size, rng):
        shuffled = list(given_rows)
        rng.shuffle(shuffled)
        parts = [shuffled[i : i + size] for i in range(0, len(shuffled), size)]
        assert merged(d for part in parts for d in deltas.deltas_of(part)) == merged(deltas.deltas_of(given_rows))

    @QUICK
    @given(st.lists(rows, max_size=30))
    def test_hold_every_request_token_and_pico(self, given_rows):
        made = [dict(zip(deltas.COLUMNS, row, strict=True)) for row in deltas.deltas_of(given_rows)]
        assert sum(d["requests"] for d in made) == len(given_rows)
        assert sum(d["input_tokens"] for d in made) == sum(r.fact.input_tokens for r in given_rows)
        assert sum(d["cost"] for d in made) == from_picos(sum(r.cost.picos or 0 for r in given_rows))
        assert sum(d["unpriced_requests"] for d in made) == sum(r.cost.picos is None for r in given_rows)


class TestTokens:
    @QUICK
    @given(st.tuples(tokens, tokens, tokens, tokens, tokens))
    def test_are_never_negative_and_never_more_than_was_told(self, told):
        made = disjoint(*told)
        assert min(made) >= 0
        assert sum(made) <= sum(told)
        assert made[2:] == told[2:]


class TestDecoding:
    @QUICK
    @given(st.binary(max_size=300))
    def test_of_any_bytes_gives_spans_or_says_malformed(self, body):
        for decode in (spans_of_protobuf, spans_of_json):
            try:
                spans = decode(body, Rules().wanted, 100)
            except Malformed:
                continue
            normalise_all(spans, Rules(), 0)

    JSON = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
            ["resourceSpans", "scopeSpans", "spans", "resource", "attributes", "key", "value", "stringValue", "intValue",
             "doubleValue", "arrayValue", "values", "traceId", "startTimeUnixNano", "events", "name", "status", "code"]
        ), inner, max_size=4),
        max_leaves=25,
    )  # fmt: skip

    @QUICK
    @given(JSON)
    def test_of_any_json_gives_spans_or_says_malformed(self, content):
        import json

        try:
            spans = spans_of_json(json.dumps(content).encode(), Rules().wanted, 100)
        except Malformed:
            return
        normalise_all(spans, Rules(), 0)


@pytest.mark.usefixtures("database")
class TestTheDatabase:
    @WITH_DATABASE
    @given(batches, st.integers(1, 5), st.randoms(use_true_random=False))
    def test_counts_the_same_whole_split_reordered_or_sent_again(self, batch, size, rng):
        clear()
        put(batch)
        once = counted()
        clear()
        shuffled = batch * 2
        rng.shuffle(shuffled)
        for i in range(0, len(shuffled), size):
            put(shuffled[i : i + size])
        put(batch)
        assert counted() == once


def put(batch):
    store(batch, [], tenant_id=None, key_id=0, now=NOW)


def clear():
    with db.transaction() as session:
        session.execute(text("TRUNCATE request, usage_delta, policy_seen"))


def counted():
    names = ", ".join(deltas.COLUMNS)
    with db.transaction() as session:
        found = session.execute(text(f"SELECT {names} FROM usage_delta")).all()
        stored = session.execute(text("SELECT span_id, cost_picos, input_tokens FROM request ORDER BY 1, 2, 3")).all()
    return merged(map(tuple, found)), stored
