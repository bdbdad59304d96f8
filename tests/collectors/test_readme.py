"""The examples in the README, run as they stand against a real server."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openfeature import api
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from tests.collectors.ofrep_server import KEY, OfrepServer, document, eventually

import trivet_collectors

README = Path(trivet_collectors.__file__).with_name("README.md").read_text()
SPANS = InMemorySpanExporter()


class Busy(Exception):
    def __init__(self, message: str, retry_after_s: int) -> None:
        super().__init__(message, retry_after_s)


class Model:
    """Answers with what it was asked."""

    def chat(self, turns: list[str], max_tokens: int | None) -> Any:
        return turns, max_tokens


@pytest.fixture
def example(server: OfrepServer, tmp_path: Path) -> Iterator[dict[str, Any]]:
    """The names that the README's Python blocks leave behind when run one after the other."""
    acme = {"flags": {"admission": "reject", "admission.message": "back at nine", "admission.retry_after_s": 60}}
    server.document = document(generation=3, level=1, flags={"context.max_turns": 2}, tenants={"acme": acme})
    tracing = TracerProvider(shutdown_on_exit=False)
    tracing.add_span_processor(SimpleSpanProcessor(SPANS))
    names = {"Busy": Busy, "model": Model(), "tracer": tracing.get_tracer("app")}
    code = "\n".join(re.findall(r"```python\n(.*?)```", README, re.DOTALL))
    for said, here in {
        "https://trivet.example": server.url,
        "tvt_...": KEY,
        "/var/lib/app/policy.json": str(tmp_path / "p"),
    }.items():
        assert said in code
        code = code.replace(said, here)
    exec(compile(code, "README.md", "exec"), names)
    yield names
    names["policy_client"].stop()
    api.shutdown()
    api.clear_providers()


class TestTheReadme:
    def test_shows_a_backend_that_obeys_and_says_so(self, example: dict[str, Any]) -> None:
        SPANS.clear()
        assert example["answer"]("zeta", ["one", "two", "three"]) == (["two", "three"], None)
        (span,) = SPANS.get_finished_spans()
        assert dict(span.attributes or {}) == {
            "trivet.policy.revision": 2,
            "trivet.policy.generation": 3,
            "trivet.degrade.level": 1,
        }

    def test_shows_a_backend_that_turns_a_tenant_away_with_a_word(self, example: dict[str, Any]) -> None:
        with pytest.raises(Busy) as refused:
            example["answer"]("acme", ["one"])
        message, retry_after_s = refused.value.args
        assert message == "back at nine" and 45 <= retry_after_s <= 75

    def test_shows_a_backend_without_limits_when_nothing_is_wrong(
        self, example: dict[str, Any], server: OfrepServer
    ) -> None:
        server.document = document(generation=4)
        eventually(lambda: example["answer"]("zeta", ["one", "two", "three"]) == (["one", "two", "three"], None))

    def test_shows_an_openfeature_client(self, example: dict[str, Any]) -> None:
        assert example["max_tokens"] == 0
        assert example["flags"].get_string_value("admission", "admit", example["context"]) == "reject"

    def test_is_short(self) -> None:
        assert len(README.splitlines()) < 80
