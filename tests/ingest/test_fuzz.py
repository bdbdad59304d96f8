"""The decoders against anything: what the official parser reads they read the same, and nothing brings them down.

The mutations are seeded; a failure prints the seed, and TRIVET_FUZZ_SEED repeats it.
"""

import os
import random
import sys
import time
import tracemalloc
from contextlib import suppress
from pathlib import Path

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from tests.support.mutate import mutated

from trivet.ingest.decode import memo as memos
from trivet.ingest.decode.memo import Memo, value_of
from trivet.ingest.decode.spans import spans_of_protobuf
from trivet.ingest.decode.spans_json import spans_of_json
from trivet.ingest.decode.wanted import Wanted, wanted_of
from trivet.ingest.dialect.table import NAMES
from trivet.ingest.dialect.vocabulary import places_of
from trivet.ingest.errors import Malformed, TooManyItems
from trivet.ingest.line.wire import check_elements, fields_of
from trivet.ingest.request.normalise import Rules, normalise_all

DATA = Path(__file__).parent.parent / "data" / "otlp"
RULES = Rules(("trivet.tenant", "tenant.id"), ("trivet.scenario", "service.name"), hash_key=b"a key")
CAPTURED_NS = 1_795_240_400 * 10**9
FUZZ_S = 2.0  # for each decoder
KEYS = sorted({name.key for names in NAMES.values() for name in names} | {"trivet.tenant", "nobody.wants", ""})

scalars = st.one_of(
    st.text(max_size=12),
    st.sampled_from(["chat", "openai", "True", '["stop"]', "33", "x" * 300, "\0"]),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.integers(0, 5_000),
    st.floats(),
    st.binary(max_size=6),
)
values = st.none() | scalars | st.lists(scalars, max_size=3)
attributes = st.lists(st.tuples(st.sampled_from(KEYS), values), max_size=12)


def key_value(key, value) -> KeyValue:
    made = KeyValue(key=key)
    put(made.value, value)
    return made


def put(target, value):
    if isinstance(value, list):
        target.array_value.SetInParent()
        for item in value:
            put(target.array_value.values.add(), item)
    elif value is not None:
        field = {str: "string_value", bool: "bool_value", int: "int_value", float: "double_value", bytes: "bytes_value"}
        setattr(target, field[type(value)], value)


def by_the_official_parser(memo, raw):
    pair = KeyValue.FromString(raw)
    return memo.say(pair.key, value_of(pair.value))


def same(one, other):
    return repr(one) == repr(other)  # NaN is no other NaN


class TestAnAttribute:
    @settings(max_examples=400)
    @given(st.sampled_from(KEYS), values)
    def test_says_what_the_official_parser_reads(self, key, value):
        memo = Memo(wanted_of(RULES.tenant_attributes, RULES.scenario_attributes).span.places)
        raw = key_value(key, value).SerializeToString()
        assert same(memo[raw], by_the_official_parser(memo, raw))
        assert same(memo[raw], by_the_official_parser(memo, raw)), "remembered"

    @settings(max_examples=300)
    @given(st.sampled_from(KEYS), values, st.randoms(use_true_random=False))
    def test_says_the_same_or_is_malformed_also_when_its_bytes_are_odd(self, key, value, rng):
        """Fields twice, in another order, unknown ones between, lengths cut."""
        memo = Memo(wanted_of(RULES.tenant_attributes, RULES.scenario_attributes).span.places)
        raw = mutated(key_value(key, value).SerializeToString(), rng)
        try:
            official = by_the_official_parser(memo, raw)
        except DecodeError:
            official = Malformed
        try:
            ours = memo[raw]
        except Malformed:
            ours = Malformed
        # what nobody wants is not looked into, so there the official parser may find fault where we find nothing
        assert same(ours, official) or (ours is None and official is Malformed)

    @pytest.mark.parametrize("key", ["gen_ai.request.model", "gen_ai.response.id"])
    def test_that_is_no_utf_8_is_malformed_where_it_is_wanted(self, key):
        raw = key_value(key, "abc").SerializeToString().replace(b"abc", b"a\xffc")
        with pytest.raises(DecodeError):
            KeyValue.FromString(raw)
        with pytest.raises(Malformed):
            RULES.wanted.span[raw]
        unwanted = key_value("nobody.wants", "abc").SerializeToString().replace(b"abc", b"a\xffc")
        assert RULES.wanted.span[unwanted] is None


class TestWhatIsRemembered:
    def test_is_bounded_in_number_and_size(self, monkeypatch):
        monkeypatch.setattr(memos, "KEPT_MAX", 100)
        memo = Memo(places_of({}))
        for i in range(1_000):
            memo[key_value("gen_ai.request.model", f"m{i}").SerializeToString()]
            memo[key_value("gen_ai.request.model", "m" * 1_000 + f"{i}").SerializeToString()]
            memo[key_value(f"nobody.wants.{i}", i).SerializeToString()]
            assert len(memo) <= 100
        assert max(map(len, memo)) <= memos.KEPT_BYTES

    @pytest.mark.parametrize(
        "key", ["gen_ai.response.id", "gen_ai.conversation.id", "gen_ai.response.time_to_first_chunk"]
    )
    def test_is_nothing_that_differs_from_span_to_span(self, key):
        memo = Memo(places_of({}))
        memo[key_value(key, "abc").SerializeToString()]
        memo[key_value("gen_ai.usage.input_tokens", 1_000_000).SerializeToString()]
        assert not memo
        memo[key_value("gen_ai.usage.input_tokens", 1_000).SerializeToString()]
        assert len(memo) == 1


class TestAnExport:
    @settings(max_examples=60)
    @given(attributes, st.lists(attributes, max_size=3))
    def test_gives_the_facts_that_the_official_parser_gives(self, of_resource, of_spans):
        export = ExportTraceServiceRequest()
        group = export.resource_spans.add()
        group.resource.attributes.extend(key_value(*pair) for pair in of_resource)
        for number, pairs in enumerate(of_spans):
            span = group.scope_spans.add().spans.add(
                trace_id=b"t" * 16,
                span_id=bytes([number + 1]) * 8,
                start_time_unix_nano=CAPTURED_NS - 10**9,
                end_time_unix_nano=CAPTURED_NS,
            )
            span.attributes.extend(key_value(*pair) for pair in pairs)
        spans = spans_of_protobuf(export.SerializeToString(), RULES.wanted, 10)
        for span, pairs in zip(spans, of_spans, strict=True):
            assert same(span.said, said_by_the_official_parser(of_resource, pairs))


def said_by_the_official_parser(of_resource, of_span):
    from trivet.ingest.dialect.vocabulary import nothing_said

    ranked = nothing_said()
    for memo, pairs in ((RULES.wanted.resource, of_resource), (RULES.wanted.span, of_span)):
        for pair in pairs:
            ranked.add(by_the_official_parser(memo, key_value(*pair).SerializeToString()))
    return ranked.said


class TestMutations:
    """Of what real instrumentations sent, for a bounded time."""

    @pytest.mark.parametrize(("decode", "suffix"), [(spans_of_protobuf, "pb"), (spans_of_json, "json")])
    def test_bring_out_typed_errors_and_nothing_else(self, decode, suffix):
        seed = int(os.environ.get("TRIVET_FUZZ_SEED") or random.SystemRandom().getrandbits(32))
        sys.stderr.write(f"TRIVET_FUZZ_SEED={seed}\n")
        rng = random.Random(seed)
        bodies = [
            p.read_bytes()
            for p in sorted(DATA.glob(f"*.{suffix}"))
            if "-metrics" not in p.name and "-logs" not in p.name
        ]
        fields = fields_of(ExportTraceServiceRequest.DESCRIPTOR)
        wanted = wanted_of(RULES.tenant_attributes, RULES.scenario_attributes)
        until, tried, read = time.monotonic() + FUZZ_S, 0, 0
        while time.monotonic() < until or not tried:
            body = mutated(rng.choice(bodies), rng)
            tried += 1
            try:
                if suffix == "pb":
                    check_elements(body, fields, 1_000_000)
                found = normalise_all(decode(body, wanted, 1_000), RULES, CAPTURED_NS)
            except (Malformed, TooManyItems):
                continue
            read += 1
            assert all(type(reason) is str for reason in found.refusals)
        assert read
        assert max(len(wanted.span), len(wanted.resource)) <= memos.KEPT_MAX

    def test_leave_nothing_behind_but_what_is_remembered(self):
        """A sender of rubbish fills no memory: what stays after 2,000 bodies is within the bound."""
        rng = random.Random(7)
        bodies = [p.read_bytes() for p in sorted(DATA.glob("litellm-*.pb"))]
        wanted = Wanted(Memo(RULES.wanted.span.places), Memo(RULES.wanted.resource.places), frozenset())
        tracemalloc.start()
        try:
            for _ in range(2_000):
                with suppress(Malformed, TooManyItems):
                    normalise_all(
                        spans_of_protobuf(mutated(rng.choice(bodies), rng), wanted, 1_000), RULES, CAPTURED_NS
                    )
            kept, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert kept < (len(wanted.span) + len(wanted.resource) + 1_000) * 1_000
        assert peak < 64 << 20
