"""An OTLP/HTTP metrics receiver on loopback that takes apart what arrives."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue


@dataclass(frozen=True)
class Point:
    """One data point with the metric it belongs to."""

    metric: str
    unit: str
    kind: str  # gauge, sum (may fall), counter (monotonic)
    cumulative: bool
    value: float
    attributes: dict[str, str]


@dataclass
class Export:
    headers: dict[str, str]
    path: str
    resource: dict[str, str]
    points: list[Point]

    def of(self, metric: str, gpu: str) -> list[Point]:
        return [p for p in self.points if p.metric == metric and p.attributes["hw.id"] == gpu]

    def value(self, metric: str, gpu: str) -> float | None:
        """The metric's value for this GPU, None where nothing was sent."""
        points = self.of(metric, gpu)
        assert len(points) <= 1
        return points[0].value if points else None

    @property
    def gpus(self) -> set[str]:
        return {p.attributes["hw.id"] for p in self.points}


@dataclass
class OtlpReceiver:
    status: int = 200
    exports: list[Export] = field(default_factory=list)
    refused: int = 0
    url: str = ""

    def handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 5

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    raw = gzip.decompress(raw)
                if receiver.status == 200:
                    receiver.exports.append(taken_apart(dict(self.headers), self.path, raw))
                else:
                    receiver.refused += 1
                body = ExportMetricsServiceResponse().SerializeToString()
                self.send_response(receiver.status)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


def taken_apart(headers: dict[str, str], path: str, raw: bytes) -> Export:
    request = ExportMetricsServiceRequest.FromString(raw)
    assert len(request.resource_metrics) == 1
    only = request.resource_metrics[0]
    metrics = [metric for scope in only.scope_metrics for metric in scope.metrics]
    points = [point for metric in metrics for point in points_of(metric)]
    return Export(
        {name.lower(): value for name, value in headers.items()}, path, plain(only.resource.attributes), points
    )


def points_of(metric: Any) -> Iterator[Point]:
    is_sum = metric.WhichOneof("data") == "sum"
    data = metric.sum if is_sum else metric.gauge
    kind = ("counter" if data.is_monotonic else "sum") if is_sum else "gauge"
    for point in data.data_points:
        value = getattr(point, point.WhichOneof("value"))
        yield Point(
            metric.name, metric.unit, kind, is_sum and data.aggregation_temporality == 2, value, plain(point.attributes)
        )


def plain(attributes: Any) -> dict[str, str]:
    pairs: list[KeyValue] = list(attributes)
    return {pair.key: pair.value.string_value for pair in pairs}


@contextmanager
def receiving() -> Iterator[OtlpReceiver]:
    receiver = OtlpReceiver()
    http = ThreadingHTTPServer(("127.0.0.1", 0), receiver.handler())
    receiver.url = f"http://127.0.0.1:{http.server_address[1]}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield receiver
    finally:
        http.shutdown()
        thread.join()
        http.server_close()
