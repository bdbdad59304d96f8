"""What the backend sees of Trivet: a loopback server that serves one policy document and keeps the spans and events it is sent."""

import gzip
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

KEY = "tvt_for-the-demo-backend"


class FakeTrivet:
    def __init__(self):
        self.document = {"backend": "demo-1", "scenarios": {}, "valid_until": "2099-01-01T00:00:00Z"}
        self.spans = []
        self.events = []
        self.polled_etags = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers["Authorization"] != f"Bearer {KEY}":
                    self._answer(401, b"{}")
                elif self.path == "/v1/traces":
                    outer._keep(gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body)
                    self._answer(200, b"")
                elif self.path == "/v1/logs":
                    request = ExportLogsServiceRequest.FromString(gzip.decompress(body))
                    outer.events += [r for g in request.resource_logs for s in g.scope_logs for r in s.log_records]
                    self._answer(200, b"")
                elif self.path == "/v1/metrics":
                    self._answer(200, b"")
                else:
                    self._policy()

            def _policy(self):
                value = json.dumps({"flags": [{"key": "policy", "value": outer.document, "reason": "STATIC"}]}).encode()
                etag = f'"{hashlib.sha256(value).hexdigest()}"'
                outer.polled_etags.append(self.headers["If-None-Match"])
                if self.headers["If-None-Match"] == etag:
                    self._answer(304, b"", etag)
                else:
                    self._answer(200, value, etag)

            def _answer(self, status, body, etag=None):
                self.send_response(status)
                if etag:
                    self.send_header("ETag", etag)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def url(self):
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def says(self, scenario, generation=1, revision=1, level=0, **flags):
        """Serve another document whose ETag is another."""
        state = {"generation": generation, "revision": revision, "level": level, "flags": flags}
        self.document = {**self.document, "scenarios": {**self.document["scenarios"], scenario: state}}

    def _keep(self, body):
        request = ExportTraceServiceRequest.FromString(body)
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                self.spans.extend(scope.spans)


def attributes(span):
    """A span's attributes as plain values."""
    return {item.key: _value(item.value) for item in span.attributes}


def _value(value):
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    return getattr(value, kind)
