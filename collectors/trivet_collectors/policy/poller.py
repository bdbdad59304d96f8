"""Keeps the held document in step with the server: a daemon thread, one poll at a time.

It polls each `interval_s`; every `LISTENING_S` while a stream of events is well, and at once when that brings news.
Level-triggered: a 200 is the state, even where a generation is lower than the one held; a lost or repeated answer changes
nothing. While the server cannot be reached the last state stays, and `stale` says so.
"""

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal, Protocol

from trivet_collectors.policy.document import went_back
from trivet_collectors.policy.store import Store
from trivet_collectors.policy.transport import Answer, Changed, Denied, Failed, Unchanged

log = logging.getLogger("trivet.policy")

Phase = Literal["new", "following", "failing", "denied", "stopped"]
Event = Literal["changed", "fresh", "stale", "denied"]
BACK_OFF_MAX_S: Final = 30.0
RETRY_AFTER_MAX_S: Final = 300.0
LISTENING_S: Final = 15.0  # Trivet takes a backend for gone that did not ask for a minute
DENIED_S: Final = 60.0  # a key may be made good again; nobody should have to restart a backend for that


class Asks(Protocol):
    def ask(self, etag: str | None) -> Answer: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class PollerStatus:
    """What a health page shows. `problem` says what went wrong last, until a poll succeeds."""

    phase: Phase
    stale: bool
    last_contact_at: datetime | None
    etag: str | None
    failures: int
    problem: str | None
    listening: bool = False  # a stream of events is well


def next_wait_s(answer: Answer, *, interval_s: float, failures: int, share: float) -> float:
    """Seconds until the next poll. `failures` counts those in a row; `share` in [0, 1) is the jitter.

    The server's Retry-After is a floor; ours doubles from the interval. Both are bounded.
    """
    if isinstance(answer, Denied):
        return max(interval_s, DENIED_S * (0.75 + 0.5 * share))
    if not isinstance(answer, Failed):
        return interval_s
    wait_s = min(BACK_OFF_MAX_S, interval_s * 2.0 ** min(failures, 16)) * (0.5 + 0.5 * share)
    if answer.retry_after_s is None:
        return wait_s
    # Spread above the wish, never below it, so that a fleet told "10 s" does not return as one.
    return max(wait_s, min(RETRY_AFTER_MAX_S, answer.retry_after_s) * (1.0 + 0.1 * share))


class Poller:
    """Polls through `transport` into `store`. `on_event` is called on this thread and must not block."""

    def __init__(
        self,
        transport: Asks,
        store: Store,
        *,
        interval_s: float = 1.0,
        stale_after_s: float = 10.0,
        on_event: Callable[[Event], None] = lambda _event: None,
    ) -> None:
        self._transport = transport
        self._store = store
        self._interval_s = interval_s
        self._stale_after_s = stale_after_s
        self._on_event = on_event
        self._phase: Phase = "new"
        self._failures = 0
        self._problem: str | None = None
        self._last_contact_at: datetime | None = None
        self._last_contact_monotonic: float | None = None
        self._said_stale = True
        self._listening = False
        self._stopping = False
        self._wake = threading.Event()
        self._answered = threading.Event()
        self._thread = threading.Thread(target=self._run, name="trivet-policy", daemon=True)

    @property
    def stale(self) -> bool:
        """No successful poll for `stale_after_s`. What came from disk is stale until the server has confirmed it."""
        contact = self._last_contact_monotonic
        after_s = max(self._stale_after_s, 2 * LISTENING_S if self._listening else 0.0)
        return contact is None or time.monotonic() - contact > after_s

    def status(self) -> PollerStatus:
        held = self._store.held
        return PollerStatus(
            phase=self._phase,
            stale=self.stale,
            last_contact_at=self._last_contact_at,
            etag=held.etag if held else None,
            failures=self._failures,
            problem=self._problem or self._store.problem,
            listening=self._listening,
        )

    def start(self) -> None:
        self._thread.start()

    def wait(self, timeout_s: float) -> bool:
        """Waits for the first answer of any kind. False when there was none in time."""
        return self._answered.wait(timeout_s)

    def stop(self, timeout_s: float = 5.0) -> None:
        """Ends the thread; one that hangs in a call is left to die with the process."""
        self._stopping = True
        self._wake.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout_s)
        self._transport.close()
        self._store.flush()
        self._phase = "stopped" if self._phase != "denied" else "denied"

    def poke(self) -> None:
        """There is news: poll now, from any thread. While polls fail the wait stands, which is the server's relief."""
        if not self._failures:
            self._wake.set()

    def listens(self, *, well: bool) -> None:
        """A stream of events is well, so polls may be seldom; or it is not, and the next is due."""
        if self._listening != well:
            self._listening = well
            self.poke()

    @property
    def interval_s(self) -> float:
        """Seconds between polls: polls that fail are tried again as if nothing were heard."""
        return max(self._interval_s, LISTENING_S) if self._listening and not self._failures else self._interval_s

    def poll_once(self) -> Answer:
        """One poll, taken into the store."""
        held = self._store.held
        answer = self._transport.ask(held.etag if held else None)
        if isinstance(answer, Unchanged) and held is None:
            answer = Failed("HTTP 304 though nothing is held")
        self._take(answer)
        return answer

    def _run(self) -> None:
        confirmed = True
        while not self._stopping:
            began = time.monotonic()
            self._wake.clear()  # what is said from here on is news to this poll
            answer = self._poll_safely()
            self._answered.set()
            wait_s = next_wait_s(answer, interval_s=self.interval_s, failures=self._failures, share=random.random())
            # The next poll proves that the new state is held. It does not wait, once: a server whose ETag never
            # settles must not be asked in a tight loop.
            if isinstance(answer, Changed) and confirmed:
                confirmed, wait_s = False, 0.0
            else:
                confirmed = True
            if not self._stopping:
                self._wake.wait(max(0.0, wait_s - (0.0 if self._failures else time.monotonic() - began)))

    def _poll_safely(self) -> Answer:
        try:
            return self.poll_once()
        except Exception as error:  # a fault of ours must not leave a backend deaf: it is said and tried again
            log.exception("policy poll failed unexpectedly")
            failed = Failed(f"unexpected: {type(error).__name__}: {error}")
            self._fail(failed)
            return failed

    def _take(self, answer: Answer) -> None:
        match answer:
            case Changed(document, etag):
                self._say_what_went_back(document)
                self._store.hold(document, etag)
                self._contact()
                self._on_event("changed")
            case Unchanged(valid_until):
                if valid_until is not None:
                    self._store.extend(valid_until)
                self._contact()
            case Denied(problem):
                self._deny(problem)
            case Failed():
                self._fail(answer)

    def _contact(self) -> None:
        if self._failures:
            log.info("policy polling works again after %d failed polls", self._failures)
        self._phase, self._failures, self._problem = "following", 0, None
        self._last_contact_at = datetime.now(UTC)
        self._last_contact_monotonic = time.monotonic()
        if self._said_stale:
            self._said_stale = False
            self._on_event("fresh")

    def _deny(self, problem: str) -> None:
        self._problem = problem
        if self._phase != "denied":  # once, not each time the key is tried again
            self._phase = "denied"
            log.error("policy polling stopped but for a try each minute: %s", problem)
            self._said_stale = True  # what works again is said
            self._on_event("denied")

    def _fail(self, failed: Failed) -> None:
        if not self._failures:  # once per outage, not once per poll
            log.warning("policy poll failed, the last state stays: %s", failed.problem)
        self._phase, self._problem = "failing", failed.problem
        self._failures += 1
        if self.stale and not self._said_stale:
            self._said_stale = True
            self._on_event("stale")

    def _say_what_went_back(self, document: dict[str, object]) -> None:
        held = self._store.held
        if held is not None and (scenarios := went_back(held.document, document)):
            log.warning("the server's generation went back for %s; taken as said", ", ".join(scenarios[:10]))
