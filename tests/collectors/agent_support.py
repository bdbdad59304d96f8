"""What stands around an agent under test: a page to scrape, a Trivet to send to, and the agent as its own process."""

import gzip
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)

COLLECTOR = Path(sys.executable).with_name("trivet-collector")
Identity = tuple[str, frozenset[tuple[str, str]], int]


@dataclass
class Said:
    """One answer."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    hold: threading.Event | None = None  # waited for between taking a body and answering


@dataclass
class Server:
    """HTTP on loopback. Answers with what `script` holds, one after the other, else with `usual`."""

    usual: Said = field(default_factory=Said)
    script: deque[Said] = field(default_factory=deque)
    bodies: list[bytes] = field(default_factory=list)  # as they came in, of answers 2xx
    asked: list[dict[str, str]] = field(default_factory=list)  # headers of every request
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def points(self) -> dict[Identity, float]:
        """Every point by what identifies it, as Trivet keeps it: one that came twice is one."""
        found: dict[Identity, float] = {}
        for body in self.bodies:
            request = ExportMetricsServiceRequest.FromString(gzip.decompress(body))
            for metric in (m for r in request.resource_metrics for s in r.scope_metrics for m in s.metrics):
                for one in getattr(metric, metric.WhichOneof("data")).data_points:
                    said = frozenset((pair.key, pair.value.string_value) for pair in one.attributes)
                    value = one.sum if metric.HasField("histogram") else one.as_double
                    assert found.setdefault((metric.name, said, one.time_unix_nano), value) == value
        return found

    def total(self, metric: str) -> float:
        return sum(value for (name, _, _), value in self.points().items() if name == metric)

    def handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 5

            def do_GET(self) -> None:
                self.answer(b"")

            def do_POST(self) -> None:
                self.answer(self.rfile.read(int(self.headers["Content-Length"])))

            def answer(self, body: bytes) -> None:
                server.asked.append({name.lower(): value for name, value in self.headers.items()})
                said = server.script.popleft() if server.script else server.usual
                if said.status < 300 and body:
                    server.bodies.append(body)
                if said.hold is not None:
                    said.hold.wait(10)
                try:
                    self.send_response(said.status)
                    for name, value in said.headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(said.body)))
                    self.end_headers()
                    self.wfile.write(said.body)
                except ConnectionError:
                    self.close_connection = True  # the client gave up, or was killed

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


@contextmanager
def serving(server: Server | None = None) -> Iterator[Server]:
    """On its port while it lasts; on a free one the first time. What it was told and what came in stay."""
    server = server or Server()
    http = ThreadingHTTPServer(("127.0.0.1", server.port), server.handler())
    server.port = http.server_address[1]
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


def partly(rejected: int, why: str) -> Said:
    response = ExportMetricsServiceResponse()
    response.partial_success.rejected_data_points = rejected
    response.partial_success.error_message = why
    return Said(body=response.SerializeToString())


def environment(**more: str) -> dict[str, str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "TRIVET_", "STATE_"))}
    return {**clean, "NO_PROXY": "127.0.0.1", **more}


def start(*arguments: str | Path, **more: str) -> subprocess.Popen[str]:
    return subprocess.Popen([COLLECTOR, *arguments], env=environment(**more), stderr=subprocess.PIPE, text=True)


def run(*arguments: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
    """To its end."""
    command = [COLLECTOR, *arguments]
    return subprocess.run(command, env=environment(**more), capture_output=True, text=True, timeout=60, check=False)


def said_until_stopped(process: subprocess.Popen[str], number: signal.Signals = signal.SIGTERM) -> list[str]:
    process.send_signal(number)
    _, said = process.communicate(timeout=30)
    return said.splitlines()


@contextmanager
def running(start_one: Callable[[], subprocess.Popen[str]]) -> Iterator[subprocess.Popen[str]]:
    process = start_one()
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()
