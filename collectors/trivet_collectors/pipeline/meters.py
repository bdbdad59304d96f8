"""What the agent says about itself, as Prometheus metrics."""

import threading
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Summary, start_http_server

from trivet_collectors.pipeline.queue import Queue

MESSAGES_MAX: Final = 100


class Meters:
    """Counters of one agent, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.rounds = self._counter(
            "rounds", "Rounds of a receiver, by what came of them: ok, failed.", "receiver", "result"
        )
        self.points = self._counter("points", "Data points put into the queue.", "receiver")
        self.refused = self._counter("readings_refused", "Readings left out, by reason.", "receiver", "reason")
        self.sends = self._counter(
            "sends", "Tries of exports, by what came of them: delivered, again, refused.", "result"
        )
        self.points_rejected = self._counter("points_rejected", "Points in delivered exports that Trivet did not take.")
        self.dropped = self._counter("exports_dropped", "Exports that went unsent, by reason.", "reason")
        self.up = Gauge(
            "trivet_collector_up", "1 while the receiver's source can be read.", ["receiver"], registry=self.registry
        )
        self.round_seconds = Summary(
            "trivet_collector_round_seconds", "Time that a round took.", ["receiver"], registry=self.registry
        )
        self._messages: set[str] = set()

    def watch(self, queue: Queue) -> None:
        """Tells of what waits, whenever it is asked."""
        self._gauge("queue_bytes", "Bytes of exports that wait.").set_function(lambda: queue.bytes)
        self._gauge("queue_exports", "Exports that wait.").set_function(lambda: len(queue))
        self._gauge("queue_age_seconds", "Age of the oldest export that waits.").set_function(lambda: queue.age_s)

    def serve(self, address: str, port: int) -> tuple[int, "threading.Thread"]:
        """`/metrics` on `address`; the port it got, which matters for port 0. OSError when it is taken."""
        server, thread = start_http_server(port, address, self.registry)
        return server.server_port, thread

    def first_of(self, message: str) -> bool:
        """True the first time a message is met, for at most MESSAGES_MAX of them: each is said once."""
        if message in self._messages or len(self._messages) >= MESSAGES_MAX:
            return False
        self._messages.add(message)
        return True

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(f"trivet_collector_{name}", meaning, labels, registry=self.registry)

    def _gauge(self, name: str, meaning: str) -> Gauge:
        return Gauge(f"trivet_collector_{name}", meaning, registry=self.registry)
