"""One process that runs every receiver of a configuration and sends what they read.

A thread to each receiver, so that one that hangs holds up no other; a thread that sends. Threads are daemons: nothing a
source or a network does keeps the process from ending. What was read and not yet sent waits in the queue.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from trivet_collectors.pipeline.aggregate import Aggregator
from trivet_collectors.pipeline.deliver import Sender
from trivet_collectors.pipeline.encode import exports
from trivet_collectors.pipeline.histogram import Spread, Spreads
from trivet_collectors.pipeline.meters import Meters
from trivet_collectors.pipeline.queue import Queue
from trivet_collectors.pipeline.reading import Reading
from trivet_collectors.receivers.source import NoSourceError, Source, SourceError

log = logging.getLogger("trivet.collector")

BACKOFF_MAX_S: Final = 60.0
READ_DRAIN_S: Final = 3.0  # that receivers have to end their round when the agent is told to stop
SEND_DRAIN_S: Final = 3.0  # that what was read then has to be sent, before it is left to the next start
NS: Final = 1_000_000_000


class Reader(threading.Thread):
    """Reads one source until told to stop. `lost` is set when only a new process could read it again."""

    def __init__(
        self,
        source: Source,
        *,
        resource: Mapping[str, str],
        send_interval_s: float,
        queue: Queue,
        meters: Meters,
        stop: threading.Event,
    ) -> None:
        super().__init__(name=f"trivet-{source.name}", daemon=True)
        self.lost: str | None = None
        self.readings = 0
        self._source = source
        self._resource = resource
        self._send_interval_ns = int(send_interval_s * NS)
        self._queue = queue
        self._meters = meters
        self._stop_asked = stop
        self._open = False
        self._failures = 0
        now = time.time_ns()
        self._aggregator = Aggregator(now)
        self._spreads = Spreads(now)
        self._refused = 0
        meters.up.labels(source.name).set(0)

    @property
    def failing(self) -> bool:
        return bool(self._failures)

    def run(self) -> None:
        due = time.monotonic()
        edge = self._edge(time.time_ns())
        while not self._stop_asked.is_set() and self.lost is None:
            self.round()
            now = self._edge(time.time_ns())
            if now != edge:
                self.flush()
                edge = now
            due = max(due + self._pause_s(), time.monotonic())
            self._stop_asked.wait(due - time.monotonic())
        self.flush()
        self._source.close()

    def round(self) -> None:
        """One reading of the source. Whatever goes wrong in it is this receiver's alone."""
        began = time.monotonic()
        try:
            if not self._open:
                self._source.open()
                self._open = True
            self._take(self._source.read())
        except NoSourceError as error:
            self._failed(error)
            self.lost = str(error)
        except Exception as error:
            self._failed(error)
        else:
            self._went_well()
        self._meters.round_seconds.labels(self._source.name).observe(time.monotonic() - began)

    def flush(self) -> None:
        """What was read since the last time into the queue."""
        now = time.time_ns()
        points = self._aggregator.take(now) + self._spreads.take(now)
        try:
            for body in exports(points, self._resource):
                self._queue.put(body)
            self._meters.points.labels(self._source.name).inc(len(points))
        except Exception as error:  # a count no protobuf holds: one such point must not end the receiver
            self._meters.refused.labels(self._source.name, "not_encodable").inc(len(points))
            if self._meters.first_of(f"{self._source.name} not encodable"):
                log.warning("%s gave what cannot be sent: %s", self._source.name, error)
        refused = self._aggregator.refused + self._spreads.refused
        if refused > self._refused:
            self._meters.refused.labels(self._source.name, "not_finite_or_too_many_series").inc(refused - self._refused)
            self._refused = refused

    def _take(self, read: Sequence[Reading | Spread]) -> None:
        now = time.time_ns()
        self.readings += len(read)
        self._aggregator.add([r for r in read if isinstance(r, Reading)], now)
        self._spreads.add([r for r in read if isinstance(r, Spread)], now)

    def _failed(self, error: Exception) -> None:
        self._meters.rounds.labels(self._source.name, "failed").inc()
        self._meters.up.labels(self._source.name).set(0)
        self._failures += 1
        if self._failures == 1:
            told = str(error) if isinstance(error, SourceError) else f"{type(error).__name__}: {error}"
            log.warning("%s cannot be read: %s", self._source.name, told)

    def _went_well(self) -> None:
        self._meters.rounds.labels(self._source.name, "ok").inc()
        self._meters.up.labels(self._source.name).set(1)
        if self._failures:
            log.warning("%s can be read again", self._source.name)
        self._failures = 0

    def _pause_s(self) -> float:
        """The interval; doubled for each failure in a row, up to a minute."""
        if not self._failures:
            return self._source.interval_s
        doubled = self._source.interval_s * float(1 << min(self._failures, 10))
        return max(self._source.interval_s, min(BACKOFF_MAX_S, doubled))

    def _edge(self, now_ns: int) -> int:
        """Which send interval a moment lies in: they begin at multiples of it, as Trivet's buckets do."""
        return now_ns // self._send_interval_ns


class Agent:
    """Readers and a sender around one queue."""

    def __init__(
        self,
        sources: Sequence[Source],
        *,
        resource: Callable[[Source], Mapping[str, str]],
        send_interval_s: float,
        queue: Queue,
        sender: Sender,
        meters: Meters,
    ) -> None:
        self.stop = threading.Event()
        self._queue = queue
        self._sender = sender
        self.readers = [
            Reader(
                source,
                resource=resource(source),
                send_interval_s=send_interval_s,
                queue=queue,
                meters=meters,
                stop=self.stop,
            )
            for source in sources
        ]

    def run(self) -> bool:
        """Until `stop` is set, or no receiver is left that could ever read again: False then."""
        sending = threading.Event()
        sender = threading.Thread(target=self._sender.run, args=(sending,), name="trivet-send", daemon=True)
        for thread in (sender, *self.readers):
            thread.start()
        while not self.stop.wait(0.2):
            if all(reader.lost is not None for reader in self.readers):
                break
        told = self.stop.is_set()
        self.stop.set()
        _join(self.readers, READ_DRAIN_S)
        self._drain(SEND_DRAIN_S)
        sending.set()
        self._queue.wake()
        _join([sender], 0.5)
        return told

    def once(self) -> bool:
        """One round of each receiver and one try of what it gave. True when all of it was delivered."""
        for reader in self.readers:
            reader.round()
            reader.flush()
        while len(self._queue) and not self._sender.failing:
            self._sender.step()
        return not len(self._queue) and not self._sender.refused

    def _drain(self, timeout_s: float) -> None:
        """Lets the last readings go out, while the sender gets anything out at all."""
        deadline = time.monotonic() + timeout_s
        while len(self._queue) and not self._sender.failing and time.monotonic() < deadline:
            time.sleep(0.02)


def _join(threads: Sequence[threading.Thread], timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
