"""`trivet api` as processes: one or several on the same ports, stopped, killed and counted."""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select
from tests.support.grpc_server import Caller
from tests.support.otlp import PROTOBUF, body, span
from typer.testing import CliRunner

from trivet import db
from trivet.cli import app
from trivet.identity.models import ApiKey
from trivet.settings import get_settings

LIMIT_S = 40.0
REVOKED_S = 5.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def listeners(port: int) -> int:
    files = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
    rows = [line.split() for file in files for line in file.read_text().splitlines()[1:]]
    return sum(row[1].endswith(f":{port:04X}") and row[3] == "0A" for row in rows)


def eventually(check: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        if check():
            return True
        time.sleep(0.05)
    return False


class Processes:
    """`trivet api --processes 2`."""

    def __init__(self, database: str, folder: Path) -> None:
        self.port, self.grpc_port = free_port(), free_port()
        environment = os.environ | {
            "TRIVET_DATABASE_URL": database,
            "TRIVET_SECRET_KEY": "tests",
            "TRIVET_DATA_DIR": str(folder),
            "TRIVET_PORT": str(self.port),
            "TRIVET_OTLP_GRPC_PORT": str(self.grpc_port),
            "TRIVET_LOG_LEVEL": "warning",
        }
        command = [sys.executable, "-m", "trivet.cli", "api", "--processes", "2"]
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)

    def wait_for_both(self) -> list[int]:
        """The two processes, once both listen on the two ports."""
        assert eventually(lambda: listeners(self.port) == 2)  # each has taken gRPC's port before
        return children(self.process.pid)

    def ask(self, method: str, path: str, key: str = "", content: bytes | None = None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            connection.request(method, path, content, PROTOBUF | {"Authorization": f"Bearer {key}"})
            answer = connection.getresponse()
            return answer.status, answer.read()


@pytest.fixture
def two(database: str, tmp_path: Path) -> Iterator[Processes]:
    started = Processes(database, tmp_path)
    yield started
    if started.process.poll() is None:
        started.process.terminate()
        started.process.wait(LIMIT_S)
    assert started.process.stdout is not None
    started.process.stdout.close()


@pytest.mark.timeout(180)
class TestTwoProcesses:
    def test_share_ports_and_what_a_key_may_are_seen_by_one_scrape_and_stop_together(
        self, two: Processes, make_key: Callable[..., str]
    ) -> None:
        two.wait_for_both()
        key = make_key(["ingest"])
        for _ in range(12):
            assert two.ask("POST", "/v1/traces", key, body(span())) == (200, b"")
            assert Caller(two.grpc_port).export(body(span()), key).code == "OK"
        for _ in range(4):  # whoever answers
            status, told = two.ask("GET", "/metrics")
            assert status == 200
            assert b'trivet_ingest_spans_total{result="stored"} 24.0' in told
            assert told.count(b"# TYPE trivet_ingest_spans_total") == 1
            assert b"trivet_outbox_waiting 0.0" in told
            assert b"process_cpu_seconds_total" not in told
        self.assert_a_key_revoked_at_one_is_refused_by_both(two, make_key)
        two.process.terminate()
        assert two.process.wait(LIMIT_S) == 0
        assert listeners(two.port) == listeners(two.grpc_port) == 0

    @staticmethod
    def assert_a_key_revoked_at_one_is_refused_by_both(two: Processes, make_key: Callable[..., str]) -> None:
        """Within five seconds."""
        admin, reader = make_key(["admin"]), make_key(["read"])

        def answers() -> set[int]:
            return {two.ask("GET", "/api/v1/scenarios", reader)[0] for _ in range(8)}  # whoever answers

        assert answers() == {200}
        with db.transaction() as session:
            newest = session.scalar(select(func.max(ApiKey.id)))
        assert two.ask("DELETE", f"/api/v1/keys/{newest}", admin)[0] in (200, 204)
        began = time.monotonic()
        while answers() != {401}:
            assert time.monotonic() - began < REVOKED_S
        assert answers() == {401}

    def test_come_back_where_one_is_killed_and_end_with_the_one_that_started_them(self, two: Processes) -> None:
        first, _ = two.wait_for_both()
        os.kill(first, signal.SIGKILL)
        assert eventually(lambda: len(set(children(two.process.pid)) - {first}) == 2)
        both = two.wait_for_both()
        two.process.kill()
        two.process.wait(LIMIT_S)
        assert first not in both
        assert eventually(lambda: listeners(two.port) == 0)


class TestPorts:
    @pytest.mark.parametrize("setting", ["TRIVET_PORT", "TRIVET_OTLP_GRPC_PORT"])
    def test_that_are_taken_are_named_with_the_setting(
        self, setting: str, database: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TRIVET_PORT", str(free_port()))
        with socket.socket() as holder:
            holder.bind(("127.0.0.1", 0))
            holder.listen()
            port = holder.getsockname()[1]
            monkeypatch.setenv(setting, str(port))
            get_settings.cache_clear()
            said = CliRunner().invoke(app, ["api"])
        assert said.exit_code == 1
        assert f"port {port} on 127.0.0.1 is in use" in said.stderr
        assert setting in said.stderr
