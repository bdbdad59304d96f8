"""Made-up exports for measuring: LLM calls with some 20 attributes each, as an instrumented backend would send them."""

import random
import time

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

TENANTS, SCENARIOS, BACKENDS = ("acme", "globex", "initech"), ("chat", "search", "report"), ("gw-1", "gw-2")
MODELS = ("gpt-4o-mini-2024-07-18", "gpt-4o-2024-08-06")


def export(spans: int, batch: int) -> bytes:
    """The body of one export, as one gateway sends it every few seconds; `batch` seeds it, so no two share a span."""
    rng = random.Random(batch)
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    _set(resource.resource, {"service.name": "gateway", "service.instance.id": f"i-{batch % 7}"})
    scope = resource.scope_spans.add()
    now_ns = time.time_ns()
    for _ in range(spans):
        _fill(scope.spans.add(), rng, now_ns, BACKENDS[batch % len(BACKENDS)])
    body: bytes = request.SerializeToString()
    return body


def _fill(span: Span, rng: random.Random, now_ns: int, backend: str) -> None:
    duration_ns = rng.randrange(200_000_000, 4_000_000_000)
    span.trace_id, span.span_id, span.parent_span_id = rng.randbytes(16), rng.randbytes(8), rng.randbytes(8)
    span.name, span.kind = "chat", Span.SPAN_KIND_CLIENT
    span.end_time_unix_nano = now_ns - rng.randrange(5_000_000_000)
    span.start_time_unix_nano = span.end_time_unix_nano - duration_ns
    model, scenario = rng.choice(MODELS), rng.choice(SCENARIOS)
    _set(
        span,
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": model.rsplit("-", 3)[0],
            "gen_ai.request.max_tokens": 512,
            "gen_ai.request.temperature": 0.2,
            "gen_ai.request.stream": True,
            "gen_ai.response.model": model,
            "gen_ai.response.id": f"chatcmpl-{rng.getrandbits(64):016x}",
            "gen_ai.response.time_to_first_chunk": duration_ns / 4e9,
            "gen_ai.usage.input_tokens": rng.randrange(200, 4_000),
            "gen_ai.usage.output_tokens": rng.randrange(20, 600),
            "gen_ai.usage.cache_read.input_tokens": rng.randrange(0, 200),
            "gen_ai.conversation.id": f"conv-{rng.randrange(10_000)}",
            "server.address": "10.0.0.7",
            "server.port": 8443,
            "trivet.tenant": rng.choice(TENANTS),
            "trivet.scenario": scenario,
            "trivet.backend": backend,
            "trivet.policy.revision": 1,
            "trivet.policy.generation": 7,
            "trivet.degrade.level": SCENARIOS.index(scenario),
        },
    )
    span.attributes.add(key="gen_ai.response.finish_reasons").value.array_value.values.add(string_value="stop")


def _set(holder: object, values: dict[str, str | int | float | bool]) -> None:
    for key, value in values.items():
        field = {str: "string_value", bool: "bool_value", int: "int_value", float: "double_value"}[type(value)]
        setattr(holder.attributes.add(key=key).value, field, value)  # type: ignore[attr-defined]  # spans and resources
