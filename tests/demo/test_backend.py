"""The simulated backend over HTTP: OpenAI's protocol, the GenAI conventions, and obedience."""

import itertools
import json
import os
import subprocess
import sys
import time

import httpx
import pytest
from tests.demo.fake_trivet import KEY, attributes

from trivet.demo import backend
from trivet.demo.backend import BackendOptions

CALLER = {"x-trivet-tenant": "acme", "x-trivet-scenario": "support-chat", "x-trivet-conversation": "c-1"}


def body(words=50, output=40, **more):
    return {
        "model": "demo-large",
        "messages": [{"role": "user", "content": "word " * words}],
        "max_tokens": output,
        **more,
    }


def post(client, content, **headers):
    return client.post("/v1/chat/completions", json=content, headers={**CALLER, **headers})


def events(response):
    return [line.removeprefix("data: ") for line in response.text.splitlines() if line]


def only(spans):
    wait_for(spans.get_finished_spans)
    (span,) = spans.get_finished_spans()
    return span


def wait_for(met, limit_s=30.0):
    deadline = time.monotonic() + limit_s
    while not met():
        assert time.monotonic() < deadline, "not met in time"
        time.sleep(0.02)


class TestAnswers:
    def test_a_whole_answer_has_the_words_and_the_usage(self, http):
        answer = post(http, body(words=50, output=40)).json()
        (choice,) = answer["choices"]
        assert answer["object"] == "chat.completion"
        assert len(choice["message"]["content"].split()) == 40
        assert choice["finish_reason"] == "stop"
        assert answer["usage"]["prompt_tokens"] == 50
        assert answer["usage"]["completion_tokens"] == 40
        assert answer["usage"]["total_tokens"] == 90

    def test_a_stream_says_the_same_in_pieces(self, http):
        response = post(http, body(output=150, stream=True, stream_options={"include_usage": True}))
        assert response.headers["content-type"].startswith("text/event-stream")
        *chunks, done = events(response)
        chunks = [json.loads(chunk) for chunk in chunks]
        assert done == "[DONE]"
        said = "".join(c["choices"][0]["delta"].get("content", "") for c in chunks if c["choices"])
        assert len(said.split()) == 150
        assert len(chunks) > 4
        assert chunks[-1]["usage"]["completion_tokens"] == 150
        assert chunks[-1]["choices"] == []
        assert [c["choices"][0]["finish_reason"] for c in chunks[:-1]] == [None] * (len(chunks) - 2) + ["stop"]

    def test_a_stream_that_ends_between_two_looks_at_the_clock_still_says_every_word(self, serving, http, monkeypatch):
        """Each look moves the clock by a third of a token, so that no loop can look twice at the same instant."""
        monkeypatch.setattr(backend, "CHUNK_S", 0)
        looks = itertools.count()
        serving.clock = lambda: next(looks) / 1200
        for output in range(20, 50):
            *chunks, _ = events(post(http, body(words=1, output=output, stream=True)))
            said = [choice["delta"].get("content", "") for c in chunks for choice in json.loads(c)["choices"]]
            assert len("".join(said).split()) == output

    def test_without_the_wish_a_stream_has_no_usage(self, http):
        assert '"usage"' not in post(http, body(stream=True)).text

    def test_it_takes_the_time_the_model_would(self, http):
        began = time.monotonic()
        post(http, body(words=1200, output=120))
        assert time.monotonic() - began >= 0.4

    def test_reasoning_is_counted_and_not_said(self, http):
        answer = post(http, body(output=40, reasoning_effort="medium")).json()
        assert answer["usage"]["completion_tokens_details"] == {"reasoning_tokens": 16}
        assert len(answer["choices"][0]["message"]["content"].split()) == 24

    def test_a_conversations_next_turn_is_read_from_the_cache(self, http):
        post(http, body(words=50))
        usage = post(http, body(words=80)).json()["usage"]
        assert usage["prompt_tokens_details"] == {"cached_tokens": 48}

    def test_content_parts_are_words_too(self, http):
        content = body()
        content["messages"] = [{"role": "user", "content": [{"type": "text", "text": "a b c"}, {"type": "image_url"}]}]
        assert post(http, content).json()["usage"]["prompt_tokens"] == 3

    def test_it_says_that_it_is_simulated(self, http):
        assert "No model runs here" in http.get("/v1/models").json()["simulated"]
        assert "No model runs here" in post(http, body()).headers["x-trivet-simulated"]
        assert post(http, body()).json()["system_fingerprint"] == "simulated"
        assert "No model runs here" in http.get("/healthz").json()["simulated"]

    def test_models_are_listed(self, http):
        assert [model["id"] for model in http.get("/v1/models").json()["data"]] == ["demo-large", "demo-small"]

    @pytest.mark.parametrize(
        ("wrong", "named"),
        [({"messages": []}, "messages"), ({"max_tokens": 0}, "max_tokens"), ({"max_tokens": 10**9}, "max_tokens")],
    )
    def test_a_bad_request_is_named_in_openais_shape(self, http, wrong, named):
        response = post(http, body() | wrong)
        assert response.status_code == 400
        assert response.json()["error"]["message"].startswith(named)


class TestSpans:
    def test_a_call_is_one_span_by_the_conventions(self, http, spans):
        post(http, body(words=50, output=40))
        span = only(spans)
        assert span.name == "chat demo-large"
        assert dict(span.attributes) == {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "trivet-demo",
            "gen_ai.request.model": "demo-large",
            "gen_ai.response.model": "demo-large",
            "gen_ai.response.id": span.attributes["gen_ai.response.id"],
            "gen_ai.response.finish_reasons": ("stop",),
            "gen_ai.conversation.id": "c-1",
            "gen_ai.request.max_tokens": 40,
            "gen_ai.usage.input_tokens": 50,
            "gen_ai.usage.output_tokens": 40,
            "gen_ai.usage.cache_read.input_tokens": 0,
            "trivet.backend": "demo-1",
            "trivet.tenant": "acme",
            "trivet.scenario": "support-chat",
            "trivet.policy.revision": 0,
            "trivet.policy.generation": 0,
            "trivet.degrade.level": 0,
            "trivet.outcome": "ok",
        }
        assert (span.end_time - span.start_time) / 1e9 == pytest.approx(0.104, abs=0.1)

    def test_a_stream_says_so_and_when_its_first_token_came(self, http, spans):
        post(http, body(words=1200, output=40, stream=True))
        span = only(spans)
        assert span.attributes["gen_ai.request.stream"] is True
        assert span.attributes["gen_ai.response.time_to_first_chunk"] == pytest.approx(0.1025, abs=0.001)

    def test_reasoning_tokens_are_told(self, http, spans):
        post(http, body(output=40, reasoning_effort="medium"))
        assert only(spans).attributes["gen_ai.usage.reasoning.output_tokens"] == 16

    def test_a_self_hosted_model_names_its_pool(self, http, spans):
        post(http, body(model="demo-small"))
        assert only(spans).attributes["trivet.pool"] == "demo-pool"

    def test_a_caller_who_leaves_has_paid_for_what_was_written(self, http, spans):
        with http.stream("POST", "/v1/chat/completions", json=body(output=4000, stream=True)) as response:
            next(response.iter_lines())
        span = only(spans)
        assert span.attributes["trivet.outcome"] == "error"
        assert span.attributes["error.type"] == "client_disconnected"
        assert 0 < span.attributes["gen_ai.usage.output_tokens"] < 2000


class TestTimeLimits:
    def test_a_whole_answer_that_takes_too_long_is_a_504(self, http, spans):
        response = post(http, body(words=12, output=1000), **{"x-trivet-scenario": "hasty"})
        assert response.status_code == 504
        assert response.json()["error"]["code"] == "timeout"
        span = only(spans)
        assert span.attributes["trivet.outcome"] == span.attributes["error.type"] == "timeout"
        assert span.attributes["gen_ai.usage.output_tokens"] == 59  # 0.149 s of 400 a second

    def test_a_stream_that_takes_too_long_ends_with_the_error(self, http, spans):
        response = post(http, body(words=12, output=1000, stream=True), **{"x-trivet-scenario": "hasty"})
        assert json.loads(events(response)[-1])["error"]["code"] == "timeout"
        assert only(spans).attributes["trivet.outcome"] == "timeout"

    def test_a_stream_that_never_began_is_a_504(self, http):
        response = post(http, body(words=12_000, stream=True), **{"x-trivet-scenario": "hasty"})
        assert response.status_code == 504


class TestObedience:
    def test_output_and_context_are_cut_and_the_span_says_under_what(self, http, spans, serving):
        serving.policies.flags["support-chat"] = {
            "degrade.level": 2,
            "policy.revision": 3,
            "policy.generation": 9,
            "output.max_tokens": 10,
            "context.max_tokens": 20,
            "model.route": "small",
        }
        answer = post(http, body()).json()
        assert answer["model"] == "demo-small"
        assert answer["usage"]["prompt_tokens"] == 20
        assert answer["usage"]["completion_tokens"] == 10
        assert answer["choices"][0]["finish_reason"] == "length"
        told = only(spans).attributes
        assert told["gen_ai.request.model"] == "demo-large"
        assert told["gen_ai.response.model"] == "demo-small"
        assert (told["trivet.degrade.level"], told["trivet.policy.revision"], told["trivet.policy.generation"]) == (
            2,
            3,
            9,
        )

    def test_only_the_last_turns_are_read(self, http, serving):
        serving.policies.flags["support-chat"] = {"context.max_turns": 2}
        turns = [
            {"role": role, "content": "word " * 10} for role in ("system", "user", "assistant", "user", "assistant")
        ]
        content = body() | {"messages": [*turns, {"role": "user", "content": "a b"}]}
        assert post(http, content).json()["usage"]["prompt_tokens"] == 22

    def test_who_is_rejected_is_told_why_and_when_to_come_back(self, http, spans, serving):
        serving.policies.flags[("support-chat", "acme")] = {
            "admission": "reject",
            "admission.message": "acme is cut off.",
            "admission.retry_after_s": 60,
        }
        response = post(http, body())
        assert response.status_code == 429
        assert response.headers["retry-after"] == "60"
        assert response.json()["error"]["message"] == "acme is cut off."
        assert only(spans).attributes["trivet.outcome"] == "rejected"
        assert post(http, body(), **{"x-trivet-tenant": "globex"}).status_code == 200

    def test_a_rate_limit_lets_the_first_in(self, http, serving):
        serving.policies.flags["support-chat"] = {"admission": "limit", "admission.limit_rps": 1.0}
        assert [post(http, body(output=1)).status_code for _ in range(2)] == [200, 429]


class TestTheProcess:
    """The real thing: its own process, the real policy client, OTLP over the wire."""

    @pytest.fixture
    def start(self, trivet, free_port, tmp_path):
        options = BackendOptions(trivet.url, KEY, tmp_path / "policy.json", port=free_port)
        url = f"http://127.0.0.1:{free_port}"
        running = []

        def start():
            process = subprocess.Popen(
                [sys.executable, "-m", "trivet.demo.backend"], env={**os.environ, **options.to_environment()}
            )
            running.append(process)
            wait_for(lambda: answers(url), 20)
            return process, url

        yield start
        for process in running:
            process.terminate()
            process.wait(10)

    def test_it_obeys_reports_and_keeps_its_policy_over_a_restart(self, trivet, start):
        trivet.says("support-chat", generation=4, revision=2, level=1, **{"output.max_tokens": 10})
        process, url = start()
        with httpx.Client(base_url=url) as client:
            assert post(client, body()).json()["usage"]["completion_tokens"] == 10
            trivet.says("support-chat", generation=5, revision=2, level=2, **{"output.max_tokens": 5})
            wait_for(lambda: post(client, body()).json()["usage"]["completion_tokens"] == 5)
        wait_for(lambda: any(attributes(span)["trivet.policy.generation"] == 5 for span in trivet.spans))
        assert attributes(trivet.spans[0])["trivet.policy.generation"] == 4

        process.terminate()
        process.wait(10)
        trivet.document = {**trivet.document, "backend": "not-this-one"}  # so that nothing new is taken
        _, url = start()
        with httpx.Client(base_url=url) as client:
            assert post(client, body()).headers["x-trivet-degrade-level"] == "2"

    def test_a_call_that_hangs_is_told_before_it_ends(self, trivet, start):
        _, url = start()
        with httpx.Client(base_url=url) as client:
            assert client.post("/simulate/stall", params={"seconds": 2.5}).json()["stalled_s"] == 2.5
            began = time.monotonic()
            assert post(client, body(output=1)).status_code == 200
            assert time.monotonic() - began >= 2.4
        told = [attributes(event) for event in trivet.events]
        assert {(t["trivet.scenario"], t["trivet.tenant"], t["trivet.backend"]) for t in told} == {
            ("support-chat", "acme", "demo-1")
        }
        wait_for(lambda: trivet.spans)
        assert {event.span_id for event in trivet.events} == {trivet.spans[0].span_id}

    def test_spans_in_hand_are_sent_before_the_end(self, trivet, start):
        process, url = start()
        with httpx.Client(base_url=url) as client:
            for _ in range(5):
                post(client, body(output=1))
        process.terminate()
        process.wait(10)
        assert process.returncode == 0
        assert len(trivet.spans) == 5


def answers(url):
    try:
        return httpx.get(url + "/healthz").status_code == 200
    except httpx.HTTPError:
        return False
