"""A server that plays back recorded exchanges, in their order, and takes nothing else."""

import json
import ssl
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

DATA = Path(__file__).parents[1] / "data" / "drivers"
UNEXPECTED = 418
PATCHES = {list: "application/json-patch+json", dict: "application/merge-patch+json"}


def recorded(kind):
    return json.loads((DATA / f"{kind}.json").read_text())["cases"]


class Replay:
    def __init__(self, exchanges):
        self.left = list(exchanges)
        self.wrong = []
        self.headers = []
        self.url = ""

    def answer(self, method, path, body, headers):
        """The answer that was recorded to this request, if it is the next."""
        self.headers.append(headers)
        came = {"method": method, "path": path, "body": body}
        if not self.left or self.left[0]["request"] != came:
            self.wrong.append(came)
            return UNEXPECTED, None
        if method == "PATCH" and headers["content-type"] != PATCHES[type(body)]:
            self.wrong.append(headers["content-type"])
            return 415, None
        said = self.left.pop(0)["response"]
        return said["status"], said["body"]


@contextmanager
def replaying(exchanges, *, hold_s=0.0, tls=None):
    """All of them must have been asked for, and nothing else, when the block ends. Each answer waits `hold_s`; `tls` is the
    server's certificate and key.
    """
    replay = Replay(exchanges)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self):
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, body = replay.answer(self.command, self.path, json.loads(raw) if raw else None, headers)
            time.sleep(hold_s)
            said = b"" if body is None else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_):
            pass

    for method in ("GET", "POST", "PATCH"):
        setattr(Handler, f"do_{method}", Handler.handle_any)
    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.handle_error = lambda *_: None  # a caller that hung up, as some tests want it
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls)
        # In the thread of each caller: one that refuses the certificate stops no other.
        http.socket = context.wrap_socket(http.socket, server_side=True, do_handshake_on_connect=False)
    replay.url = f"{'https' if tls else 'http'}://127.0.0.1:{http.server_address[1]}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield replay
        assert replay.wrong == []
        assert replay.left == []
    finally:
        http.shutdown()
        thread.join()
        http.server_close()
