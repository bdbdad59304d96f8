"""Senders that send every export again until it is acknowledged, as OTLP exporters do; each body is kept for that."""

import http.client
import threading
import time
from collections import Counter

from bench.bodies import Bodies
from bench.stack import KEY

PAUSE_S = 0.2
TIMEOUT_S = 15.0


class Stubborn:
    """`senders` threads until `stop`; `spans` is how many were acknowledged, each counted when its 200 came."""

    def __init__(self, port: int, senders: int = 4, spans: int = 512, copies: int = 1) -> None:
        self.spans = 0
        self.longest_wait_s = 0.0
        self.answers: Counter[str] = Counter()
        self._port, self._copies = port, copies
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        made = [Bodies(spans, 7_000 + number, 4) for number in range(senders)]
        self._threads = [threading.Thread(target=self._run, args=(bodies,)) for bodies in made]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """No new export; those that are out are sent until they are acknowledged."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _run(self, bodies: Bodies) -> None:
        while not self._stopping.is_set():
            body, began = bytes(bodies.next()), time.monotonic()
            copies = [threading.Thread(target=self._until_taken, args=(body,)) for _ in range(self._copies - 1)]
            for copy in copies:
                copy.start()
            self._until_taken(body)
            for copy in copies:
                copy.join()
            with self._lock:
                self.spans += bodies.spans
                self.longest_wait_s = max(self.longest_wait_s, time.monotonic() - began)

    def _until_taken(self, body: bytes) -> None:
        while (answer := post(self._port, body)) != "200":
            with self._lock:
                self.answers[answer] += 1
            time.sleep(PAUSE_S)
        with self._lock:
            self.answers["200"] += 1


def post(port: int, body: bytes, key: str = KEY, **headers: str) -> str:
    """The status, or the name of what went wrong on the way."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    sent = {"Authorization": f"Bearer {key}", "Content-Type": "application/x-protobuf"} | headers
    try:
        connection.request("POST", "/v1/traces", body, sent)
        answer = connection.getresponse()
        answer.read()
        return str(answer.status)
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__
    finally:
        connection.close()
