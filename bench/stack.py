"""What a measurement runs against: a durable PostgreSQL 18 and the API as processes of this machine, and what they use."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KEY = "tvt_bench-" + "0" * 40
START_LIMIT_S = 60.0


@dataclass(frozen=True)
class Api:
    """`trivet api` on two ports of this machine; `process` is the one that was started, with or without children."""

    port: int
    grpc_port: int
    process: "subprocess.Popen[bytes]"

    def pids(self) -> list[int]:
        """The processes that serve: the children where there are some."""
        return children(self.process.pid) or [self.process.pid]


@contextmanager
def database(folder: Path) -> Iterator[Any]:
    """An embedded PostgreSQL that keeps what it acknowledges, with the newest schema."""
    from trivet import schema
    from trivet.embed.postgres import EmbeddedPostgres

    with EmbeddedPostgres(folder) as postgres:
        postgres.ensure_database()
        schema.upgrade(postgres.url())
        yield postgres


def dsn_of(postgres: Any) -> str:
    """For psycopg, which knows no driver's name."""
    return str(postgres.url()).replace("+psycopg", "")


@contextmanager
def api(url: str, folder: Path, processes: int = 1, **settings: str) -> Iterator[Api]:
    """So many API processes on the same two ports, until the block ends."""
    port, grpc_port = free_port(), free_port()
    environment = os.environ | {
        "TRIVET_DATABASE_URL": url,
        "TRIVET_BOOTSTRAP_KEY": KEY,
        "TRIVET_SECRET_KEY": "bench",
        "TRIVET_DATA_DIR": str(folder),
        "TRIVET_PORT": str(port),
        "TRIVET_OTLP_GRPC_PORT": str(grpc_port),
        "TRIVET_LOG_LEVEL": "warning",
        **settings,
    }
    command = [sys.executable, "-m", "trivet.cli", "api", "--processes", str(processes)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    try:
        wait(port, process, processes=processes)
        yield Api(port, grpc_port, process)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(30)


@contextmanager
def running(processes: int = 1, **settings: str) -> Iterator[tuple[Any, Api]]:
    """A database of its own and the API on it."""
    with (
        tempfile.TemporaryDirectory(prefix="trivet-bench-") as folder,
        database(Path(folder)) as postgres,
        api(postgres.url(), Path(folder), processes, **settings) as serving,
    ):
        yield postgres, serving


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait(port: int, process: "subprocess.Popen[bytes]", limit_s: float = START_LIMIT_S, processes: int = 1) -> None:
    """Until the process answers, so many of its processes at least listening."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline and process.poll() is None:
        if listeners(port) >= processes:
            return
        time.sleep(0.05)
    raise RuntimeError("the API did not start")


def listeners(port: int) -> int:
    """Sockets that listen on a port of this machine (0A is LISTEN in /proc/net/tcp)."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    found = (line.split() for line in lines)
    return sum(fields[1].endswith(f":{port:04X}") and fields[3] == "0A" for fields in found)


def children(pid: int) -> list[int]:
    """Processes started by `pid`."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    return [int(child) for child in text.split()]


def cpu_s(*pids: int) -> float:
    """Seconds of CPU that processes have used so far, with their ended children."""
    ticks = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += sum(int(field) for field in fields[11:15])
    return ticks / float(os.sysconf("SC_CLK_TCK"))


def machine_cpu_s() -> float:
    """Seconds of CPU that the whole machine has used so far."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:8]]
    return (sum(fields) - fields[3] - fields[4]) / float(os.sysconf("SC_CLK_TCK"))


def rss_mb(pid: int) -> float:
    """Resident memory in MB (10^6 bytes)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def postgres_pids(postgres: Any) -> list[int]:
    """The server and its backends at this moment."""
    pid = postgres.process.pid
    return [pid, *children(pid)]
