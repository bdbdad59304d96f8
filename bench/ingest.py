"""Spans per second into one API process, beside a raw COPY of the same rows into the same database in the same run.

512-span batches of some 20 attributes, protobuf, four senders, a durable PostgreSQL 18 on this machine. The raw COPY
commits every 512 rows into a table with the same columns and the same primary key: what is left when nothing is
decoded, normalised, priced, deduplicated or summed.
"""

import http.client
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from bench.spans import export

BATCH = 512
PROBES = 8  # batches that only find out how many to make
SENDERS = 4
GOAL = 10_000  # spans/s
KEY = "tvt_bench-" + "0" * 40


def main(seconds: float = 8.0) -> bool:
    """Print both figures and their ratio; true where the goal is met."""
    from trivet import schema
    from trivet.embed.postgres import EmbeddedPostgres

    with tempfile.TemporaryDirectory(prefix="trivet-bench-") as folder, EmbeddedPostgres(Path(folder)) as postgres:
        postgres.ensure_database()
        schema.upgrade(postgres.url())
        with api(postgres.url(), Path(folder)) as (port, pid):
            post(port, [export(BATCH, batch=0)])  # names, prices and partitions are made
            before_s = cpu_s(pid)
            spans, took_s, waits_ms = load(port, seconds)
            used_s = cpu_s(pid) - before_s
        dsn = postgres.url().replace("+psycopg", "")
        stored, rows = fetch(dsn)
        copied_per_s = raw_copy(dsn, rows)
    rate = (spans - PROBES * BATCH) / took_s
    assert stored == spans + BATCH, f"{stored} rows for {spans + BATCH} spans"
    waits_ms.sort()
    print(f"ingest   {rate:10,.0f} spans/s   {SENDERS} senders, {BATCH} spans each, {spans:,} spans in {took_s:.1f} s")
    print(f"         answers p50 {at(waits_ms, 0.5):.0f} ms, p95 {at(waits_ms, 0.95):.0f} ms")
    print(f"         {used_s / spans * 1e6:.0f} µs of CPU a span: {spans / used_s:,.0f} spans/s of a core to itself")
    print(f"raw COPY {copied_per_s:10,.0f} rows/s    {len(rows):,} of the same rows, {BATCH} a commit")
    print(
        f"ratio    {rate / copied_per_s:10.2f}           goal {GOAL:,} spans/s: {'met' if rate >= GOAL else 'missed'}"
    )
    return rate >= GOAL


def at(ascending: list[float], share: float) -> float:
    return ascending[int(len(ascending) * share)]


@contextmanager
def api(url: str, folder: Path) -> Iterator[tuple[int, int]]:
    """One API process: its port and process id."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {
        "TRIVET_DATABASE_URL": url,
        "TRIVET_BOOTSTRAP_KEY": KEY,
        "TRIVET_SECRET_KEY": "bench",
        "TRIVET_DATA_DIR": str(folder),
        "TRIVET_PORT": str(port),
        "TRIVET_LOG_LEVEL": "warning",
    }
    command = [sys.executable, "-m", "trivet.cli", "api"]
    process = subprocess.Popen(command, env=environment)
    try:
        wait(port, process)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(10)


def cpu_s(pid: int) -> float:
    """Seconds of CPU that a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wait(port: int, process: "subprocess.Popen[bytes]", limit_s: float = 30.0) -> None:
    """Until the process answers."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("the API did not start")


def post(port: int, bodies: list[bytes]) -> list[float]:
    """Send each body; milliseconds of each answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/x-protobuf"}
    waits = []
    for body in bodies:
        start = time.perf_counter()
        connection.request("POST", "/v1/traces", body, headers)
        answer = connection.getresponse()
        content = answer.read()
        if answer.status != 200 or content:
            raise RuntimeError(f"{answer.status}: {content[:200]!r}")
        waits.append((time.perf_counter() - start) * 1000)
    connection.close()
    return waits


def load(port: int, seconds: float) -> tuple[int, float, list[float]]:
    """(spans sent, seconds without the probes, milliseconds of each answer). Bodies are made before the clock starts."""
    probe = [export(BATCH, batch=n) for n in range(1, PROBES + 1)]
    start = time.perf_counter()
    post(port, probe)
    per_body_s = (time.perf_counter() - start) / len(probe)
    share = max(4, int(seconds / per_body_s / SENDERS))
    bodies = [[export(BATCH, batch=100 + sender * share + n) for n in range(share)] for sender in range(SENDERS)]
    waits: list[float] = []
    threads = [threading.Thread(target=lambda own=own: waits.extend(post(port, own))) for own in bodies]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took_s = time.perf_counter() - start
    if len(waits) != SENDERS * share:
        raise RuntimeError("some senders failed")
    return (SENDERS * share + PROBES) * BATCH, took_s, waits


def fetch(dsn: str, limit: int = 100_000) -> tuple[int, list[tuple[Any, ...]]]:
    """(rows stored, some of them as tuples)."""
    with psycopg.connect(dsn) as connection:
        total = connection.execute("SELECT count(*) FROM request").fetchone()
        rows = connection.execute("SELECT * FROM request ORDER BY random() LIMIT %s", [limit]).fetchall()
    assert total is not None
    return int(total[0]), rows


def raw_copy(dsn: str, rows: list[tuple[Any, ...]]) -> float:
    """Rows per second of a binary COPY that commits every `BATCH` rows."""
    with psycopg.connect(dsn) as connection:
        connection.execute("CREATE TABLE bench_copy (LIKE request INCLUDING DEFAULTS)")
        connection.execute("ALTER TABLE bench_copy ADD PRIMARY KEY (tenant_id, started_at, trace_id, span_id)")
        types = [t for (t,) in connection.execute(
            "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'bench_copy'::regclass "
            "AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
        )]  # fmt: skip
        connection.commit()
        start = time.perf_counter()
        for first in range(0, len(rows), BATCH):
            with connection.cursor().copy("COPY bench_copy FROM STDIN (FORMAT BINARY)") as copy:
                copy.set_types(types)
                for row in rows[first : first + BATCH]:
                    copy.write_row(row)
            connection.commit()
        return len(rows) / (time.perf_counter() - start)


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
