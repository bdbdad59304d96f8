"""Server-sent events out of the bytes they come in. Pure: bytes in, messages out, however they were cut up on the way."""

import re
from dataclasses import dataclass
from typing import Final

HELD_BYTES_MAX: Final = 64 * 1024  # of a message that has not ended
RETRY_MS: Final = (100, 300_000)
_LINE_END = re.compile(rb"\r\n|\n|\r(?!\Z)")  # a CR at the end may be half of a CRLF


class TooLongError(ValueError):
    """A message without end: nobody of ours sends that."""


@dataclass(frozen=True)
class Message:
    data: str
    id: str


class Messages:
    """Feed it bytes. `retry_s` is how long the server wishes a client to wait before it comes back; None: no wish."""

    def __init__(self) -> None:
        self.retry_s: float | None = None
        self._rest = b""
        self._data: list[str] = []
        self._id = ""

    def feed(self, chunk: bytes) -> list[Message]:
        """The messages that end in this chunk."""
        lines = _LINE_END.split(self._rest + chunk)
        self._rest = lines.pop()
        found = [message for line in lines if (message := self._take(line.decode(errors="replace"))) is not None]
        if len(self._rest) + sum(map(len, self._data)) > HELD_BYTES_MAX:
            raise TooLongError(f"a message of more than {HELD_BYTES_MAX} bytes")
        return found

    def _take(self, line: str) -> Message | None:
        if not line:
            data, self._data = self._data, []
            return Message("\n".join(data), self._id) if data else None
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            self._data.append(value)
        elif field == "id" and "\0" not in value:
            self._id = value
        elif field == "retry" and value.isascii() and value.isdecimal():
            least, most = RETRY_MS
            self.retry_s = min(most, max(least, int(value[:9]))) / 1000
        return None
