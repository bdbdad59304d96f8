"""Child processes: started on a leash, logged to a file, stopped within a time limit."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from trivet.embed.account import Account

_LEASH = Path(__file__).with_name("leash.py")
_POLL_S = 0.01


class EmbedError(RuntimeError):
    """An embedded part cannot start or stop; the message says what to do."""


def spawn(
    command: Sequence[str],
    log: Path | None,
    *,
    death_signal: signal.Signals = signal.SIGTERM,
    account: Account | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start `command` so that it dies with us; both its outputs are appended to `log`, or go where ours go.

    It gets a session of its own: Ctrl-C reaches only the supervisor, which stops its children in order.
    Must be called from a thread that lives as long as the child should: the kernel ties the leash to it.
    """
    uid, gid = (account.uid, account.gid) if account else (-1, -1)
    leash = [sys.executable, "-I", "-S", str(_LEASH), str(os.getpid()), str(int(death_signal)), str(uid), str(gid)]
    with open_log(log) if log else contextlib.nullcontext() as output:
        return subprocess.Popen(
            [*leash, *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT if log else None,
            env=None if env is None else dict(env),
            cwd=cwd,
            start_new_session=True,
        )


@contextlib.contextmanager
def open_log(path: Path) -> Iterator[int]:
    """A descriptor that only appends, so that the file may be cut while a child holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def stop(process: subprocess.Popen[bytes], signals: Sequence[tuple[signal.Signals, float]]) -> None:
    """Send each signal in turn and wait its seconds; SIGKILL at the end. Returns when the process is gone."""
    for number, patience_s in signals:
        if process.poll() is not None:
            return
        process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=patience_s)
            return
    process.kill()
    process.wait()


def wait_until(ready: Callable[[], bool], process: subprocess.Popen[bytes], limit_s: float) -> bool:
    """Whether `ready()` came true within `limit_s` while the process lived."""
    deadline = time.monotonic() + limit_s
    while process.poll() is None and time.monotonic() < deadline:
        if ready():
            return True
        time.sleep(_POLL_S)
    return False


def end_orphan(pid: int, owns: str, number: signal.Signals, patience_s: float) -> None:
    """End process `pid` left by a killed parent, if its command line still names `owns` (pids are reused)."""
    deadline = time.monotonic() + patience_s
    step = number
    while runs(pid, owns):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, step)
        if time.monotonic() > deadline:
            step = signal.SIGKILL
        time.sleep(0.05)


def runs(pid: int, owns: str) -> bool:
    """Whether `pid` is a living process whose command line names `owns`."""
    try:
        return owns.encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
