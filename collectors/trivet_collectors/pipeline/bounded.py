"""Blocking calls that must not hold up a round: a sick GPU can hang inside the driver for seconds, or for ever."""

import threading
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Done(Generic[T]):
    """A call that ended in time, with its value or its error."""

    value: T | None = None
    error: Exception | None = None


class Bounded(Generic[K]):
    """Runs named calls side by side, each name on a daemon thread of its own that is kept for the name's next call.

    A call that has not come back is not started again until it has, so there is never more than one thread to a name. A C
    call cannot be interrupted; a daemon thread at least lets the process end.
    """

    def __init__(self) -> None:
        self._workers: dict[K, _Worker] = {}

    def run(self, calls: Mapping[K, Callable[[], T]], timeout_s: float) -> dict[K, Done[T]]:
        """What came back within `timeout_s`, by name. A name that is missing hangs. A late answer is thrown away."""
        answers: SimpleQueue[tuple[K, Done[T]]] = SimpleQueue()
        started = sum(self._worker(name).start(name, call, answers) for name, call in calls.items())
        deadline = time.monotonic() + timeout_s
        done: dict[K, Done[T]] = {}
        while len(done) < started:
            try:
                name, answer = answers.get(timeout=max(0.0, deadline - time.monotonic()))
            except Empty:
                break
            done[name] = answer
        return done

    def hangs(self, name: K) -> bool:
        worker = self._workers.get(name)
        return worker is not None and worker.busy

    def close(self) -> None:
        """Lets the threads end, each as soon as its call has come back."""
        for worker in self._workers.values():
            worker.inbox.put(None)
        self._workers.clear()

    def _worker(self, name: K) -> "_Worker":
        if name not in self._workers:
            self._workers[name] = _Worker(name)
        return self._workers[name]


class _Worker:
    """One thread that makes one call after the other."""

    def __init__(self, name: object) -> None:
        self.busy = False
        self.inbox: SimpleQueue[tuple[Any, Callable[[], Any], SimpleQueue[Any]] | None] = SimpleQueue()
        threading.Thread(target=self._work, name=f"trivet-{name}", daemon=True).start()

    def start(self, name: Any, call: Callable[[], Any], answers: SimpleQueue[Any]) -> bool:
        """Whether the call was started: not while the one before has not come back."""
        if self.busy:
            return False
        self.busy = True
        self.inbox.put((name, call, answers))
        return True

    def _work(self) -> None:
        while (task := self.inbox.get()) is not None:
            name, call, answers = task
            try:
                done: Done[Any] = Done(value=call())
            except Exception as error:  # handed to whoever asked
                done = Done(error=error)
            self.busy = False
            answers.put((name, done))
            del task, call, answers, done  # nothing is kept alive while the thread waits
