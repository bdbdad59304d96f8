"""The callback with all it needs, once a process."""

import atexit
import functools
from dataclasses import replace

from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from trivet_collectors import running
from trivet_collectors.litellm import proxy
from trivet_collectors.litellm.handler import Trivet
from trivet_collectors.litellm.settings import Settings, settings_of
from trivet_collectors.policy.client import PolicyClient
from trivet_collectors.policy.reserver import Reserver

SCHEDULE_MS = 250
QUEUE_SPANS, BATCH_SPANS = 16_384, 512


@functools.cache
def started() -> Trivet:
    """Follows the policy, tells running calls and sends spans from here on. ConfigError where it cannot know to whom."""
    own = settings_of()
    own = replace(own, shapes=replace(own.shapes, serves=proxy.serves))
    policy = PolicyClient(own.endpoint, own.api_key, own.backend, own.state_path, own.poll_interval_s)
    policy.start()
    reserver = None
    if own.reserve:
        reserver = Reserver(own.endpoint, own.api_key, unreachable=own.unreachable, timeout_s=own.reserve_timeout_s)
        reserver.start()
    provider = _provider(own)
    made = Trivet(own, policy, provider.get_tracer("trivet_collectors.litellm"), reserver)
    atexit.register(_stop, made, provider)
    return made


def _provider(own: Settings) -> TracerProvider:
    """Of our own, so that what else the proxy exports is neither doubled nor disturbed."""
    said = {"service.name": "litellm"}
    provider = TracerProvider(resource=Resource.create(dict(said)), shutdown_on_exit=False)
    exporter = OTLPSpanExporter(
        endpoint=own.endpoint.rstrip("/") + "/v1/traces",
        headers={"Authorization": f"Bearer {own.api_key}"},
        compression=Compression.Gzip,
        timeout=30,
    )
    spans = BatchSpanProcessor(exporter, QUEUE_SPANS, SCHEDULE_MS, BATCH_SPANS)
    provider.add_span_processor(spans)
    provider.add_span_processor(running.tell(own.endpoint, own.api_key, said))
    return provider


def _stop(made: Trivet, provider: TracerProvider) -> None:
    made.calls.end_all()
    made.policy.stop()
    if made.reserver is not None:
        made.reserver.stop()
    provider.shutdown()
