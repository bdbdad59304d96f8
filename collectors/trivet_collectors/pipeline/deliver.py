"""Exports out of the queue to Trivet, in order: what cannot be delivered now waits, what is refused goes, and both are counted."""

import logging
import random
import threading
from collections.abc import Callable
from typing import Final, Literal

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse

from trivet_collectors.pipeline.destination import Answer
from trivet_collectors.pipeline.meters import Meters
from trivet_collectors.pipeline.queue import Queue, Waiting

log = logging.getLogger("trivet.collector")

BACKOFF_FIRST_S: Final = 1.0
BACKOFF_MAX_S: Final = 60.0
RETRY_AFTER_MAX_S: Final = 300.0
IDLE_S: Final = 30.0
# OTLP's own list of answers that ask for another try. Other 5xx may be this one export's fault: they have TRIES_MAX tries.
AGAIN: Final = frozenset({0, 429, 502, 503, 504})
# Answers that are about the key or the address, and so about every export: they wait for somebody to set it right.
HINTS: Final = {
    401: "there is no key, or it is not known to Trivet: see api_key_file",
    403: "the key lacks the scope ingest",
    407: "a proxy asks for a password: see HTTPS_PROXY and NO_PROXY",
    **dict.fromkeys((301, 302, 303, 307, 308), "a redirect is not followed, give the address it leads to"),
    **dict.fromkeys((404, 405), "is this Trivet's address?"),
}
TRIES_MAX: Final = 8

Verdict = Literal["delivered", "again", "refused"]


def verdict(status: int, tries: int) -> Verdict:
    """What an answer means for an export that has been tried `tries` times."""
    if 200 <= status < 300:
        return "delivered"
    if status in AGAIN or status in HINTS or (status >= 500 and tries < TRIES_MAX):
        return "again"
    return "refused"


def pause_s(failures: int, retry_after_s: float, draw: float) -> float:
    """Seconds until the next try: doubling, between half and all of it as `draw` (0..1) says, and no less than was asked."""
    backoff = min(BACKOFF_MAX_S, BACKOFF_FIRST_S * float(1 << min(failures - 1, 16)))
    return max(backoff * (0.5 + draw / 2), min(retry_after_s, RETRY_AFTER_MAX_S))


def hinted(answer: Answer) -> str:
    """What is wrong, and what to do about it where that is known."""
    return ": ".join(text for text in (answer.problem, HINTS.get(answer.status, "")) if text)


class Sender:
    """Sends what waits in `queue` through `post`. `failing` says whether the last try was in vain."""

    def __init__(
        self,
        queue: Queue,
        post: Callable[[bytes], Answer],
        meters: Meters,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._queue = queue
        self._post = post
        self._meters = meters
        self._draw = draw
        self._failures = 0
        self._tries: tuple[str, int] = ("", 0)  # of the export at the head
        self._said = ""
        self.refused = 0

    @property
    def failing(self) -> bool:
        return bool(self._said)

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set. An export under way then is finished, or waits for the next start."""
        while not stop.is_set():
            try:
                pause = self.step()
            except Exception:  # nothing may end sending but the agent
                log.exception("sending failed in a way that was not foreseen")
                pause = BACKOFF_MAX_S
            if pause is None:
                self._queue.wait(IDLE_S)
            elif pause > 0:
                stop.wait(pause)

    def step(self) -> float | None:
        """One try of the oldest export. Seconds to wait before the next, or None when nothing waits."""
        head = self._queue.first()
        if head is None:
            return None
        waiting, body = head
        name, tries = self._tries
        self._tries = (waiting.name, tries + 1 if name == waiting.name else 1)
        answer = self._post(body)
        return self._settle(waiting, answer, verdict(answer.status, self._tries[1]))

    def _settle(self, waiting: Waiting, answer: Answer, meant: Verdict) -> float:
        self._meters.sends.labels(meant).inc()
        if meant == "again":
            self._failures += 1
            self._say(f"delivery failed, what is read waits until it works again: {hinted(answer)}")
            return pause_s(self._failures, answer.retry_after_s, self._draw())
        self._failures = 0
        self._queue.done(waiting)
        if meant == "refused":
            self.refused += 1
            self._meters.dropped.labels(f"http_{answer.status}").inc()
            self._say(f"delivery failed, what is read is lost: {hinted(answer)}")
        else:
            self._say("")
            self._partial(answer.body)
        return 0.0

    def _partial(self, body: bytes) -> None:
        """Trivet took the export and not every point of it."""
        try:
            partial = ExportMetricsServiceResponse.FromString(body).partial_success
        except DecodeError:
            return
        if partial.rejected_data_points:
            self._meters.points_rejected.inc(partial.rejected_data_points)
            if self._meters.first_of(partial.error_message):
                log.warning("%d points were not taken: %s", partial.rejected_data_points, partial.error_message)

    def _say(self, problem: str) -> None:
        """Once when delivery breaks or breaks otherwise, once when it works again."""
        if problem and problem != self._said:
            log.warning("%s", problem)
        if self._said and not problem:
            log.warning("delivery works again")
        self._said = problem
