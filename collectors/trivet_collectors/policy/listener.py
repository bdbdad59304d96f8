"""Hears of a new policy at once: a daemon thread that holds the server's stream of events.

A message only says *ask again*: the poller then polls, and goes on polling by itself, seldom while the stream is well and
as before when it is not. A server that serves no stream is asked for one again after a while, and polled meanwhile.
"""

import contextlib
import json
import logging
import random
import socket
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, Protocol

import httpx

from trivet_collectors.policy.stream import Messages, TooLongError
from trivet_collectors.policy.transport import retry_after_s

log = logging.getLogger("trivet.policy")

PATH: Final = "/ofrep/v1/events"
SILENT_S: Final = 25.0  # heartbeats come every ten seconds at most
BACK_OFF_S: Final = (1.0, 30.0)
NO_STREAM_S: Final = 300.0  # a server that serves none, or refuses the key, may do so after an upgrade
RETRY_AFTER_MAX_S: Final = 300.0
REFETCH: Final = "refetchEvaluation"


class Hears(Protocol):
    """What a listener tells."""

    def poke(self) -> None: ...

    def listens(self, *, well: bool) -> None: ...


def wait_s(status: int | None, wish_s: float | None, *, failures: int, share: float) -> float:
    """Seconds until the next try, by what came of the last: a status, or None for a stream that was lost or not reached.

    `share` in [0, 1) is the jitter: a fleet whose server went away does not return as one.
    """
    if status is not None and 400 <= status < 500 and status not in (408, 429):
        return NO_STREAM_S * (0.8 + 0.4 * share)
    least, most = BACK_OFF_S
    own = min(most, least * 2.0 ** min(failures, 10)) * (0.5 + 0.5 * share)
    return own if wish_s is None else max(own, min(RETRY_AFTER_MAX_S, wish_s) * (1.0 + 0.1 * share))


class Listener:
    """Listens at `endpoint` for `backend`. `held` gives the ETag that is held, so that only news is told."""

    def __init__(
        self,
        endpoint: str,
        api_key: str,
        backend: str,
        *,
        hears: Hears,
        held: Callable[[], str | None],
        timeout_s: float,
    ) -> None:
        self._hears = hears
        self._held = held
        self._stop = threading.Event()
        self._socket: socket.socket | None = None
        self._failures = 0
        self._http = httpx.Client(
            timeout=httpx.Timeout(timeout_s, read=SILENT_S),
            follow_redirects=False,  # the key goes to the endpoint that was named and nowhere else
            headers={
                "Authorization": f"Bearer {api_key}",
                "Accept": "text/event-stream",
                "User-Agent": "trivet-policy-client",
            },
            params={"backend": backend},
        )
        self._url = endpoint.rstrip("/") + PATH
        self._thread = threading.Thread(target=self._run, name="trivet-policy-listener", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """Ends the thread, also where it waits for a word."""
        self._stop.set()
        if (held := self._socket) is not None:
            with contextlib.suppress(OSError):
                held.shutdown(socket.SHUT_RDWR)
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        self._http.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            status, wish_s = self._listen_safely()
            self._stop.wait(wait_s(status, wish_s, failures=self._failures, share=random.random()))

    def _listen_safely(self) -> tuple[int | None, float | None]:
        """One stream until its end: the status where it was refused, and the server's wish of when to come back."""
        heard = Messages()
        try:
            return self._listen(heard)
        except (httpx.HTTPError, TooLongError) as error:
            log.debug("the stream of events was lost: %s", error)
        except Exception:  # a fault of ours must not leave a backend deaf: polling goes on, and it is tried again
            log.exception("listening for events failed unexpectedly")
        finally:
            self._socket = None
            self._hears.listens(well=False)
        self._failures += 1
        return None, heard.retry_s

    def _listen(self, heard: Messages) -> tuple[int | None, float | None]:
        held = self._held()
        with self._http.stream("GET", self._url, headers={"Last-Event-ID": held} if held else {}) as answer:
            if answer.status_code != httpx.codes.OK:
                self._failures += 1
                return answer.status_code, retry_after_s(answer.headers.get("Retry-After"), datetime.now(UTC))
            self._socket = answer.extensions["network_stream"].get_extra_info("socket")
            if self._stop.is_set():  # asked to stop while we had no socket to shut
                return None, None
            self._failures = 0
            self._hears.listens(well=True)
            for chunk in answer.iter_raw():
                if any(is_news(message.data) for message in heard.feed(chunk)):
                    self._hears.poke()
        return None, heard.retry_s


def is_news(data: str) -> bool:
    """Whether a message says *ask again*; of other types, which a newer server may send, nothing is known."""
    try:
        said = json.loads(data)
    except (ValueError, RecursionError):
        return False
    return isinstance(said, dict) and said.get("type") == REFETCH
