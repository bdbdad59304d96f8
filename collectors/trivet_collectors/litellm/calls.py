"""Calls that are open: each with its span, its hold of budget and when it came in. Every one ends once."""

import logging
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Final

from opentelemetry.trace import Span, Status, StatusCode

from trivet_collectors import semconv as sc
from trivet_collectors.litellm.telling import Attributes, cancelled
from trivet_collectors.policy.lane import Usage
from trivet_collectors.policy.reserver import Held

log = logging.getLogger("trivet.litellm")

CALLS_MAX: Final = 20_000
FORGET_AFTER_S: Final = 3_600.0  # a call of which nothing was heard for so long is told as cancelled
SEEN_MAX: Final = 10_000  # answers remembered as being in the proxy's cache
FAILED: Final = (sc.OUTCOME_ERROR, sc.OUTCOME_TIMEOUT)


@dataclass
class Open:
    """A call on its way. `attempts` counts those that failed; `question` names it among answers that are kept."""

    span: Span
    began_s: float
    held: Held | None
    question: str = ""
    attempts: int = 0


class Calls:
    """Open calls by LiteLLM's id of them. Any thread may ask; the oldest make room."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, Open] = OrderedDict()
        self._lock = threading.Lock()
        self.dropped = 0  # ended for want of room

    def begin(self, id_: str, call: Open) -> None:
        """Take a call up; ends what has been open for too long."""
        with self._lock:
            again = self._open.pop(id_, None)
            self._open[id_] = call
            gone = [again] if again else []
            oldest = time.time() - FORGET_AFTER_S
            while self._open and (len(self._open) > CALLS_MAX or next(iter(self._open.values())).began_s < oldest):
                self.dropped += 1
                gone.append(self._open.popitem(last=False)[1])
        for each in gone:
            finish(each, cancelled(), None)

    def attempted(self, id_: str) -> None:
        """One attempt at it failed; the proxy may try again."""
        with self._lock:
            if id_ in self._open:
                self._open[id_].attempts += 1

    def get(self, id_: str) -> Open | None:
        with self._lock:
            return self._open.get(id_)

    def end(self, id_: str) -> Open | None:
        """The call, from now on not open; None where it was not, or has ended before."""
        with self._lock:
            return self._open.pop(id_, None)

    def end_all(self) -> None:
        with self._lock:
            gone, self._open = list(self._open.values()), OrderedDict()
        for each in gone:
            finish(each, cancelled(), None)


def finish(call: Open, attributes: Attributes, usage: Usage | None, ended_s: float | None = None) -> None:
    """End a call's span and settle its hold; without `usage` it is settled as estimated."""
    if call.held is not None:
        call.held.post(usage, requests=1 + call.attempts)
    call.span.set_attributes(attributes)
    if attributes.get(sc.TRIVET_OUTCOME) in FAILED:
        call.span.set_status(Status(StatusCode.ERROR))
    call.span.end(round(max(ended_s, call.began_s) * 1e9) if ended_s else None)


class Answers:
    """Which questions this process has seen answered into the proxy's cache, and under which key each is kept."""

    def __init__(self) -> None:
        self._keys: OrderedDict[str, str] = OrderedDict()

    def keep(self, question: str, key: Any) -> None:
        if question and isinstance(key, str) and key:
            self._keys[question] = key
            self._keys.move_to_end(question)
            if len(self._keys) > SEEN_MAX:
                self._keys.popitem(last=False)

    def key_of(self, question: str) -> str | None:
        return self._keys.get(question)
