"""The last policy document: in memory for every evaluation, on disk for the next start.

The file is replaced whole or not at all, is readable by its owner only, and is never trusted: what cannot be read, is for
another backend or is no document counts as missing.
"""

import contextlib
import json
import os
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from trivet_collectors.policy.document import DocumentRefusedError, checked

FILE_VERSION: Final = 1
FILE_BYTES_MAX: Final = 16 * 1024 * 1024
# A poll a second extends `valid_until` by a second. Writing each would wear the disk; losing this much of it costs nothing.
VALID_UNTIL_LAG_MAX_S: Final = 30.0


@dataclass(frozen=True)
class Held:
    """A document and the ETag it came with: together what this backend can say it holds."""

    document: dict[str, Any]
    etag: str | None


class Store:
    """Holds one document for `backend` as served by `endpoint`. `path` None keeps it in memory only.

    One thread writes (the poller); any number read `held`, which is swapped whole.
    """

    def __init__(self, path: Path | None, *, endpoint: str, backend: str) -> None:
        self.path = path
        self.endpoint = endpoint
        self.backend = backend
        self.held: Held | None = None
        self.problem: str | None = None
        self._written_valid_until: str | None = None

    def load(self) -> Held | None:
        """Takes what the file holds into memory. Nothing usable leaves memory empty and names the `problem`."""
        if self.path is None:
            return None
        try:
            self.held = self._read(self.path)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            self.problem = f"state file not used: {error}"
            return None
        self._written_valid_until = self.held.document.get("valid_until")
        return self.held

    def hold(self, document: dict[str, Any], etag: str | None) -> None:
        """A new document takes the place of the old one, on disk and then in memory."""
        held = Held(document, etag)
        self._write(held)
        self.held = held

    def extend(self, valid_until: str) -> None:
        """The server confirmed what is held and says until when it is valid."""
        if self.held is None:
            return
        self.held = replace(self.held, document={**self.held.document, "valid_until": valid_until})
        if _lag_s(self._written_valid_until, valid_until) >= VALID_UNTIL_LAG_MAX_S:
            self._write(self.held)

    def flush(self) -> None:
        """Writes what a stop would otherwise lose of `valid_until`."""
        if self.held is not None and self.held.document.get("valid_until") != self._written_valid_until:
            self._write(self.held)

    def _read(self, path: Path) -> Held:
        with path.open("rb") as file:
            raw = file.read(FILE_BYTES_MAX + 1)
        if len(raw) > FILE_BYTES_MAX:
            raise DocumentRefusedError(f"larger than {FILE_BYTES_MAX} bytes")
        kept = json.loads(raw)
        if kept["version"] != FILE_VERSION or kept["backend"] != self.backend:
            raise DocumentRefusedError("written for another backend or by another version")
        # Another server's ETag says nothing to this one. The document stays: the last state is better than none.
        etag = kept["etag"] if kept["endpoint"] == self.endpoint and isinstance(kept["etag"], str) else None
        return Held(checked(kept["document"], self.backend), etag)

    def _write(self, held: Held) -> None:
        """A full disk must not keep a backend from obeying: the document is then held in memory, and `problem` says so."""
        if self.path is None:
            return
        kept = {
            "version": FILE_VERSION,
            "endpoint": self.endpoint,
            "backend": self.backend,
            "etag": held.etag,
            "document": held.document,
        }
        try:
            replace_file(self.path, json.dumps(kept).encode())
        except OSError as error:
            self.problem = f"state file not written: {error}"
            return
        self.problem = None
        self._written_valid_until = held.document.get("valid_until")


def replace_file(path: Path, content: bytes) -> None:
    """Replaces `path` so that after a crash it holds the old content or the new, whole, with mode 0600."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # The process id keeps two workers that share one path off each other's half-written file.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.unlink(missing_ok=True)  # left by a crash; a fresh file has our mode and is no link to elsewhere
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _lag_s(written: str | None, valid_until: str) -> float:
    if written is None:
        return VALID_UNTIL_LAG_MAX_S
    # Either direction: a server may also shorten the time limit.
    return abs((datetime.fromisoformat(valid_until) - datetime.fromisoformat(written)).total_seconds())
