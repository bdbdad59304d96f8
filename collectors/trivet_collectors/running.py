"""Tells Trivet which calls of a serving backend still run, so that a slow one is seen before it ends and silence can be
told from a stall.

A span processor of the OpenTelemetry SDK: it follows the live GenAI spans of the process. Once a second it sends, over
OTLP, one log event for each that is older than a second, and every few seconds how many run, wait and were let in. It never
blocks a call, holds nothing for later, and has a limit on everything.
"""

import logging
import os
import threading
import time
import uuid
import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from opentelemetry._logs import LogRecord
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.trace import Span as ApiSpan

from trivet_collectors import semconv as sc

log = logging.getLogger("trivet.running")

CALLS_MAX: Final = 10_000  # followed at once; more are not told
TOLD_MAX: Final = 2_000  # told in one round, the oldest first
SERIES_MAX: Final = 1_000  # of scenario, backend and model
EXPORT_TIMEOUT_S: Final = 2.0  # what could not be told in its round is told anew in the next, never late
OPERATIONS: Final = frozenset({"chat", "text_completion", "generate_content", "completion", "embeddings"})
# Of a span, what its event repeats: who and what the call is, and the policy it runs under.
REPEATED: Final = (
    sc.GEN_AI_OPERATION_NAME, sc.GEN_AI_PROVIDER_NAME, sc.GEN_AI_REQUEST_MODEL, sc.GEN_AI_REQUEST_STREAM, sc.TRIVET_TENANT,
    sc.TRIVET_SCENARIO, sc.TRIVET_BACKEND, sc.TRIVET_POLICY_REVISION, sc.TRIVET_DEGRADE_LEVEL,
)  # fmt: skip
SERIES: Final = (sc.TRIVET_SCENARIO, sc.TRIVET_BACKEND, sc.GEN_AI_REQUEST_MODEL)

Series = tuple[str, ...]


@dataclass(slots=True)
class _Call:
    span: Span
    series: Series
    waiting: bool = False
    answering: bool = False
    admitted: bool = False


class RunningCalls(SpanProcessor):
    """Follows calls from their start to their end. Make it with `tell`, or with an exporter and a metric reader of yours.

    `is_call` says of a span that has just started whether it is a call; the default asks `gen_ai.operation.name`.
    """

    def __init__(
        self,
        exporter: LogRecordExporter,
        reader: MetricReader | None = None,
        resource: Resource | None = None,
        *,
        every_s: float = 1.0,
        older_than_s: float = 1.0,
        is_call: Callable[[ReadableSpan], bool] | None = None,
    ) -> None:
        self._exporter = exporter
        self._resource = resource or Resource.create()
        self._every_s = every_s
        self._older_than_ns = round(older_than_s * 1e9)
        self._is_call = is_call or _is_genai
        self._stop = threading.Event()
        self._begin()
        _afresh_after_fork(self)
        self._provider = _meter(self, reader, self._resource) if reader else None
        self.left_out = 0  # calls that were not followed, for want of room

    def _begin(self) -> None:
        """Begin as a process of its own. After a fork the parent's calls are the parent's to tell, and its threads are gone.

        Processes that count the same calls alike must be told apart, or Trivet takes their counts for one that jumps.
        """
        self.instance = str(uuid.uuid4())
        self._calls: dict[int, _Call] = {}
        self._admitted: Counter[Series] = Counter()
        self._lock = threading.Lock()
        self._teller: threading.Thread | None = None

    # --- what the SDK calls ---
    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        del parent_context
        if not self._is_call(span) or span.context is None:
            return
        attributes = span.attributes or {}
        series = tuple(str(attributes.get(name, "")) for name in SERIES)
        with self._lock:
            if len(self._calls) >= CALLS_MAX:
                self.left_out += 1
                return
            self._calls[span.context.span_id] = _Call(span, series)
        self._be_telling()

    def on_end(self, span: ReadableSpan) -> None:
        if span.context is None:
            return
        with self._lock:
            call = self._calls.pop(span.context.span_id, None)
            if call and (span.attributes or {}).get(sc.TRIVET_OUTCOME) != sc.OUTCOME_REJECTED:
                self._admit(call)

    def shutdown(self) -> None:
        if self._stop.is_set():
            return
        self._stop.set()
        if self._teller is not None:
            self._teller.join(EXPORT_TIMEOUT_S + 1)
        if self._provider is not None:
            self._provider.shutdown()
        self._exporter.shutdown()  # type: ignore[no-untyped-call]  # the SDK's base class has no types there

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        del timeout_millis
        return True  # nothing is held

    # --- what a backend may say of a call; all of it is optional ---
    def queued(self, span: ApiSpan) -> None:
        """The call waits for its turn."""
        self._mark(span, waiting=True)

    def begun(self, span: ApiSpan) -> None:
        """Its turn has come."""
        self._mark(span, waiting=False)

    def answering(self, span: ApiSpan) -> None:
        """Its first token is out."""
        self._mark(span, waiting=False, answering=True)

    def _mark(self, span: ApiSpan, **now: bool) -> None:
        with self._lock:
            call = self._calls.get(span.get_span_context().span_id)
            for name, value in now.items() if call else ():
                setattr(call, name, value)

    # --- telling ---
    def events(self, now_ns: int) -> list[ReadableLogRecord]:
        """One event for each call that is old enough at `now_ns`, the oldest first."""
        with self._lock:
            old = [c for c in self._calls.values() if now_ns - (c.span.start_time or now_ns) >= self._older_than_ns]
            for call in old:
                self._admit(call)
            old = sorted(old, key=lambda call: call.span.start_time or 0)[:TOLD_MAX]
            return [ReadableLogRecord(_event(call, now_ns), self._resource) for call in old]

    def observe(self) -> tuple[Counter[Series], Counter[Series], Counter[Series]]:
        """How many run, wait, and have been let in since the start, by scenario, backend and model."""
        with self._lock:
            running, waiting = Counter(dict.fromkeys(self._admitted, 0)), Counter(dict.fromkeys(self._admitted, 0))
            for call in self._calls.values():
                (waiting if call.waiting else running)[call.series] += 1
            return running, waiting, Counter(self._admitted)

    def _admit(self, call: _Call) -> None:
        if call.admitted:
            return
        call.admitted = True
        if call.series in self._admitted or len(self._admitted) < SERIES_MAX:
            self._admitted[call.series] += 1

    def _be_telling(self) -> None:
        """A thread of this process, from its first call on."""
        if self._teller is not None:
            return
        with self._lock:
            if self._teller is None:
                self._teller = threading.Thread(target=self._tell, name="trivet-running", daemon=True)
                self._teller.start()

    def _tell(self) -> None:
        while not self._stop.wait(self._every_s):
            try:
                found = self.events(time.time_ns())
                if found:
                    self._exporter.export(found)
            except Exception:  # watching must never end what it watches
                log.exception("running calls could not be told")


def _afresh_after_fork(calls: RunningCalls) -> None:
    begin = weakref.WeakMethod(calls._begin)

    def after() -> None:
        alive = begin()
        if alive is not None:
            alive()

    if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
        os.register_at_fork(after_in_child=after)


def tell(
    endpoint: str, api_key: str, resource: Mapping[str, str] | None = None, *, metrics_every_s: float = 5.0
) -> RunningCalls:
    """A processor that tells Trivet at `endpoint`, with a key of scope `ingest`. Give it to `TracerProvider.add_span_processor`."""
    options: dict[str, Any] = {
        "headers": {"Authorization": f"Bearer {api_key}"}, "compression": Compression.Gzip, "timeout": EXPORT_TIMEOUT_S,
    }  # fmt: skip
    url = endpoint.rstrip("/")
    reader = PeriodicExportingMetricReader(
        OTLPMetricExporter(endpoint=f"{url}/v1/metrics", **options), export_interval_millis=metrics_every_s * 1000
    )
    return RunningCalls(
        OTLPLogExporter(endpoint=f"{url}/v1/logs", **options), reader, Resource.create(dict(resource or {}))
    )


def _is_genai(span: ReadableSpan) -> bool:
    return (span.attributes or {}).get(sc.GEN_AI_OPERATION_NAME) in OPERATIONS


def _event(call: _Call, now_ns: int) -> LogRecord:
    span, attributes = call.span, call.span.attributes or {}
    said: dict[str, Any] = {name: attributes[name] for name in REPEATED if name in attributes}
    said[sc.TRIVET_REQUEST_START] = span.start_time
    said[sc.TRIVET_REQUEST_ANSWERING] = call.answering
    assert span.context is not None
    record = LogRecord(timestamp=now_ns, observed_timestamp=now_ns, attributes=said, event_name=sc.EVENT_RUNNING)
    record.trace_id, record.span_id = span.context.trace_id, span.context.span_id
    return record


def _meter(calls: RunningCalls, reader: MetricReader, resource: Resource) -> MeterProvider:
    provider = MeterProvider(metric_readers=[reader], resource=resource, shutdown_on_exit=False)
    meter = provider.get_meter("trivet_collectors.running")
    metrics: Sequence[tuple[sc.Metric, int]] = (
        (sc.TRIVET_REQUESTS_RUNNING, 0), (sc.TRIVET_REQUESTS_WAITING, 1), (sc.TRIVET_REQUESTS_ADMITTED, 2),
    )  # fmt: skip
    for metric, which in metrics:
        create = meter.create_observable_counter if metric.kind == "counter" else meter.create_observable_gauge
        create(metric.name, [_observing(calls, which)], unit=metric.unit, description=metric.meaning)
    return provider


def _observing(calls: RunningCalls, which: int) -> Callable[[CallbackOptions], Iterable[Observation]]:
    def observe(_: CallbackOptions) -> Iterable[Observation]:
        found = list(calls.observe()[which].items())[:SERIES_MAX]
        own = {sc.SERVICE_INSTANCE_ID: calls.instance}
        return [Observation(n, own | {k: v for k, v in zip(SERIES, series, strict=True) if v}) for series, n in found]

    return observe
