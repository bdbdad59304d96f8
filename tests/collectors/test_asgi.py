"""The middleware around a real Starlette app, with a policy client that holds a real document."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.applications import Starlette
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from trivet_collectors.asgi import Obeying, annotate, current
from trivet_collectors.policy.client import PolicyClient

DOCUMENT = {
    "backend": "app-1",
    "valid_until": (datetime.now(UTC) + timedelta(days=1)).isoformat(),
    "scenarios": {
        "chat": {
            "generation": 7, "revision": 3, "level": 1, "flags": {"output.max_tokens": 64},
            "audiences": [{"tiers": ["free"], "tenants": [], "flags": {"admission": "limit", "admission.limit_rps": 1.0}}],
            "tenants": {"loud": {"level": 1, "flags": {
                "admission": "reject", "admission.message": "Cut off.", "admission.retry_after_s": 100,
            }}},
        },
    },
}  # fmt: skip
spans = InMemorySpanExporter()
tracing = TracerProvider()
tracing.add_span_processor(SimpleSpanProcessor(spans))


async def answer(request):
    with tracing.get_tracer("test").start_as_current_span("chat") as span:
        annotate(span)
    governed = current()
    assert request.scope["state"]["trivet"] is governed
    return JSONResponse({"max_tokens": governed.flags["output.max_tokens"], "tenant": governed.tenant})


async def echo(request):
    return StreamingResponse(request.stream())


async def talk(socket):
    await socket.accept()
    await socket.send_json({"tenant": current().tenant})
    await socket.close()


async def health(_request):
    return JSONResponse({"governed": current() is not None})


@pytest.fixture
def policy(tmp_path):
    client = PolicyClient("http://127.0.0.1:1", "tvt_x", "app-1", tmp_path / "policy.json")
    client._store.hold(DOCUMENT, "tag")
    return client


@pytest.fixture
def browser(policy):
    spans.clear()
    app = Starlette(
        routes=[
            Route("/", answer), Route("/echo", echo, methods=["POST"]), Route("/health", health), WebSocketRoute("/talk", talk),
        ]
    )  # fmt: skip
    made = Obeying(app, policy, default_scenario="chat", governs=lambda scope: scope["path"] != "/health")
    with TestClient(made) as browser:
        yield browser


class TestARequest:
    def test_runs_under_its_policy_and_says_so_on_its_span(self, browser):
        assert browser.get("/", headers={"X-Trivet-Tenant": "acme"}).json() == {"max_tokens": 64, "tenant": "acme"}
        (span,) = spans.get_finished_spans()
        assert dict(span.attributes) == {
            "trivet.tenant": "acme", "trivet.scenario": "chat", "trivet.backend": "app-1", "trivet.policy.revision": 3,
            "trivet.policy.generation": 7, "trivet.degrade.level": 1,
        }  # fmt: skip

    def test_is_turned_away_with_a_problem_and_a_time_to_come_back(self, browser):
        refused = browser.get("/", headers={"X-Trivet-Tenant": "loud"})
        assert (refused.status_code, refused.headers["content-type"]) == (429, "application/problem+json")
        assert 75 <= int(refused.headers["retry-after"]) <= 125  # each conversation hears its own
        said = refused.json()
        assert (said["type"], said["status"], said["detail"]) == (
            "urn:trivet:problem:admission-rejected", 429, "Cut off.",
        )  # fmt: skip
        assert current() is None

    def test_of_a_tier_is_let_in_at_its_rate(self, browser):
        statuses = [browser.get("/", headers={"X-Trivet-Tier": "free"}).status_code for _ in range(2)]
        assert statuses == [200, 429]
        assert browser.get("/").status_code == 200

    def test_that_is_no_call_passes(self, browser):
        answered = browser.get("/health", headers={"X-Trivet-Tenant": "loud"})
        assert (answered.status_code, answered.json()) == (200, {"governed": False})

    def test_over_a_websocket_is_governed_too(self, browser):
        with browser.websocket_connect("/talk", headers={"X-Trivet-Tenant": "acme"}) as socket:
            assert socket.receive_json() == {"tenant": "acme"}
        with (
            pytest.raises(WebSocketDisconnect) as closed,
            browser.websocket_connect("/talk", headers={"X-Trivet-Tenant": "loud"}),
        ):
            pass
        assert closed.value.code == 1013

    def test_is_named_by_what_authenticated_it(self, policy):
        async def app(scope, receive, send):
            await JSONResponse({"tenant": current().tenant})(scope, receive, send)

        def signed_in(scope):
            return "acme"

        browser = TestClient(Obeying(app, policy, default_scenario="chat", tenant=signed_in))
        assert browser.get("/", headers={"X-Trivet-Tenant": "loud"}).json() == {"tenant": "acme"}

    def test_is_named_by_a_number_too(self, policy):
        async def app(scope, receive, send):
            await JSONResponse({"tenant": current().tenant})(scope, receive, send)

        browser = TestClient(Obeying(app, policy, default_scenario="chat", tenant=lambda _scope: 42))
        assert browser.get("/").json() == {"tenant": "42"}

    def test_over_a_websocket_is_told_no_more_than_fits(self, policy):
        """A reason longer than a close frame takes would be a fault of ours."""
        scenario = DOCUMENT["scenarios"]["chat"]
        flags = {"admission": "reject", "admission.message": "für später " * 20}
        policy._store.hold(DOCUMENT | {"scenarios": {"chat": scenario | {"flags": flags}}}, "tag")
        sent = []

        async def receive():
            return {"type": "websocket.connect"}

        async def send(message):
            sent.append(message)

        asyncio.run(Obeying(None, policy, default_scenario="chat")({"type": "websocket"}, receive, send))
        assert 120 <= len(sent[0]["reason"].encode()) <= 123

    def test_has_its_body_passed_on_as_it_comes(self, policy):
        """The app hears the first part before the second is there: nothing is gathered."""
        heard = []

        async def app(_scope, receive, _send):
            heard.append(await receive())

        parts = [{"type": "http.request", "body": b"one", "more_body": True}]

        async def receive():
            return parts.pop(0)

        async def send(_message):
            raise AssertionError("nothing is answered")

        asyncio.run(Obeying(app, policy)({"type": "http", "path": "/", "headers": []}, receive, send))
        assert heard == [{"type": "http.request", "body": b"one", "more_body": True}]
