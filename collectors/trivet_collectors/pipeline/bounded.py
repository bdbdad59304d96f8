"""Blocking calls that must not hold up a round: a sick GPU can hang inside the driver for seconds, or for ever."""

import threading
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


@dataclass(frozen=True)
class Done(Generic[T]):
    """A call that ended in time, with its value or its error."""

    value: T | None = None
    error: Exception | None = None


class Bounded(Generic[K]):
    """Runs named calls side by side, each on a daemon thread of its own.

    A call that has not come back is not started again until it has, so there is never more than one thread to a name. A C
    call cannot be interrupted; a daemon thread at least lets the process end.
    """

    def __init__(self) -> None:
        self._running: dict[K, threading.Thread] = {}

    def run(self, calls: Mapping[K, Callable[[], T]], timeout_s: float) -> dict[K, Done[T]]:
        """What came back within `timeout_s`, by name. A name that is missing hangs. A late answer is thrown away."""
        done: dict[K, Done[T]] = {}
        started = [self._start(name, call, done) for name, call in calls.items() if not self.hangs(name)]
        deadline = time.monotonic() + timeout_s
        for thread in started:
            thread.join(max(0.0, deadline - time.monotonic()))
        return dict(done)

    def hangs(self, name: K) -> bool:
        thread = self._running.get(name)
        return thread is not None and thread.is_alive()

    def _start(self, name: K, call: Callable[[], T], done: dict[K, Done[T]]) -> threading.Thread:
        def run() -> None:
            try:
                done[name] = Done(value=call())
            except Exception as error:  # handed to whoever asked
                done[name] = Done(error=error)

        thread = threading.Thread(target=run, name=f"trivet-{name}", daemon=True)
        self._running[name] = thread
        thread.start()
        return thread
