"""What a serving backend uses: which policy applies to this call, answered from memory."""

import logging
import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from trivet_collectors import semconv
from trivet_collectors.policy.evaluate import DEFAULTS, FlagValue, evaluate
from trivet_collectors.policy.listener import Listener as EventListener
from trivet_collectors.policy.poller import Event, Poller, PollerStatus
from trivet_collectors.policy.store import Store
from trivet_collectors.policy.transport import Transport

log = logging.getLogger("trivet.policy")

Listener = Callable[[Event], None]


@dataclass(frozen=True)
class Situation:
    """What an evaluation stands on: the document held, or None, and whether Trivet has been out of reach."""

    document: Mapping[str, Any] | None
    stale: bool


class PolicyClient:
    """Follows the policy of one backend and answers from memory, with or without Trivet.

    Start it in each worker process, after any fork: threads do not survive one. `state_path` None keeps nothing over a
    restart. Workers may share one path. With `events` it holds a stream that tells of changes at once, where the server
    serves one, and polls seldom meanwhile; else it polls each `poll_interval_s`.
    """

    def __init__(
        self,
        endpoint: str,
        api_key: str,
        backend: str,
        state_path: str | Path | None,
        poll_interval_s: float = 1.0,
        *,
        timeout_s: float = 5.0,
        stale_after_s: float = 10.0,
        events: bool = True,
    ) -> None:
        self.backend = backend
        self._endpoint = endpoint
        self._api_key = api_key
        self._poll_interval_s = poll_interval_s
        self._timeout_s = timeout_s
        self._stale_after_s = max(stale_after_s, 2 * poll_interval_s)
        self._store = Store(Path(state_path) if state_path else None, endpoint=endpoint, backend=backend)
        self._listeners: list[Listener] = []
        self._lock = threading.Lock()
        self._poller: Poller | None = None
        self._events = events
        self._ear: EventListener | None = None

    def start(self, wait_s: float = 2.0) -> None:
        """Takes up the state on disk, then follows the server. Waits up to `wait_s` for a first answer of any kind, so
        that the first call served already runs under the policy. Starting what is started changes nothing.
        """
        with self._lock:
            if self._poller is not None:
                return
            if self._store.held is None:
                self._store.load()
            transport = Transport(self._endpoint, self._api_key, self.backend, timeout_s=self._timeout_s)
            self._poller = Poller(
                transport,
                self._store,
                interval_s=self._poll_interval_s,
                stale_after_s=self._stale_after_s,
                on_event=self._tell,
            )
            self._poller.start()
            if self._events:
                self._ear = EventListener(
                    self._endpoint,
                    self._api_key,
                    self.backend,
                    hears=self._poller,
                    held=self._etag,
                    timeout_s=self._timeout_s,
                )
                self._ear.start()
        self._poller.wait(wait_s)

    def stop(self) -> None:
        """Ends polling. What is held goes on being answered, as stale."""
        with self._lock:
            poller, self._poller = self._poller, None
            ear, self._ear = self._ear, None
        if ear is not None:
            ear.stop()
        if poller is not None:
            poller.stop()

    def listen(self, listener: Listener) -> None:
        """`listener` is called with changed, fresh, stale or denied, on the polling thread: it must not block."""
        self._listeners.append(listener)

    @property
    def situation(self) -> Situation:
        held, poller = self._store.held, self._poller
        return Situation(held.document if held else None, stale=poller is None or poller.stale)

    @property
    def stale(self) -> bool:
        return self.situation.stale

    def status(self) -> PollerStatus:
        poller = self._poller
        if poller is not None:
            return poller.status()
        return PollerStatus("stopped", True, None, self._etag(), 0, self._store.problem)

    def policy(
        self, tenant: str | None = None, scenario: str = "", session: str | None = None, *, tier: str | None = None
    ) -> dict[str, FlagValue]:
        """Every flag for this call. Without any document yet: the defaults, which are level 0.

        `session` is the conversation, which stays on its side of every share; without one the call draws its own. `tier` is
        the caller's service tier, as the card's audiences name them.
        """
        situation = self.situation
        if situation.document is None:
            return dict(DEFAULTS)
        context = {
            "targetingKey": tenant,
            "scenario": scenario,
            "session": session or secrets.token_hex(8),
            "tier": tier,
            "backend": self.backend,
        }
        return evaluate(situation.document, context, datetime.now(UTC), stale=situation.stale)

    def span_attributes(
        self, tenant: str | None = None, scenario: str = "", session: str | None = None, *, tier: str | None = None
    ) -> dict[str, int]:
        """What a span says about the policy it ran under. With the policy of the call at hand, use `attributes_of`: the
        state may have changed since, and a call without a session draws another.
        """
        return attributes_of(self.policy(tenant, scenario, session, tier=tier))

    def _etag(self) -> str | None:
        held = self._store.held
        return held.etag if held else None

    def _tell(self, event: Event) -> None:
        for listener in self._listeners:
            try:
                listener(event)
            except Exception:  # another's fault must not end the polling
                log.exception("a policy listener failed")


def attributes_of(policy: Mapping[str, FlagValue]) -> dict[str, int]:
    """The span attributes that prove under which state a call ran, from the policy it was given."""
    return {
        semconv.TRIVET_POLICY_REVISION: int(policy["policy.revision"]),
        semconv.TRIVET_POLICY_GENERATION: int(policy["policy.generation"]),
        semconv.TRIVET_DEGRADE_LEVEL: int(policy["degrade.level"]),
    }
