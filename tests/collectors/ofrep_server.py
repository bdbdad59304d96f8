"""A bulk OFREP endpoint on loopback that keeps to the policy contract, and can be told to misbehave."""

import hashlib
import json
import select
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "tvt_test"


@dataclass
class Said:
    """One scripted answer, given instead of the proper one. `hold_s` keeps the client waiting first."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    hold_s: float = 0.0
    drip_s: float = 0.0  # between one byte of the body and the next


def document(
    *, generation: int = 1, level: int = 0, flags: dict[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    """A document for backend demo-1 with one scenario, support-chat."""
    scenario = {"generation": generation, "revision": 2, "level": level, "flags": flags or {}, "cause": "test", **more}
    return {"backend": "demo-1", "scenarios": {"support-chat": scenario}}


def rfc3339(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")


class OfrepServer:
    def __init__(self) -> None:
        self.document = document()
        self.valid_for = timedelta(minutes=10)
        self.script: deque[Said] = deque()
        self.requests: list[dict[str, Any]] = []  # what came in: headers, body, and the status given back
        self.release = threading.Event()
        self.streams = False  # whether a stream of events is served
        self.listened: list[dict[str, str]] = []  # headers of those who listened
        self._listening: list[Any] = []
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._http.daemon_threads = False
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"

    @property
    def etag(self) -> str:
        return '"' + hashlib.sha256(json.dumps(self.document, sort_keys=True).encode()).hexdigest()[:16] + '"'

    @property
    def statuses(self) -> list[int]:
        return [request["status"] for request in self.requests]

    def say(self, event: bytes) -> None:
        """To everybody who listens."""
        for wfile in self._listening:
            wfile.write(event)

    def answer(self, headers: Any, body: dict[str, Any]) -> Said:
        if self.script:
            return self.script.popleft()
        if headers.get("Authorization") != f"Bearer {KEY}":
            return Said(401)
        if body != {"context": {"backend": "demo-1"}}:
            return Said(400, body=b'{"errorCode": "INVALID_CONTEXT"}')
        now = datetime.now(UTC)
        valid_until = rfc3339(now + self.valid_for)
        if headers.get("If-None-Match") == self.etag:
            return Said(304, {"ETag": self.etag, "Trivet-Valid-Until": valid_until})
        value = {**self.document, "issued_at": rfc3339(now), "valid_until": valid_until}
        flag = {"key": "policy", "value": value, "reason": "STATIC", "variant": "policy"}
        return Said(200, {"ETag": self.etag}, json.dumps({"flags": [flag], "metadata": {}}).encode())

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 5  # an idle kept-alive connection must not outlive the test

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                said = server.answer(self.headers, body) if self.path == "/ofrep/v1/evaluate/flags" else Said(404)
                server.requests.append({"headers": dict(self.headers), "body": body, "status": said.status})
                if said.hold_s:
                    server.release.wait(said.hold_s)
                try:
                    self.send_response(said.status)
                    for name, value in said.headers.items():
                        self.send_header(name, value)
                    if said.status != 304:
                        self.send_header("Content-Length", str(len(said.body)))
                    self.end_headers()
                    self.write(said)
                except ConnectionError:
                    self.close_connection = True  # the client gave up waiting, as it should

            def do_GET(self) -> None:
                if not server.streams or self.path != "/ofrep/v1/events?backend=demo-1":
                    self.send_error(404)
                    return
                server.listened.append(dict(self.headers))
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.end_headers()
                self.wfile.write(b"retry: 100\n\n")
                server._listening.append(self.wfile)
                self.close_connection = True
                while not server.release.wait(0.05) and not self._gone():
                    pass
                server._listening.remove(self.wfile)

            def _gone(self) -> bool:
                ready, _, _ = select.select([self.connection], [], [], 0)
                return bool(ready) and not self.connection.recv(1)

            def write(self, said: Said) -> None:
                if not said.drip_s:
                    self.wfile.write(said.body)
                    return
                for byte in said.body:
                    self.wfile.write(bytes([byte]))
                    server.release.wait(said.drip_s)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler

    def serve(self) -> None:
        self._http.serve_forever(poll_interval=0.02)

    def close(self) -> None:
        self.release.set()
        self._http.shutdown()
        self._http.socket.close()


@contextmanager
def running() -> Iterator[OfrepServer]:
    server = OfrepServer()
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        yield server
    finally:
        server.close()
        thread.join()


def eventually(holds: Any, within_s: float = 5.0) -> None:
    """Waits until `holds()` is true, and fails when it never is."""
    deadline = datetime.now(UTC) + timedelta(seconds=within_s)
    pause = threading.Event()
    while not holds():
        assert datetime.now(UTC) < deadline, "never came true"
        pause.wait(0.01)
