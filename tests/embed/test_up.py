"""`trivet up` as a person runs it: the real command, killed and stopped in every way."""

import contextlib
import http.client
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from tests.support.grpc_server import Caller

from trivet.embed import keepsakes, left_over
from trivet.embed.child import EmbedError
from trivet.embed.ports import refuse_port_in_use
from trivet.embed.up import Options, answers, up
from trivet.settings import get_settings

START_LIMIT_S = 60.0
STOP_LIMIT_S = 40.0
PROGRAMS = ["api", "beat", "worker-control", "worker-work"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Up:
    """One run of the command; its console is read by a thread, so that it never blocks."""

    def __init__(self, data_dir: Path, port: int, settings: Mapping[str, str]) -> None:
        self.data_dir, self.port, self.grpc_port = data_dir, port, free_port()
        self.lines: list[str] = []
        env = {name: value for name, value in os.environ.items() if not name.startswith("TRIVET_")} | dict(settings)
        command = [sys.executable, "-m", "trivet.cli", "up", "--data-dir", str(data_dir), "--port", str(port)]
        command += ["--otlp-grpc-port", str(self.grpc_port)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.lines.extend(line.rstrip("\n") for line in self.process.stdout)

    def _read_so_far(self) -> str:
        return "\n".join(self.lines)

    def wait_for(self, text: str, limit_s: float = START_LIMIT_S) -> str:
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            for line in list(self.lines):
                if text in line:
                    return line
            if self.process.poll() is not None and not self._reader.is_alive():
                break
            time.sleep(0.02)
        raise AssertionError(f"{text!r} was not said; but:\n{self._read_so_far()}")

    def pid(self, name: str) -> int:
        return int((self.data_dir / "run" / f"{name}.pid").read_text())

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        status = self.process.wait(timeout=STOP_LIMIT_S)
        self._reader.join(timeout=5)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status


@pytest.fixture(scope="class")
def folder() -> Iterator[Path]:
    """A folder that the server's account may walk to, which pytest's own is not when we are root."""
    made = Path(tempfile.mkdtemp(prefix="trivet-test-"))
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="class")
def start(folder: Path) -> Iterator[Callable[..., Up]]:
    runs: list[Up] = []

    def make(**settings: str) -> Up:
        runs.append(Up(folder, free_port(), settings))
        return runs[-1]

    yield make
    for run in runs:
        run.end()


@pytest.fixture(scope="class")
def first(start: Callable[..., Up]) -> Up:
    """A run on an empty folder."""
    run = start()
    run.wait_for("Ctrl-C stops everything")
    return run


@pytest.fixture(scope="class")
def second(start: Callable[..., Up], first: Up) -> Up:
    """A run on what the first has left, which was killed."""
    first.end(signal.SIGKILL)
    assert eventually(lambda: everything_of(first.data_dir) == [])
    run = start()
    run.wait_for("Ctrl-C stops everything")
    return run


def everything_of(data_dir: Path) -> list[int]:
    """Supervised programs, and the two stores, which name the directory in their command line or environment."""
    found = set(left_over.find(data_dir))
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
        except OSError:
            continue
        if str(data_dir).encode() in command and b"trivet.cli\0up" not in command:
            found.add(int(process.name))
    return sorted(found)


def eventually(check: Callable[[], bool], limit_s: float = 30.0) -> bool:
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        if check():
            return True
        time.sleep(0.05)
    return False


@pytest.mark.timeout(240)
class TestUp:
    """One life after another on the same data: each test goes on from where the one before has left it."""

    def test_says_where_the_page_is_and_how_to_sign_in(self, first: Up) -> None:
        assert answers("127.0.0.1", first.port)
        assert first.wait_for("page:").endswith(f"http://127.0.0.1:{first.port}/")
        admin = keepsakes.admin(first.data_dir, "", "")
        assert admin.password
        assert first.wait_for("sign in:").split() == ["sign", "in:", admin.email, admin.password]

    def test_says_where_telemetry_goes(self, first: Up) -> None:
        assert first.wait_for("OTLP:").endswith(f"gRPC: http://127.0.0.1:{first.grpc_port}")
        assert Caller(first.grpc_port).export(b"").code == "UNAUTHENTICATED"

    def test_makes_keys_as_it_says(self, first: Up) -> None:
        """A key made by the command that is printed is good at once."""
        _, _, said = first.wait_for("keys:").partition("trivet ")
        command = [sys.executable, "-m", "trivet.cli", *shlex.split(said.replace("NAME", "setup"))]
        env = {name: value for name, value in os.environ.items() if not name.startswith("TRIVET_")}
        made = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=env)
        assert made.returncode == 0, made.stderr
        asked = http.client.HTTPConnection("127.0.0.1", first.port, timeout=10)
        body = b'{"context": {"backend": "gateway-1"}}'
        headers = {"Authorization": f"Bearer {made.stdout.strip()}", "Content-Type": "application/json"}
        with contextlib.closing(asked):
            asked.request("POST", "/ofrep/v1/evaluate/flags", body, headers)
            assert asked.getresponse().status == 200

    def test_refuses_a_second_run_on_the_same_data_and_goes_on(self, start: Callable[..., Up], first: Up) -> None:
        another = start()
        another.wait_for(f"in use by another Trivet (process {first.process.pid})")
        assert another.process.wait(timeout=STOP_LIMIT_S) == 1
        assert answers("127.0.0.1", first.port)

    def test_a_killed_supervisor_leaves_nothing_behind_and_the_next_start_works(self, first: Up, second: Up) -> None:
        assert first.process.returncode == -signal.SIGKILL
        assert answers("127.0.0.1", second.port)

    def test_started_again_finds_its_data_and_is_quick(self, first: Up, second: Up) -> None:
        seconds = re.search(r"ready in ([\d.]+) s", second.wait_for("ready in"))
        assert second.wait_for("sign in:") == first.wait_for("sign in:")
        assert seconds
        # The promise is 10 s, measured in `make bench`; here other tests run beside on the same cores.
        assert float(seconds[1]) < 30

    def test_a_killed_api_and_a_killed_database_come_back(self, second: Up) -> None:
        os.kill(second.pid("api"), signal.SIGKILL)
        second.wait_for("api died (signal SIGKILL)")
        second.wait_for("api restarted")
        os.kill(second.pid("postgres"), signal.SIGKILL)
        second.wait_for("postgres restarted")
        assert eventually(lambda: answers("127.0.0.1", second.port) and database_answers(second.port))

    def test_stops_in_order_and_leaves_nothing_behind(self, second: Up) -> None:
        assert second.end(signal.SIGINT) == 0
        stops = [line.removeprefix("stopping ") for line in second.lines if line.startswith("stopping ")]
        assert stops == ["beat", "worker-control", "worker-work", "api", "redis", "postgres"]
        assert everything_of(second.data_dir) == []


@pytest.mark.timeout(240)
class TestStoresOfOnesOwn:
    def test_replace_the_embedded_ones(
        self, start: Callable[..., Up], folder: Path, database_url: str, broker_url: str
    ) -> None:
        run = start(TRIVET_DATABASE_URL=database_url, TRIVET_BROKER_URL=broker_url)
        run.wait_for("Ctrl-C")
        assert database_answers(run.port)
        assert sorted(path.stem for path in (folder / "run").glob("*.pid")) == PROGRAMS
        assert not (folder / "postgres").exists()
        assert not (folder / "redis").exists()


def database_answers(port: int) -> bool:
    """Whether `/readyz` finds the database."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return b'"database":"ok"' in connection.getresponse().read()
    except OSError:
        return False
    finally:
        connection.close()


class TestPort:
    def test_of_grpc_is_asked_for_before_anything_is_made(self, data_dir: Path) -> None:
        with socket.socket() as holder:
            holder.bind(("127.0.0.1", 0))
            holder.listen()
            port = holder.getsockname()[1]
            with pytest.raises(EmbedError, match=rf"port {port} .* --otlp-grpc-port {port + 1}"):
                up(Options(data_dir, "127.0.0.1", free_port(), port, demo=False), get_settings(), print)
        assert list(data_dir.iterdir()) == []

    def test_a_port_in_use_is_named_with_what_to_do(self) -> None:
        with socket.socket() as holder:
            holder.bind(("127.0.0.1", 0))
            holder.listen()
            port = holder.getsockname()[1]
            with pytest.raises(EmbedError, match=rf"port {port} on 127.0.0.1 is in use: .*--port {port + 1}"):
                refuse_port_in_use("127.0.0.1", port)

    def test_an_address_that_is_not_ours_is_named_too(self) -> None:
        with pytest.raises(EmbedError, match=r"cannot listen on 192\.0\.2\.1"):
            refuse_port_in_use("192.0.2.1", 8000)


class TestKeepsakes:
    def test_the_key_and_the_sign_in_are_made_once_and_closed_to_others(self, tmp_path: Path) -> None:
        key, admin = keepsakes.secret_key(tmp_path, ""), keepsakes.admin(tmp_path, "", "")
        assert keepsakes.secret_key(tmp_path, "") == key
        assert keepsakes.admin(tmp_path, "", "") == admin
        assert len(key) >= 32
        for name in ("secret.key", "admin.txt"):
            assert (tmp_path / name).stat().st_mode & 0o077 == 0

    def test_a_given_password_is_kept_nowhere(self, tmp_path: Path) -> None:
        admin = keepsakes.admin(tmp_path, "ann@example.com", "correct horse")
        assert admin == keepsakes.Admin("ann@example.com", None)
        assert "horse" not in (tmp_path / "admin.txt").read_text()
        assert keepsakes.admin(tmp_path, "", "") == admin

    def test_a_given_key_wins_and_is_kept_nowhere(self, tmp_path: Path) -> None:
        assert keepsakes.secret_key(tmp_path, "given") == "given"
        assert list(tmp_path.iterdir()) == []
