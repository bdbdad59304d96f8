"""The system account PostgreSQL runs as when we are root, which it refuses to be."""

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

_NAME = "pgserver"
_FALLBACK = "nobody"


@dataclass(frozen=True)
class Account:
    """A system account: numeric user and group, and its name."""

    uid: int
    gid: int
    name: str


def unprivileged() -> Account | None:
    """None where we are not root; else the account `pgserver`, made when missing, else `nobody`."""
    if os.geteuid() != 0:
        return None
    return _find(_NAME) or _make(_NAME) or _find(_FALLBACK)


def _find(name: str) -> Account | None:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return Account(entry.pw_uid, entry.pw_gid, name)


def _make(name: str) -> Account | None:
    useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin")
    if useradd is None:
        return None
    command = [useradd, "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", name]
    subprocess.run(command, check=False, capture_output=True)
    return _find(name)


def can_enter(account: Account | None, folder: Path) -> bool:
    """Whether the account may walk to `folder` (search permission on it and on every parent)."""
    if account is None:
        return True
    real = folder.resolve()
    return all(_may_search(account, part) for part in (real, *real.parents))


def _may_search(account: Account, folder: Path) -> bool:
    status = folder.stat()
    if status.st_uid == account.uid:
        return bool(status.st_mode & 0o100)
    if status.st_gid == account.gid:
        return bool(status.st_mode & 0o010)
    return bool(status.st_mode & 0o001)
