"""The logs of the parts: bounded while the parts write, and readable."""

import contextlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

LIMIT_BYTES = 10 << 20
_TAIL_BYTES = 1 << 20


def bound_logs(paths: Iterable[Path], limit_bytes: int = LIMIT_BYTES) -> None:
    """Move a log that has grown over the limit to `NAME.log.1` and cut it in place.

    The writer appends (`O_APPEND`) and goes on at the start; it needs no signal. A line written in the moment between
    copy and cut is lost, which a log can bear and a database could not.
    """
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_size > limit_bytes:
                shutil.copyfile(path, path.with_name(f"{path.name}.1"))
                os.truncate(path, 0)


def tail(path: Path, lines: int = 15) -> str:
    """The last lines of a log; empty where there is none."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])
    return ""
