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
    """One data point with the metric it belongs to. Of many samples `value` is the mean."""

    metric: str
    unit: str
    kind: str  # samples (a histogram without bounds), histogram, counter (monotonic delta), gauge, sum
    value: float
    attributes: dict[str, str]
    start_ns: int
    end_ns: int
    count: int = 1
    least: float | None = None
    most: float | None = None


@dataclass
class Export:
    headers: dict[str, str]
    path: str
    resource: dict[str, str]
    points: list[Point]

    def of(self, metric: str, gpu: str) -> list[Point]:
        return [p for p in self.points if p.metric == metric and p.attributes.get("hw.id") == gpu]

    def value(self, metric: str, gpu: str) -> float | None:
        """The metric's value for this GPU, None where nothing was sent."""
        points = self.of(metric, gpu)
        assert len(points) <= 1
        return points[0].value if points else None

    @property
    def gpus(self) -> set[str]:
        return {p.attributes["hw.id"] for p in self.points if "hw.id" in p.attributes}


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
    scopes = [scope for resource in request.resource_metrics for scope in resource.scope_metrics]
    points = [point for scope in scopes for metric in scope.metrics for point in points_of(metric)]
    first = plain(request.resource_metrics[0].resource.attributes)
    return Export({name.lower(): value for name, value in headers.items()}, path, first, points)


def points_of(metric: Any) -> Iterator[Point]:
    data = getattr(metric, metric.WhichOneof("data"))
    for point in data.data_points:
        said = (plain(point.attributes), point.start_time_unix_nano, point.time_unix_nano)
        if metric.HasField("histogram"):
            kind = "histogram" if point.explicit_bounds else "samples"
            least, most = (getattr(point, end) if point.HasField(end) else None for end in ("min", "max"))
            mean = point.sum / point.count
            yield Point(metric.name, metric.unit, kind, mean, *said, point.count, least, most)
        else:
            delta = metric.HasField("sum") and data.is_monotonic and data.aggregation_temporality == 1
            kind = "counter" if delta else metric.WhichOneof("data")
            value = getattr(point, point.WhichOneof("value"))
            yield Point(metric.name, metric.unit, kind, value, *said)


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
