"""An HTTP server on loopback that keeps what it is sent and answers as each test tells it to."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Got:
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """`answer` is a status, or a status and headers."""

    url: str = ""
    got: list[Got] = field(default_factory=list)
    answer: int | tuple[int, dict[str, str]] = 204
    came: threading.Condition = field(default_factory=threading.Condition)

    def wait_for(self, count: int, seconds: float = 20.0) -> list[Got]:
        with self.came:
            assert self.came.wait_for(lambda: len(self.got) >= count, seconds), self.got
        return self.got


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A server that runs for the block."""
    kept = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            with kept.came:
                kept.got.append(Got(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                kept.came.notify_all()
            status, headers = kept.answer if isinstance(kept.answer, tuple) else (kept.answer, {})
            self.send_response(status)
            for name, value in ({"Content-Length": "0"} | headers).items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        kept.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield kept
        finally:
            server.shutdown()
            thread.join()
