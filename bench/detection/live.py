"""One case in real time: a model dies, and who knows first.

Prometheus (scraping and evaluating each second, no `for`) and Alertmanager (no wait for a group) on one side, until a
webhook is called; on the other the guard, woken a quarter of a second after something came, as the worker is. Both see the
same replay through its clock. Several times, as the two differ by less than a second.
"""

import json
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
from bench import say
from bench.detection import ours
from bench.detection.faults import failing
from bench.detection.replay import Calls, chat, hours
from bench.detection.rules import programs, wait_ready
from bench.stack import free_port

from trivet.guard.decide import Standing, verdict
from trivet.guard.replay import replayed
from trivet.guard.sequential import Normal

SEED = 5
AT_S, OVER_S, SKIPPED_S, WOKEN_S = 20.0, 45.0, 300.0, 0.25
ROUNDS, LEARNT_H = 3, 4
RULE = "rate(llm_errors_total[30s]) / rate(llm_requests_total[30s]) > 0.05 and increase(llm_requests_total[30s]) >= 20"


def main() -> bool:
    """Print who took how long at the median; true where the guard was first."""
    guard, random = ours.guard_of("errors", 0.05), np.random.default_rng(SEED)
    learnt = replayed(guard, [ours.seconds(guard, calls).counts[300:] for calls in hours("chat", LEARNT_H, random)])
    rounds = [one_round(SEED + number, learnt.normal if learnt else None) for number in range(ROUNDS)]
    mine, other = (float(np.median(column)) for column in zip(*rounds, strict=True))
    say.note(", ".join(f"{a:.1f} s and {b:.1f} s" for a, b in rounds) + ": until the verdict, until the webhook")
    return say.verdict(
        "live: a model dies, median", f"{mine:.1f} s, theirs {other:.1f} s", "ours first", met=mine < other
    )


def one_round(seed: int, normal: Normal | None) -> tuple[float, float]:
    """Seconds until each knew; without end where one did not."""
    random = np.random.default_rng(seed)
    calls = failing(1.0)(chat(int(SKIPPED_S + OVER_S) + 60, random), SKIPPED_S + AT_S, random)
    calls = calls.but(start=calls.start - SKIPPED_S)
    with tempfile.TemporaryDirectory(prefix="trivet-live-") as folder, ExitStack() as stack:
        called = threading.Event()
        began, alerted = running(stack, Path(folder), calls, called)
        mine = guarded(calls, began, normal)
        called.wait(max(0.0, OVER_S - (time.monotonic() - began)))
    other = alerted[0] - began - AT_S if alerted else float("inf")
    return float("inf") if mine is None else mine, other


def guarded(calls: Calls, began: float, normal: Normal | None) -> float | None:
    """Seconds from the fault until the guard breaks, read four times a second on what has ended by then."""
    guard, standing = ours.guard_of("errors", 0.05), Standing()
    for t in np.arange(AT_S / 2, OVER_S, WOKEN_S):
        time.sleep(max(0.0, began + float(t) - time.monotonic()))
        ended = calls.where((calls.end >= 0) & (calls.end <= t))
        seen = ours.window(guard, ours.seconds(guard, ended), int(t) + 1, normal=normal)
        standing = verdict(guard, seen, standing, ours.at(float(t))).standing
        if standing.broken and t >= AT_S:
            return time.monotonic() - began - AT_S
    return None


def running(stack: ExitStack, folder: Path, calls: Calls, called: threading.Event) -> tuple[float, list[float]]:
    """Start everything; when the replay's clock began, and when the webhook was called."""
    alerted: list[float] = []

    def hook(body: bytes) -> bytes:
        firing = any(alert["labels"]["alertname"] == "errors" for alert in json.loads(body)["alerts"])
        if firing and not alerted:
            alerted.append(time.monotonic())
            called.set()
        return b""

    clock = {"began": time.monotonic()}
    exporter = stack.enter_context(serving(lambda _: page(calls, time.monotonic() - clock["began"])))
    receiver = stack.enter_context(serving(hook))
    found, prometheus, alertmanager = programs(), free_port(), free_port()
    write(folder, exporter, receiver, alertmanager)
    stack.enter_context(
        program(
            found / "alertmanager", f"--config.file={folder}/alertmanager.yml", f"--storage.path={folder}/am",
            f"--web.listen-address=127.0.0.1:{alertmanager}", "--cluster.listen-address=",
        )
    )  # fmt: skip
    stack.enter_context(
        program(
            found / "prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/tsdb",
            f"--web.listen-address=127.0.0.1:{prometheus}",
        )
    )  # fmt: skip
    for port in (alertmanager, prometheus):
        wait_ready(f"http://127.0.0.1:{port}")
    clock["began"] = time.monotonic()
    return clock["began"], alerted


def page(calls: Calls, now: float) -> bytes:
    ended = (calls.end >= 0) & (calls.end <= now)
    return (
        f"# TYPE llm_requests_total counter\nllm_requests_total {int(ended.sum())}\n"
        f"# TYPE llm_errors_total counter\nllm_errors_total {int((ended & calls.failed).sum())}\n"
    ).encode()


def write(folder: Path, exporter: int, receiver: int, alertmanager: int) -> None:
    """JSON is YAML too."""
    rule = {"groups": [{"name": "g", "interval": "1s", "rules": [{"alert": "errors", "expr": RULE}]}]}
    scraped = {"job_name": "replay", "static_configs": [{"targets": [f"127.0.0.1:{exporter}"]}]}
    managers = [{"static_configs": [{"targets": [f"127.0.0.1:{alertmanager}"]}]}]
    prometheus = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"}, "rule_files": [f"{folder}/rules.yml"],
        "scrape_configs": [scraped], "alerting": {"alertmanagers": managers},
    }  # fmt: skip
    hook = {"name": "hook", "webhook_configs": [{"url": f"http://127.0.0.1:{receiver}/"}]}
    route = {"receiver": "hook", "group_wait": "0s", "group_interval": "1s"}
    files = {"rules.yml": rule, "prometheus.yml": prometheus, "alertmanager.yml": {"route": route, "receivers": [hook]}}
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content))


@contextmanager
def serving(answer: Any) -> Iterator[int]:
    """A small server on loopback that answers each request with what `answer` makes of its body."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = answer(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815  # the name that http.server calls

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def program(*command: Any) -> Iterator[None]:
    process = subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)
