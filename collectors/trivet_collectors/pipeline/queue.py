"""Exports that wait, on disk: bounded, in order, and still there after the agent or the machine was killed.

One file to an export, named for the moment it was put (nanoseconds since 1970, never the same twice). A file is written
under another name, synced and then renamed, so one that has its name is whole; one that is not (a disk that lied) is set aside.
"""

import contextlib
import errno
import fcntl
import gzip
import logging
import os
import threading
import time
import zlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

log = logging.getLogger("trivet.collector")

SUFFIX: Final = ".otlp.gz"
TORN: Final = ".torn"
WRITING: Final = ".tmp"
TORN_MAX: Final = 10  # files kept to be looked at
FILES_MAX: Final = 100_000
NS: Final = 1_000_000_000

# What befalls a disk, and is no fault of who named it: a node that has come up with it still has cards to be read.
DISK_TROUBLE: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO})

# Why an export went unsent.
FULL: Final = "queue_full"
TOO_OLD: Final = "too_old"
TOO_LARGE: Final = "too_large"
NOT_WHOLE: Final = "torn"
GONE: Final = "file_gone"


class QueueInUseError(Exception):
    """Another process has this queue. The message is one line that says what to do."""


@dataclass(frozen=True)
class Waiting:
    """An export that waits. `body` is here when it could not be put on disk, or is not to be."""

    name: str
    size: int
    body: bytes | None = None

    @property
    def put_ns(self) -> int:
        return int(self.name.removesuffix(SUFFIX))


class Queue:
    """At most `bytes_max` bytes of exports, none older than `age_max_s`; the oldest go first, and each that goes is counted.

    `directory` None keeps them in memory. `dropped(reason, exports)` is told of each loss. Safe between threads.
    """

    def __init__(
        self,
        directory: Path | None,
        bytes_max: int,
        age_max_s: float,
        dropped: Callable[[str], None],
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.bytes = 0
        self._directory = directory
        self._bytes_max = bytes_max
        self._age_max_ns = int(age_max_s * NS)
        self._dropped = dropped
        self._now_ns = now_ns
        self._waiting: OrderedDict[str, Waiting] = OrderedDict()
        self._changed = threading.Condition()
        self._last_ns = 0
        self._unwritable = False
        self._lock_file: int | None = None
        if directory is not None:
            try:
                self._open(directory)
            except OSError as error:
                if error.errno not in DISK_TROUBLE:
                    raise
                log.warning("the queue is kept in memory until the next start, its disk does not take it: %s", error)
                self.close()
                self._waiting.clear()
                self.bytes, self._directory = 0, None

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def age_s(self) -> float:
        """Of the oldest export that waits; 0 when none does."""
        with self._changed:
            oldest = next(iter(self._waiting.values()), None)
        return max(0.0, (self._now_ns() - oldest.put_ns) / NS) if oldest else 0.0

    def put(self, body: bytes) -> None:
        """Keeps a gzip body until it is `done`. On disk when this returns, where a disk takes it."""
        with self._changed:
            if len(body) > self._bytes_max:
                self._dropped(TOO_LARGE)
                return
            while self._waiting and (self.bytes + len(body) > self._bytes_max or len(self._waiting) >= FILES_MAX):
                self._drop(next(iter(self._waiting.values())), FULL)
            self._last_ns = max(self._last_ns + 1, self._now_ns())
            name = f"{self._last_ns:020d}{SUFFIX}"
            self._add(Waiting(name, len(body), None if self._written(name, body) else body))
            self._changed.notify_all()

    def first(self) -> tuple[Waiting, bytes] | None:
        """The oldest export that can still be sent, with its body. It stays until it is `done`."""
        with self._changed:
            while self._waiting:
                waiting = next(iter(self._waiting.values()))
                if self._now_ns() - waiting.put_ns > self._age_max_ns:
                    self._drop(waiting, TOO_OLD)
                elif (body := self._body(waiting)) is not None:
                    return waiting, body
            return None

    def done(self, waiting: Waiting) -> None:
        """Forgets an export that was sent, or refused. One that went meanwhile is none to forget."""
        with self._changed:
            if self._waiting.pop(waiting.name, None) is not None:
                self.bytes -= waiting.size
                self._delete(waiting)

    def wait(self, timeout_s: float) -> None:
        """Until there may be something to send, `wake` is called or the time is over."""
        with self._changed:
            if not self._waiting:
                self._changed.wait(timeout_s)

    def wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None

    def _open(self, directory: Path) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock_file = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self.close()
            raise QueueInUseError(f"{directory} is in use by another agent: give each its own queue.dir") from error
        for path in directory.glob(f"*{WRITING}"):
            path.unlink(missing_ok=True)  # never promised to anybody
        for path in sorted(directory.glob(f"*{TORN}"))[:-TORN_MAX]:
            path.unlink(missing_ok=True)
        for path in sorted(directory.glob(f"*{SUFFIX}")):
            if path.name.removesuffix(SUFFIX).isdecimal():
                self._add(Waiting(path.name, path.stat().st_size))
        if self._waiting:
            self._last_ns = next(reversed(self._waiting.values())).put_ns

    def _add(self, waiting: Waiting) -> None:
        self._waiting[waiting.name] = waiting
        self.bytes += waiting.size

    def _drop(self, waiting: Waiting, reason: str) -> None:
        self.done(waiting)
        self._dropped(reason)

    def _written(self, name: str, body: bytes) -> bool:
        """True when it is on disk. A disk that does not take it is said once, and memory keeps what it can."""
        if self._directory is None:
            return False
        try:
            _write(self._directory, name, body)
        except OSError as error:
            if not self._unwritable:
                log.warning("the queue is kept in memory, its disk does not take it: %s", error)
            self._unwritable = True
            return False
        if self._unwritable:
            log.warning("the queue is on disk again")
        self._unwritable = False
        return True

    def _body(self, waiting: Waiting) -> bytes | None:
        """The export's bytes, or None when they are not there or not whole, and it is out of the queue."""
        if waiting.body is not None or self._directory is None:
            return waiting.body
        path = self._directory / waiting.name
        try:
            body = path.read_bytes()
        except OSError as error:
            body, reason = b"", GONE if isinstance(error, FileNotFoundError) else NOT_WHOLE
        else:
            reason = NOT_WHOLE
        if _whole(body):
            return body
        with contextlib.suppress(OSError):
            path.rename(path.with_name(waiting.name + TORN))
        self._drop(waiting, reason)
        log.warning("an export could not be read back and was set aside: %s", path)
        return None

    def _delete(self, waiting: Waiting) -> None:
        if self._directory is not None and waiting.body is None:
            with contextlib.suppress(OSError):  # one that stays is sent again, which changes nothing
                (self._directory / waiting.name).unlink()


def _whole(body: bytes) -> bool:
    """Whether length and sum of a gzip body hold. An empty one, as a crash may leave, is not whole."""
    try:
        return bool(gzip.decompress(body))
    except (EOFError, OSError, zlib.error):
        return False


def _write(directory: Path, name: str, body: bytes) -> None:
    """Whole or not at all, also when the power goes."""
    writing = directory / f"{name}{WRITING}"
    try:
        with os.fdopen(os.open(writing, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        writing.rename(directory / name)
    except OSError:
        with contextlib.suppress(OSError):
            writing.unlink(missing_ok=True)
        raise
    folder = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
