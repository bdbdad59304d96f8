"""This process's eye on what pages show: one small question a second, whoever listens behind it, and none while nobody does.

A listener is told which of its topics moved since it was told last. While the database is away nothing is said; when it is
back, what moved in the meantime is.
"""

import asyncio
import contextvars
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final
from weakref import WeakKeyDictionary

from prometheus_client import Gauge
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from trivet import db
from trivet.command import hub
from trivet.console.live import markers
from trivet.settings import get_settings

LOOK_S: Final = 1.0
ALIVE_S: Final = 5.0  # how long after its session has ended a stream may still be open
_log = logging.getLogger("trivet.console.live")
open_streams = Gauge("trivet_live_streams", "Pages that this process tells of changes.")


@dataclass(eq=False)
class Listener:
    """One page: what it wants to know of, whose session it is, and what it has not been told yet."""

    topics: frozenset[str]
    session: str  # its CSRF token, which stays while the cookie is replaced
    known: dict[str, str] = field(default_factory=dict)
    moved: set[str] = field(default_factory=set)
    ended: bool = False
    woken: asyncio.Event = field(default_factory=asyncio.Event)

    def see(self, found: Mapping[str, str]) -> None:
        """Compare what is there with what it knows. What it knew nothing of has moved."""
        for topic in self.topics & found.keys():
            if self.known.get(topic) != found[topic]:
                self.known[topic] = found[topic]
                self.moved.add(topic)
        if self.moved:
            self.woken.set()

    def end(self) -> None:
        """Nothing more will be told."""
        self.ended = True
        self.woken.set()

    def take(self) -> tuple[str, ...]:
        """What moved since it was taken last."""
        moved, self.moved = self.moved, set()
        self.woken.clear()
        return tuple(topic for topic in markers.TOPICS if topic in moved)


class Watch:
    """The eye of one event loop; `here` gives it."""

    def __init__(self) -> None:
        self.listeners: set[Listener] = set()
        self.looks = 0
        self._task: asyncio.Task[None] | None = None
        self._asked_alive = 0.0
        self._away = False

    def join(self, listener: Listener) -> None:
        """Tell this listener from now on."""
        self.listeners.add(listener)
        open_streams.set(len(self.listeners))
        if self._task is None or self._task.done():
            # In a context of its own: what was set for the request that came first, its tenant above all, is not for the others.
            self._task = asyncio.get_running_loop().create_task(
                self._run(), name="trivet-console-live", context=contextvars.Context()
            )

    def leave(self, listener: Listener) -> None:
        """It has gone; with the last one the questions end."""
        self.listeners.discard(listener)
        open_streams.set(len(self.listeners))

    async def _run(self) -> None:
        while self.listeners and not hub.here().closing:
            await self._look()
            await asyncio.sleep(LOOK_S)
        for listener in self.listeners:
            listener.end()

    async def _look(self) -> None:
        topics = frozenset[str]().union(*(listener.topics for listener in self.listeners))
        ask_alive = time.monotonic() - self._asked_alive > ALIVE_S
        sessions = frozenset(listener.session for listener in self.listeners) if ask_alive else frozenset[str]()
        try:
            found, alive = await run_in_threadpool(_read, topics, sessions)
        except SQLAlchemyError as error:
            if not self._away:
                _log.warning("Pages are not told of changes, they look by their own clock: %s", error)
            self._away = True
            return
        self._away, self.looks = False, self.looks + 1
        if ask_alive:
            self._asked_alive = time.monotonic()
        for listener in self.listeners:
            listener.see(found)
            if listener.session in sessions - alive:
                listener.end()


def _read(topics: frozenset[str], sessions: frozenset[str]) -> tuple[dict[str, str], frozenset[str]]:
    idle = timedelta(minutes=get_settings().session_idle_minutes)
    with db.transaction() as session:
        return markers.read(session, topics), markers.alive(session, sessions, idle)


_watches: WeakKeyDictionary[asyncio.AbstractEventLoop, Watch] = WeakKeyDictionary()


def here() -> Watch:
    """The watch of the running event loop: one in a process, but for tests."""
    return _watches.setdefault(asyncio.get_running_loop(), Watch())
