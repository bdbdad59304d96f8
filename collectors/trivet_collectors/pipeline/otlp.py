"""Readings out as OTLP metrics over HTTP, with the OpenTelemetry SDK.

What is sent is what was read in this round: a reading that is absent sends no data point, and nothing is repeated.
"""

import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricExportResult, MetricReader, MetricsData
from opentelemetry.sdk.resources import Resource

from trivet_collectors.pipeline.reading import Reading
from trivet_collectors.semconv import Metric

log = logging.getLogger("trivet.collector")

EXPORT_TIMEOUT_MAX_S: Final = 10.0
TIMEOUT_VARIABLES: Final = ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT")
ENDPOINT_VARIABLES: Final = ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


def exporter(endpoint: str | None, api_key: str | None, interval_s: float) -> OTLPMetricExporter:
    """Sends to `endpoint`/v1/metrics. What is None comes from OTEL_EXPORTER_OTLP_*, whose headers are sent in any case."""
    timed_by_environment = any(os.environ.get(name) for name in TIMEOUT_VARIABLES)
    return OTLPMetricExporter(
        endpoint=f"{endpoint.rstrip('/')}/v1/metrics" if endpoint else None,
        headers={"Authorization": f"Bearer {api_key}"} if api_key else None,
        # With its retries an export ends within a round; the next round's values are worth more than this one's.
        timeout=None if timed_by_environment else min(EXPORT_TIMEOUT_MAX_S, max(2.0, interval_s)),
    )


class Pipeline:
    """Sends rounds of readings of `metrics` under one resource. Says when delivery breaks and when it works again."""

    def __init__(self, metrics: Iterable[Metric], resource: Mapping[str, str], exporter: OTLPMetricExporter) -> None:
        self._round: Sequence[Reading] = ()
        self._failing = False
        self._complaint = _LastComplaint()
        self._reader = _RoundReader(exporter)
        self._provider = MeterProvider(
            metric_readers=[self._reader], resource=Resource.create(dict(resource)), shutdown_on_exit=False
        )
        meter = self._provider.get_meter("trivet_collectors")
        create: dict[str, Callable[..., Any]] = {
            "gauge": meter.create_observable_gauge,
            "counter": meter.create_observable_counter,
            "updowncounter": meter.create_observable_up_down_counter,
        }
        for metric in metrics:
            create[metric.kind](metric.name, [self._observe(metric)], unit=metric.unit, description=metric.meaning)

    def send(self, readings: Sequence[Reading]) -> bool:
        """One export of these readings. True when the server took them; no readings, no export."""
        if not readings:
            return False
        self._round = readings
        self._reader.delivered = False
        self._reader.collect()
        self._say(self._reader.delivered)
        return self._reader.delivered

    def close(self) -> None:
        self._round = ()
        self._provider.shutdown()
        self._complaint.close()

    def _observe(self, metric: Metric) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def observe(_: CallbackOptions) -> Iterable[Observation]:
            return [Observation(r.value, dict(r.attributes)) for r in self._round if r.metric is metric]

        return observe

    def _say(self, delivered: bool) -> None:
        if delivered and self._failing:
            log.warning("delivery works again")
        if not delivered and not self._failing:
            log.warning("delivery failed, readings are lost until it works again: %s", self._complaint.text)
        self._failing = not delivered


class _RoundReader(MetricReader):
    """Exports when told to and keeps the result, which the SDK's periodic reader does not."""

    def __init__(self, exporter: OTLPMetricExporter) -> None:
        super().__init__(
            preferred_temporality=exporter._preferred_temporality,
            preferred_aggregation=exporter._preferred_aggregation,
        )
        self._exporter = exporter
        self.delivered = False

    def _receive_metrics(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **_: Any) -> None:
        result = self._exporter.export(metrics_data, timeout_millis=timeout_millis)
        self.delivered = result is MetricExportResult.SUCCESS

    def shutdown(self, timeout_millis: float = 30_000, **_: Any) -> None:
        self._exporter.shutdown(timeout_millis=timeout_millis)


class _LastComplaint(logging.Handler):
    """The SDK reports why an export failed only to its log, once per try: the last is kept, the rest is noise."""

    def __init__(self) -> None:
        super().__init__(level=logging.WARNING)
        self.text = "no reason given"
        self._logger = logging.getLogger("opentelemetry")
        self._propagated = self._logger.propagate
        self._logger.propagate = False
        self._logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self.text = record.getMessage()

    def close(self) -> None:
        self._logger.removeHandler(self)
        self._logger.propagate = self._propagated
        super().close()
