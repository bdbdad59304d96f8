"""Lines of a child's log that concern the person at the console, passed on as they are written. Bounded."""

from collections.abc import Iterator
from pathlib import Path

_READ_BYTES = 64 << 10  # at once; what is written faster is read at the next look
LINES_MAX = 200
COLUMNS_MAX = 200


class Echo:
    """New whole lines of `log` that begin with `start`; at most `LINES_MAX` in all. Begins at the log's present end."""

    def __init__(self, log: Path, start: str) -> None:
        self._log = log
        self._start = start.encode()
        self._at = _size(log)
        self._left = LINES_MAX

    def news(self) -> Iterator[str]:
        """What was written since the last look."""
        size = _size(self._log)
        self._at = self._at if self._at <= size else 0  # the log was cut
        if self._at == size or not self._left:
            return
        with self._log.open("rb") as file:
            file.seek(self._at)
            read = file.read(_READ_BYTES)
        whole, end, _ = read.rpartition(b"\n")
        if not end and len(read) < _READ_BYTES:
            return  # half a line; one that fills the whole look is passed over
        self._at += len(whole) + 1 if end else len(read)
        for line in whole.split(b"\n"):
            if line.startswith(self._start) and self._left:
                self._left -= 1
                yield line.decode(errors="replace")[:COLUMNS_MAX]


def _size(log: Path) -> int:
    try:
        return log.stat().st_size
    except FileNotFoundError:
        return 0
