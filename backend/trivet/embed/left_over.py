"""Processes that an earlier `trivet up` left behind, found by a mark in their environment.

The leash (`leash.py`) ends children with their supervisor; this catches what it cannot: grandchildren, and kernels
without it. Called only by the holder of the data directory's lock, so whoever carries the mark is left over.
"""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

MARK = "TRIVET_SUPERVISED_IN"


def mark(data_dir: Path) -> dict[str, str]:
    """Environment of every child of the supervisor of `data_dir`."""
    return {MARK: str(data_dir.absolute())}


def find(data_dir: Path) -> Iterator[int]:
    """Process ids that carry the mark of `data_dir`."""
    wanted = f"{MARK}={data_dir.absolute()}".encode()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if int(process.name) != os.getpid() and wanted in (process / "environ").read_bytes().split(b"\0"):
                yield int(process.name)


def end(data_dir: Path, patience_s: float = 5.0) -> int:
    """End them, first asking; returns how many there were.

    One that is just becoming another program has no environment for a moment: whoever is found later counts too.
    """
    found: set[int] = set()
    deadline = time.monotonic() + patience_s
    number = signal.SIGTERM
    while remaining := set(find(data_dir)):
        found |= remaining
        for pid in remaining:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        time.sleep(0.05)
        if time.monotonic() > deadline:
            number = signal.SIGKILL
    return len(found)
