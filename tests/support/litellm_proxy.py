"""A real LiteLLM proxy with our callback, from the environment that `make env` makes, and a model server that it calls."""

import http.client
import json
import os
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / ".venv-litellm/bin/litellm"
MASTER_KEY = "sk-tests"
START_LIMIT_S = 200.0
CHUNK_GAP_S, SLOW_GAP_S = 0.02, 0.5


@dataclass
class Models:
    """An OpenAI-compatible server: what arrived at it, and what it answers. A `broken` model is refused with 400."""

    url: str = ""
    bodies: list = field(default_factory=list)

    def handler(self):
        models = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                models.bodies.append(body)
                if body["model"] == "broken":
                    self.answer(400, {"error": {"message": "no", "type": "invalid_request_error", "code": "no"}})
                elif self.path.endswith("/embeddings"):
                    self.answer(200, embedding(body))
                elif self.path.endswith("/responses"):
                    self.answer(200, response(body, len(models.bodies)))
                elif body.get("stream"):
                    self.stream(body)
                else:
                    self.answer(200, completion(body, len(models.bodies)))

            def answer(self, status, body):
                raw = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def stream(self, body):
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.send_header("Connection", "close")
                self.end_headers()
                for chunk in chunks(body, len(models.bodies)):
                    self.wfile.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
                    self.wfile.flush()
                    time.sleep(SLOW_GAP_S if "slowly" in str(body["messages"]) else CHUNK_GAP_S)
                self.wfile.write(b"data: [DONE]\n\n")
                self.close_connection = True

            def log_message(self, *_):
                pass

        return Handler


USAGE = {
    "prompt_tokens": 30, "completion_tokens": 12, "total_tokens": 42,
    "prompt_tokens_details": {"cached_tokens": 10}, "completion_tokens_details": {"reasoning_tokens": 2},
}  # fmt: skip


def completion(body, number):
    message = {"role": "assistant", "content": "an answer"}
    return {
        "id": f"chatcmpl-{number}", "object": "chat.completion", "created": 1, "model": body["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": USAGE,
    }  # fmt: skip


def embedding(body):
    found = [{"object": "embedding", "index": 0, "embedding": [0.5, 0.5]}]
    usage = {"prompt_tokens": 30, "total_tokens": 30}
    return {"object": "list", "model": body["model"], "data": found, "usage": usage}


def response(body, number):
    content = [{"type": "output_text", "text": "an answer", "annotations": []}]
    message = {"type": "message", "id": f"msg-{number}", "role": "assistant", "status": "completed", "content": content}
    return {
        "id": f"resp-{number}", "object": "response", "created_at": 1, "status": "completed", "model": body["model"],
        "output": [message], "parallel_tool_calls": True, "tool_choice": "auto", "tools": [],
        "usage": {
            "input_tokens": 30, "output_tokens": 12, "total_tokens": 42, "input_tokens_details": {"cached_tokens": 10},
            "output_tokens_details": {"reasoning_tokens": 2},
        },
    }  # fmt: skip


def chunks(body, number):
    common = {"id": f"chatcmpl-{number}", "object": "chat.completion.chunk", "created": 1, "model": body["model"]}
    for word in ("an", " answer"):
        yield common | {"choices": [{"index": 0, "delta": {"role": "assistant", "content": word}}]}
    yield common | {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    yield common | {"choices": [], "usage": USAGE}


@contextmanager
def models():
    served = Models()
    server = ThreadingHTTPServer(("127.0.0.1", 0), served.handler())
    served.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict
    text: str

    @property
    def body(self):
        return json.loads(self.text)


class Proxy:
    """The proxy as a process of its own. `config` is its YAML; the callback's settings come from `environment`."""

    def __init__(self, folder, config, environment):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        path = folder / "config.yaml"
        path.write_text(config)
        self.log = folder / "proxy.log"
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("TRIVET_", "PYTHON"))}
        # The map of prices would be fetched from elsewhere.
        environment = kept | {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_TELEMETRY": "False"} | environment
        command = [str(PROGRAM), "--config", str(path), "--host", "127.0.0.1", "--port", str(self.port)]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=subprocess.STDOUT)

    def wait(self):
        deadline = time.monotonic() + START_LIMIT_S
        while self.process.poll() is None and time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health/liveliness", timeout=2):
                    return
            except OSError:
                time.sleep(0.1)
        raise AssertionError("the proxy did not start: " + self.log.read_text()[-2000:])

    def stop(self):
        self.process.terminate()
        self.process.wait(30)

    def chat(self, scenario, *turns, model="big", headers=None, **more):
        """One call: the turns are messages, or texts of the user's."""
        messages = [{"role": "user", "content": turn} if isinstance(turn, str) else turn for turn in turns]
        return self.post("/v1/chat/completions", scenario, {"model": model, "messages": messages, **more}, headers)

    def leave(self, scenario, text):
        """A streamed call whose caller goes away after the first of the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        body = {"model": "big", "stream": True, "messages": [{"role": "user", "content": text}]}
        headers = {"Authorization": f"Bearer {MASTER_KEY}", "Content-Type": "application/json"}
        connection.request("POST", "/v1/chat/completions", json.dumps(body), headers | {"X-Trivet-Scenario": scenario})
        assert connection.getresponse().read(10)
        connection.close()

    def post(self, path, scenario, body, headers=None):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            json.dumps(body).encode(),
            {
                "Authorization": f"Bearer {MASTER_KEY}", "Content-Type": "application/json",
                "X-Trivet-Scenario": scenario, **(headers or {}),
            },
        )  # fmt: skip
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return Answer(answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, {k.lower(): v for k, v in error.headers.items()}, error.read().decode())
