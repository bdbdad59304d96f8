"""Where the time of an API process goes: microseconds of CPU a span, by stage.

The process is sampled from inside while 512-span batches (or others) come in: 500 times a second each thread that is not
waiting for something is put down, by the innermost of our modules it is in, under a stage. The shares are those of the
process's CPU, as the kernel counts it. Sampling costs some two per cent.

    python -m bench.profile [--spans 10 --connections 64] [--functions]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from types import FrameType

from bench import stack
from bench.load import load
from bench.stack import cpu_s, postgres_pids

EVERY_S = 0.002
WRITE_EVERY_S = 0.5
SWITCH_S = 5e-5

# The end of a file's path, or a folder on it -> stage: the first that fits of the innermost frame that has one.
STAGES = {
    "HTTP, gRPC and keys": (
        "/uvicorn/", "/asyncio/", "/starlette/", "/fastapi/", "/uvloop/", "/grpc/", "ingest/api.py", "ingest/line/body.py",
        "ingest/line/gate.py", "ingest/line/receive.py", "ingest/line/grpc_server.py", "ingest/line/otlp.py", "/identity/",
        "/trivet/app.py", "/trivet/serve.py", "ingest/service.py", "/anyio/", "concurrent/futures/",
    ),
    "counting elements": ("ingest/line/bounds.py", "ingest/line/wire.py", "ingest/line/structure.py"),
    "parse and attributes": ("/ingest/decode/", "ingest/dialect/fields.py"),
    "normalise": ("/ingest/request/", "/ingest/dialect/"),
    "ids": ("ingest/store/names.py", "ingest/store/ids.py"),
    "price": ("/pricing/",),
    "COPY bytes": ("ingest/store/copybytes.py", "ingest/store/columns.py", "ingest/store/insert.py"),
    "deltas": ("ingest/store/deltas.py", "kit/histogram.py", "/ingest/signal/", "kit/clock.py"),
    "rows and dedupe": ("/ingest/store/",),
    "talking to PostgreSQL": ("/psycopg/", "/sqlalchemy/", "/trivet/db.py"),
}  # fmt: skip
# Where a thread waits: it is not at work. (end of the file's path, function)
WAITING = {
    ("threading.py", "wait"), ("threading.py", "_wait_for_tstate_lock"), ("psycopg/connection.py", "wait"),
    ("selectors.py", "select"), ("thread.py", "_worker"), ("queue.py", "get"), ("psycopg/_copy.py", "_worker"),
    ("psycopg/waiting.py", "wait"), ("asyncio/runners.py", "run"), ("bench/profile.py", "_watch"),
    ("psycopg/generators.py", "wait"), ("threading.py", "acquire"), ("aio/_server.py", "run"),
}  # fmt: skip


def stage_of(frame: FrameType | None) -> str:
    """The stage of the innermost frame that belongs to one."""
    while frame is not None:
        path = frame.f_code.co_filename
        for stage, ends in STAGES.items():
            if any(path.endswith(end) or (end.endswith("/") and end in path) for end in ends):
                return stage
        frame = frame.f_back
    return "other"


def function_of(frame: FrameType) -> str:
    code = frame.f_code
    return f"{'/'.join(code.co_filename.rsplit('/', 2)[1:])}:{code.co_name}"


def is_waiting(frame: FrameType) -> bool:
    path, name = frame.f_code.co_filename, frame.f_code.co_name
    return any(path.endswith(end) and name == function for end, function in WAITING)


def _watch(path: Path) -> None:
    """Sample this process without end; `path` has the sums so far."""
    stages: Counter[str] = Counter()
    functions: Counter[str] = Counter()
    due = 0.0
    while True:
        time.sleep(EVERY_S)
        at_work = [frame for frame in sys._current_frames().values() if not is_waiting(frame)]
        for frame in at_work:  # one of them has the interpreter; which, cannot be seen
            stages[stage_of(frame)] += 1 / len(at_work)  # type: ignore[assignment]  # a Counter takes fractions
            functions[function_of(frame)] += 1 / len(at_work)  # type: ignore[assignment]  # a Counter takes fractions
        if time.monotonic() >= due:
            due = time.monotonic() + WRITE_EVERY_S
            fresh = path.with_suffix(".new")
            fresh.write_text(json.dumps({"stages": stages, "functions": functions}))
            fresh.replace(path)


def serve(path: Path) -> None:
    """The API with a sampler in it, until it is asked to stop."""
    from trivet.serve import serve as serve_api
    from trivet.settings import get_settings

    # Else the sampler would mostly get its turn where another thread lets go by itself, which is in the database driver.
    sys.setswitchinterval(SWITCH_S)
    threading.Thread(target=_watch, args=(path,), daemon=True).start()
    serve_api(get_settings())


def main(given: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory(prefix="trivet-bench-") as folder, stack.database(Path(folder)) as postgres:
        samples = Path(folder) / "samples"
        port = stack.free_port()
        environment = os.environ | {
            "TRIVET_DATABASE_URL": postgres.url(), "TRIVET_BOOTSTRAP_KEY": stack.KEY, "TRIVET_SECRET_KEY": "bench",
            "TRIVET_PORT": str(port), "TRIVET_OTLP_GRPC_PORT": "0", "TRIVET_LOG_LEVEL": "warning",
        }  # fmt: skip
        command = [sys.executable, "-m", "bench.profile", "--serve", str(samples)]
        with subprocess.Popen(command, env=environment) as api:
            stack.wait(port, api)
            options = {"port": port, "connections": given.connections, "spans": given.spans}
            load(**options, seconds=2.0, seed=1)
            before = _read(samples), cpu_s(api.pid), cpu_s(*postgres_pids(postgres))
            result = load(**options, seconds=given.seconds, seed=2)
            time.sleep(2 * WRITE_EVERY_S)
            after = _read(samples), cpu_s(api.pid), cpu_s(*postgres_pids(postgres))
            api.terminate()
    of_api, of_postgres = ((after[n] - before[n]) / result.spans * 1e6 for n in (1, 2))  # type: ignore[operator]  # seconds
    print(f"{result.per_s:,.0f} spans/s, {given.spans} an export, {given.connections} connections; µs of CPU a span:")
    for kind, shown in (("stages", 99), *([("functions", 40)] if given.functions else [])):
        spent = Counter(after[0][kind])
        spent.subtract(before[0][kind])
        whole = sum(spent.values()) or 1.0
        for name, samples_in in spent.most_common(shown):
            print(f"  {samples_in / whole * of_api:7.2f}  {samples_in / whole:6.1%}  {name}")
    print(f"  {of_api:7.2f}          the API process")
    print(f"  {of_postgres:7.2f}          PostgreSQL\n  {result.cpu_s / result.spans * 1e6:7.2f}          the sender")
    return 0


def _read(path: Path) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = json.loads(path.read_text())
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spans", type=int, default=512)
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--functions", action="store_true", help="also the 40 dearest functions")
    parser.add_argument("--serve", type=Path, help="be the API that is looked at, and write samples here")
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.serve)
    sys.exit(0 if arguments.serve else main(arguments))
