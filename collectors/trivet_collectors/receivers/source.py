"""What a receiver is to the agent that runs it."""

from collections.abc import Sequence
from typing import Protocol

from trivet_collectors.pipeline.histogram import Spread
from trivet_collectors.pipeline.reading import Reading


class SourceError(Exception):
    """The source cannot be read now. The message is one line that says why, and what to do where that is known."""


class NoSourceError(SourceError):
    """The source cannot be read by this process: not now, and not later without a new one."""


class Source(Protocol):
    """One source, read again and again on one thread. Each read is bounded in time."""

    name: str
    interval_s: float

    def open(self) -> None:
        """Finds the source. SourceError when it is not there."""

    def read(self) -> Sequence[Reading | Spread]:
        """What the source says now: nothing where nothing is known. SourceError when it cannot be asked."""

    def close(self) -> None:
        """Lets the source go."""
