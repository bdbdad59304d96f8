"""Read, send, wait: once, or until told to stop."""

import threading
import time
from collections.abc import Callable, Sequence

from trivet_collectors.pipeline.reading import Reading

Read = Callable[[], Sequence[Reading]]
Send = Callable[[Sequence[Reading]], bool]


def follow(read: Read, send: Send, interval_s: float, stop: threading.Event) -> None:
    """Rounds until `stop` is set. A round that takes longer than the interval makes the next one late, not two."""
    due = time.monotonic()
    while not stop.is_set():
        send(read())
        due = max(due + interval_s, time.monotonic())
        stop.wait(due - time.monotonic())
