"""One span a call, by the GenAI conventions of today, sent to Trivet over OTLP/HTTP by the OpenTelemetry SDK."""

from collections.abc import Mapping
from dataclasses import dataclass

from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer

from trivet.demo.engine import Served
from trivet_collectors import semconv
from trivet_collectors.policy.client import attributes_of
from trivet_collectors.policy.evaluate import FlagValue

PROVIDER = "trivet-demo"
SCHEDULE_DELAY_MS = 250  # a backend that is watched should not sit on its spans
QUEUE_SPANS = 8_192
BATCH_SPANS = 512

Attributes = dict[str, str | bool | int | float | list[str]]


@dataclass(frozen=True)
class Caller:
    """Who a call is for."""

    tenant: str
    scenario: str
    conversation: str


def otlp_exporter(endpoint: str, api_key: str) -> OTLPSpanExporter:
    return OTLPSpanExporter(
        endpoint=endpoint.rstrip("/") + "/v1/traces",
        headers={"Authorization": f"Bearer {api_key}"},
        compression=Compression.Gzip,
        timeout=30,  # over a restart of Trivet; its queue is long enough for that
    )


def resource_of(backend: str) -> dict[str, str]:
    """What the process says of itself beside each span, event and metric."""
    return {"service.name": "trivet-demo-backend", "service.instance.id": backend}


def tracer_provider(exporter: SpanExporter, backend: str) -> TracerProvider:
    """A provider of this process's own, not the global one: tests run several."""
    provider = TracerProvider(resource=Resource.create(dict(resource_of(backend))))
    provider.add_span_processor(
        BatchSpanProcessor(
            exporter,
            max_queue_size=QUEUE_SPANS,
            schedule_delay_millis=SCHEDULE_DELAY_MS,
            max_export_batch_size=BATCH_SPANS,
        )
    )
    return provider


def begin(
    tracer: Tracer,
    backend: str,
    caller: Caller,
    model: str,
    *,
    stream: bool,
    max_tokens: int | None,
    flags: Mapping[str, FlagValue],
) -> Span:
    """The span of a call that has just come in: what was asked, for whom, and under which policy."""
    attributes: Attributes = {
        semconv.GEN_AI_OPERATION_NAME: "chat",
        semconv.GEN_AI_PROVIDER_NAME: PROVIDER,
        semconv.GEN_AI_REQUEST_MODEL: model,
        semconv.TRIVET_BACKEND: backend,
        semconv.TRIVET_TENANT: caller.tenant,
        semconv.TRIVET_SCENARIO: caller.scenario,
        **attributes_of(flags),
    }
    if stream:
        attributes[semconv.GEN_AI_REQUEST_STREAM] = True
    if caller.conversation:
        attributes[semconv.GEN_AI_CONVERSATION_ID] = caller.conversation
    if max_tokens:
        attributes[semconv.GEN_AI_REQUEST_MAX_TOKENS] = max_tokens
    # INTERNAL would be right for a model in the process; the simulated model stands for one behind the wire.
    return tracer.start_span(
        f"chat {model}", kind=SpanKind.CLIENT, attributes={k: v for k, v in attributes.items() if v != ""}
    )


def end_served(span: Span, served: Served, response_id: str, output_tokens: int, *, stream: bool, gone: bool) -> None:
    """Ends the span of a call that was let in. `gone`: the caller left before the end; what was written is still paid."""
    outcome = semconv.OUTCOME_ERROR if gone else served.outcome
    attributes: Attributes = {
        semconv.GEN_AI_RESPONSE_MODEL: served.model.name,
        semconv.GEN_AI_RESPONSE_ID: response_id,
        semconv.GEN_AI_RESPONSE_FINISH_REASONS: ["error" if gone else served.finish_reason],
        semconv.GEN_AI_USAGE_INPUT_TOKENS: served.input_tokens,
        semconv.GEN_AI_USAGE_OUTPUT_TOKENS: output_tokens,
        semconv.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS: served.cache_read_tokens,
        semconv.TRIVET_OUTCOME: outcome,
    }
    if served.reasoning_tokens:
        attributes[semconv.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS] = min(output_tokens, served.reasoning_tokens)
    if stream and output_tokens:
        attributes[semconv.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK] = served.first_token_at_s - served.arrived_at_s
    if served.model.pool:
        attributes[semconv.TRIVET_POOL] = served.model.pool
    _end(span, attributes, outcome, "client_disconnected" if gone else "timeout")


def end_rejected(span: Span, reason: str) -> None:
    """Ends the span of a call that was not let in: no tokens, and why."""
    attributes: Attributes = {
        semconv.TRIVET_OUTCOME: semconv.OUTCOME_REJECTED,
        semconv.GEN_AI_USAGE_INPUT_TOKENS: 0,
        semconv.GEN_AI_USAGE_OUTPUT_TOKENS: 0,
    }
    _end(span, attributes, semconv.OUTCOME_REJECTED, reason)


def _end(span: Span, attributes: Attributes, outcome: str, error_type: str) -> None:
    span.set_attributes(attributes)
    if outcome != semconv.OUTCOME_OK:
        span.set_attribute(semconv.ERROR_TYPE, error_type)
        span.set_status(Status(StatusCode.ERROR, error_type))
    span.end()
