"""Where the embedded parts keep files, sockets and locks: short paths, owned by the right account."""

import contextlib
import fcntl
import hashlib
import os
import tempfile
from pathlib import Path

from trivet.embed.account import Account
from trivet.embed.child import EmbedError

# The kernel takes 107 bytes for a socket path; the file name itself needs up to 24 of them.
_SOCKET_FOLDER_LIMIT = 80


def make_folder(path: Path, account: Account | None = None, mode: int = 0o700) -> Path:
    """Create `path` (parents too), owned by `account`, with exactly `mode`."""
    path.mkdir(parents=True, exist_ok=True)
    if account is not None and path.stat().st_uid != account.uid:
        os.chown(path, account.uid, account.gid)
    path.chmod(mode)
    return path


def key(path: Path) -> str:
    """A short name for a path, the same on every start."""
    return hashlib.sha256(os.fsencode(path.absolute())).hexdigest()[:12]


def socket_folder(preferred: Path, account: Account | None) -> Path:
    """`preferred`, or where that is too long for a socket a private folder under /tmp named by its hash."""
    if len(os.fsencode(preferred)) <= _SOCKET_FOLDER_LIMIT:
        return make_folder(preferred, account)
    folder = Path(tempfile.gettempdir(), f"trivet-{key(preferred)}")
    _make_private(folder, account)
    return folder


def leave_socket_folder(folder: Path) -> None:
    """Remove the folder where it was made under /tmp and its server is gone."""
    if folder.parent == Path(tempfile.gettempdir()):
        with contextlib.suppress(OSError):
            folder.rmdir()


def _make_private(folder: Path, account: Account | None) -> None:
    """The name can be guessed, so a folder that is already there must be ours and no link."""
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    owner = account.uid if account else os.geteuid()
    if folder.is_symlink() or folder.stat().st_uid not in (owner, os.geteuid()):
        raise EmbedError(f"{folder} belongs to somebody else; remove it, or give a shorter --data-dir")
    make_folder(folder, account)


class Lock:
    """One running user per folder. The kernel frees it when the holder dies, however it dies."""

    def __init__(self, path: Path, what: str) -> None:
        self._path = path
        self._what = what
        self._descriptor: int | None = None

    def take(self) -> None:
        """Raise `EmbedError` naming the holder where another process has it."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 20).decode() or "unknown"
            os.close(descriptor)
            raise EmbedError(
                f"{self._what} is in use by another Trivet (process {holder}); stop it, or give another --data-dir"
            ) from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
        self._descriptor = descriptor

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
