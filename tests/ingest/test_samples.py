"""What real instrumentations send, and the requests that are in it. Where the files come from: NOTICE."""

from pathlib import Path

import pytest
from tests.support.otlp import JSON, PROTOBUF, as_json

from trivet import db
from trivet.ingest.decode.spans import spans_of_protobuf
from trivet.ingest.decode.spans_json import spans_of_json
from trivet.ingest.models import OUTCOMES
from trivet.ingest.request.fact import CAUSES
from trivet.ingest.request.normalise import Rules, normalise_all
from trivet.settings import Settings, get_settings

DATA = Path(__file__).parent.parent / "data" / "otlp"
CAPTURED_NS = 1_795_240_400 * 10**9  # the files were captured in the minutes before this

ACME = "acme@checkout-assistant"
LITELLM = "@litellm"  # its spans carry no tenant at default settings
GPT = "openai/gpt-4o-mini-2024-07-18"
EMBEDDING = "openai/text-embedding-3-small"

# file: (who, model, outcome, streamed, finish reason, output limit, input, output, cache_read, cache_write, reasoning);
# None: a file without a request in it, such as the other half of a call that came in two exports.
EXPECTED = {
    "official-chat": (ACME, GPT, "ok", False, "stop", 128, 33, 15, 0, 0, 0),
    "official-stream": (ACME, GPT, "ok", False, None, 128, 33, 15, 0, 0, 0),
    "official-stream-nousage": (ACME, GPT, "ok", False, None, 128, 0, 0, 0, 0, 0),
    "official-error": (ACME, "openai/fail-429", "error", False, None, 128, 0, 0, 0, 0, 0),
    "official-embeddings": (ACME, EMBEDDING, "ok", False, None, None, 14, 0, 0, 0, 0),
    "official-latest-chat": (ACME, GPT, "ok", False, "stop", 128, 33, 15, 0, 0, 0),
    "official-latest-stream": (ACME, GPT, "ok", False, None, 128, 33, 15, 0, 0, 0),
    "official-latest-error": (ACME, "openai/fail-429", "error", False, None, 128, 0, 0, 0, 0, 0),
    "traceloop-chat": (ACME, GPT, "ok", False, "stop", 128, 17, 11, 16, 0, 4),
    "traceloop-stream": (ACME, GPT, "ok", True, "stop", 128, 17, 15, 16, 0, 0),
    "traceloop-error": (ACME, "openai/fail-429", "error", False, None, 128, 0, 0, 0, 0, 0),
    "traceloop-embeddings": (ACME, EMBEDDING, "ok", False, None, None, 14, 0, 0, 0, 0),
    "openinference-chat": (ACME, GPT, "ok", False, "stop", 128, 17, 11, 16, 0, 4),
    "openinference-stream": (ACME, GPT, "ok", True, "stop", 128, 17, 11, 16, 0, 4),
    "openinference-error": (ACME, "openai/fail-429", "error", False, None, 128, 0, 0, 0, 0, 0),
    "openinference-embeddings": (ACME, EMBEDDING, "ok", False, None, None, 14, 0, 0, 0, 0),
    "openlit-chat": (ACME, GPT, "ok", False, "stop", 128, 17, 15, 16, 0, 0),
    "openlit-error": (ACME, "openai/fail-429", "error", False, None, None, 0, 0, 0, 0, 0),
    "openlit-embeddings": (ACME, EMBEDDING, "ok", False, None, None, 14, 0, 0, 0, 0),
    "litellm-chat": None,
    "litellm-chat-2": (LITELLM, "openai/gpt-4o", "ok", False, "stop", None, 10, 20, 0, 0, 0),
    "litellm-stream": None,
    "litellm-stream-2": (LITELLM, "openai/gpt-4o", "ok", True, "stop", None, 26, 5, 0, 0, 0),
    "litellm-upstream": None,
    "litellm-upstream-2": (LITELLM, "openai/gpt-4o-mini", "ok", False, "stop", None, 17, 11, 16, 0, 4),
    "litellm-degraded": (LITELLM, "openai/gpt-4o-mini", "ok", False, "stop", None, 10, 20, 0, 0, 0),
    "litellm-error": (LITELLM, "openai/gpt-4o", "error", False, None, None, 0, 0, 0, 0, 0),
    "litellm-v2-chat": None,
    "litellm-v2-chat-2": (LITELLM, "openai/gpt-4o", "ok", False, "stop", None, 10, 20, 0, 0, 0),
    "litellm-v2-stream": None,
    "litellm-v2-upstream": None,
    "litellm-v2-upstream-2": (LITELLM, "openai/gpt-4o-mini", "ok", False, "stop", None, 17, 15, 16, 0, 0),
    "litellm-v2-error": (LITELLM, "openai/gpt-4o", "error", False, None, None, 0, 0, 0, 0, 0),
}

SNAPSHOT = "2024-07-18"
PROMPT_HIT = [("prompt", True)]
# What else the requests of these files say: (version of the model, why it failed, why it has no price, looks into caches).
ELSE = {
    "official-chat": (SNAPSHOT, "", "", []),
    "official-stream": (SNAPSHOT, "", "", []),
    "official-stream-nousage": (SNAPSHOT, "", "no_tokens", []),
    "official-error": ("", "rate_limit", "", []),
    "official-embeddings": ("", "", "", []),
    "official-latest-chat": (SNAPSHOT, "", "", []),
    "official-latest-stream": (SNAPSHOT, "", "", []),
    "official-latest-error": ("", "rate_limit", "", []),
    "traceloop-chat": (SNAPSHOT, "", "", PROMPT_HIT),
    "traceloop-stream": (SNAPSHOT, "", "", PROMPT_HIT),
    "traceloop-error": ("", "rate_limit", "", []),
    "traceloop-embeddings": ("", "", "", []),  # says 0 cached tokens, of a call that has no prompt cache
    "openinference-chat": (SNAPSHOT, "", "", PROMPT_HIT),
    "openinference-stream": (SNAPSHOT, "", "", PROMPT_HIT),
    "openinference-error": ("", "rate_limit", "", []),
    "openinference-embeddings": ("", "", "", []),
    "openlit-chat": (SNAPSHOT, "", "", PROMPT_HIT),
    "openlit-error": ("", "rate_limit", "", []),
    "openlit-embeddings": ("", "", "", []),
    "litellm-chat-2": ("", "", "", []),
    "litellm-stream-2": ("", "", "", []),
    "litellm-upstream-2": ("", "", "", PROMPT_HIT),
    "litellm-degraded": ("", "", "", []),
    "litellm-error": ("", "rate_limit", "", []),
    "litellm-v2-chat-2": ("", "", "", []),
    "litellm-v2-upstream-2": ("", "", "", PROMPT_HIT),
    "litellm-v2-error": ("", "rate_limit", "", []),
}


def rules() -> Rules:
    settings = get_settings()
    return Rules(settings.tenant_attributes, settings.scenario_attributes, hash_key=b"a key")


def requests_in(spans):
    found = normalise_all(spans, rules(), CAPTURED_NS)
    assert found.refusals == []
    return found.requests


def described(fact):
    return (
        f"{fact.tenant}@{fact.scenario}",
        f"{fact.provider}/{fact.model}",
        OUTCOMES[fact.outcome],
        fact.streamed,
        fact.finish_reason,
        fact.output_limit,
        fact.input_tokens,
        fact.output_tokens,
        fact.cache_read_tokens,
        fact.cache_write_tokens,
        fact.reasoning_tokens,
    )


class TestEveryExporter:
    def test_every_file_is_expected(self):
        traces = (p.stem for p in DATA.glob("*.pb") if not p.stem.endswith(("-metrics", "-logs")))
        assert sorted(EXPECTED) == sorted(traces)
        assert sorted(ELSE) == sorted(name for name, request in EXPECTED.items() if request)

    @pytest.mark.parametrize("name", EXPECTED)
    def test_gives_the_right_requests_from_protobuf(self, name):
        found = requests_in(spans_of_protobuf((DATA / f"{name}.pb").read_bytes(), rules().wanted, 1000))
        assert [described(fact) for fact in found] == ([EXPECTED[name]] if EXPECTED[name] else [])

    @pytest.mark.parametrize("name", ELSE)
    def test_gives_version_cause_shape_and_lookups(self, name):
        [fact] = requests_in(spans_of_protobuf((DATA / f"{name}.pb").read_bytes(), rules().wanted, 1000))
        lookups = [(lookup.kind, lookup.hit) for lookup in fact.lookups]
        assert (fact.version, CAUSES[fact.cause], fact.shape, lookups) == ELSE[name]
        assert (fact.region, fact.cold_start_us) == ("", None)

    @pytest.mark.parametrize("name", EXPECTED)
    def test_gives_the_same_from_json_with_enum_names(self, name):
        from_json = spans_of_json((DATA / f"{name}.json").read_bytes(), rules().wanted, 1000)
        from_protobuf = spans_of_protobuf((DATA / f"{name}.pb").read_bytes(), rules().wanted, 1000)
        assert from_json == from_protobuf
        assert requests_in(from_json) == requests_in(from_protobuf)

    @pytest.mark.parametrize("name", ["traceloop-stream", "openinference-stream"])
    def test_gives_time_to_first_token_where_an_event_tells_it(self, name):
        [fact] = requests_in(spans_of_protobuf((DATA / f"{name}.pb").read_bytes(), rules().wanted, 1000))
        duration_us = fact.end_us - fact.start_us
        assert 0 < fact.ttft_us < duration_us
        output = fact.output_tokens + fact.reasoning_tokens
        assert fact.inter_token_us == (duration_us - fact.ttft_us) // (output - 1)

    def test_one_litellm_call_is_one_request_though_it_is_twelve_spans_in_two_exports(self):
        spans = [
            span
            for name in ("litellm-upstream", "litellm-upstream-2")
            for span in spans_of_protobuf((DATA / f"{name}.pb").read_bytes(), rules().wanted, 1000)
        ]
        assert len(spans) == 12
        assert len(requests_in(spans)) == 1

    def test_the_prompt_itself_is_not_in_what_is_kept(self):
        for path in DATA.glob("*.pb"):
            if "metrics" in path.name or "logs" in path.name:
                continue
            for fact in requests_in(spans_of_protobuf(path.read_bytes(), rules().wanted, 1000)):
                assert "budget of this tenant" not in repr(fact)


class TestThroughTheEndpoint:
    @pytest.fixture
    def then(self, monkeypatch, database):
        """Captured spans grow older: however old they are by now, they may come in."""
        monkeypatch.setenv("TRIVET_LATE_LIMIT_DAYS", "36500")
        for name in Settings.model_fields:
            if name.startswith("retention_days_"):
                monkeypatch.setenv(f"TRIVET_{name.upper()}", "0")
        get_settings.cache_clear()
        db.forget_rows()

    def test_all_files_in_every_encoding_are_27_requests(self, then, sender, key):
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        for name in EXPECTED:
            raw = (DATA / f"{name}.pb").read_bytes()
            with_names = (DATA / f"{name}.json").read_bytes()
            true_json = as_json(ExportTraceServiceRequest.FromString(raw))
            assert sender.post("/v1/traces", content=raw, headers=key | PROTOBUF).status_code == 200
            for content in (with_names, true_json):
                answer = sender.post("/v1/traces", content=content, headers=key | JSON)
                assert (answer.status_code, answer.json()) == (200, {})
        with db.transaction() as session:
            total = session.connection().exec_driver_sql(
                "SELECT count(*), sum(input_tokens), sum(output_tokens), sum(cache_read_tokens), sum(reasoning_tokens) "
                "FROM request"
            )
            added = session.connection().exec_driver_sql(
                "SELECT sum(requests), sum(input_tokens), sum(output_tokens), sum(cache_read_tokens), "
                "sum(reasoning_tokens) FROM usage_delta"
            )
            expected = [row for row in EXPECTED.values() if row]
            sums = (len(expected), *(sum(row[i] for row in expected) for i in (6, 7, 8, 10)))
            assert len(expected) == 27
            assert tuple(total.one()) == sums
            assert tuple(added.one()) == sums
