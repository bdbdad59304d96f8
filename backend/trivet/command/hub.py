"""This process's ear for changes of what should hold: one listening connection, whoever waits behind it.

Notifications say *look now*; what changed is read. Between them the marker is read twice a second while anybody needs it,
so a notification that was lost (or a pool of connections that carries none) costs half a second and nothing else. While
the connection is away nothing counts as fresh, and when it is back everybody looks again.
"""

import asyncio
import logging
import random
import time
from dataclasses import dataclass, field
from typing import Any, Final
from weakref import WeakKeyDictionary

import psycopg

from trivet import db, wake
from trivet.command import polls
from trivet.command.board import Marker
from trivet.settings import get_settings

CHECK_S: Final = 0.5
FRESH_S: Final = 1.0  # how long what was read counts where nothing is heard
NEEDED_S: Final = 10.0  # after the last question the marker is no longer read by the clock
BACK_OFF_MAX_S: Final = 5.0
_log = logging.getLogger("trivet.policy.hub")

_MARKER: Final = (
    "SELECT (SELECT coalesce(sum(generation), 0) FROM policy_generation)::bigint, (SELECT count(*) FROM activation)"
)
_EACH: Final = (
    "SELECT scenario_id, max(generation), max(activation) FROM ("
    " SELECT scenario_id, generation, 0 AS activation FROM policy_generation"
    " UNION ALL SELECT scenario_id, 0, id FROM activation) AS known GROUP BY scenario_id"
)


@dataclass(eq=False)
class Waiter:
    """One stream: which scenarios concern it (none: all), and whether there is something to look at."""

    scenario_ids: frozenset[int] = frozenset()
    woken: asyncio.Event = field(default_factory=asyncio.Event)


class Hub:
    """The ear of one event loop; `here` gives it."""

    def __init__(self) -> None:
        self.waiters: set[Waiter] = set()
        self.closing = False
        self._task: asyncio.Task[None] | None = None
        self._marker: Marker | None = None
        self._each: dict[int, tuple[int, int]] = {}
        self._fresh_until = 0.0
        self._heard = 0  # changes heard of; what was read before the newest is not fresh
        self._needed_until = 0.0

    def start(self) -> None:
        """Listen, unless that is so."""
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run(), name="trivet-policy-hub")

    async def close(self) -> None:
        """Streams end; the connection goes."""
        self.end_streams()
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    def end_streams(self) -> None:
        """Whoever streams says good-bye; nobody new is taken."""
        self.closing = True
        self._wake_all()

    def marker(self) -> Marker | None:
        """The marker of what should hold, good for this moment; None where only the database can say."""
        now = time.monotonic()
        self._needed_until = now + NEEDED_S
        return self._marker if now < self._fresh_until else None

    def hear(self) -> None:
        """This process committed a change: from any thread."""
        self._heard += 1
        self._fresh_until = 0.0

    async def _run(self) -> None:
        failures = 0
        while True:
            try:
                async with await _connect() as connection:
                    await connection.execute(f"LISTEN {wake.POLICY}")
                    self._wake_all()  # who knows what was said while nobody listened
                    failures = 0
                    await self._follow(connection)
            except (psycopg.Error, OSError) as error:
                self._fresh_until, failures = 0.0, failures + 1
                if failures == 1:
                    _log.warning("No word of changes comes from the database, backends learn by their polls: %s", error)
                wait_s = min(BACK_OFF_MAX_S, 0.1 * 2.0 ** min(failures, 10))
                await asyncio.sleep(wait_s * (0.5 + random.random() / 2))

    async def _follow(self, connection: psycopg.AsyncConnection[Any]) -> None:
        while True:
            if self.waiters or time.monotonic() < self._needed_until:
                await self._look(connection)
            async for notice in connection.notifies(timeout=CHECK_S, stop_after=1):
                self.hear()
                if not notice.payload.isdecimal():  # a backend's list of scenarios, which no marker counts
                    polls.memory.forget()
                    self._wake_all()

    async def _look(self, connection: psycopg.AsyncConnection[Any]) -> None:
        """Read the marker; where it moved, wake whom that concerns."""
        heard, asked = self._heard, time.monotonic()
        row = await (await connection.execute(_MARKER)).fetchone()
        assert row is not None
        marker = (int(row[0]), int(row[1]))
        if marker != self._marker:
            await self._wake_concerned(connection)
            self._marker = marker
        if heard == self._heard:
            self._fresh_until = asked + FRESH_S

    async def _wake_concerned(self, connection: psycopg.AsyncConnection[Any]) -> None:
        found = await (await connection.execute(_EACH)).fetchall()
        each = {row[0]: (row[1], row[2]) for row in found}
        moved = {id_ for id_, at in each.items() if self._each.get(id_) != at}
        self._each = each
        for waiter in self.waiters:
            if not waiter.scenario_ids or waiter.scenario_ids & moved:
                waiter.woken.set()

    def _wake_all(self) -> None:
        for waiter in self.waiters:
            waiter.woken.set()


async def _connect() -> psycopg.AsyncConnection[Any]:
    url = get_settings().database_url.replace("postgresql+psycopg://", "postgresql://", 1)
    return await psycopg.AsyncConnection.connect(
        url, autocommit=True, connect_timeout=3, application_name="trivet-policy", options="-c statement_timeout=10s"
    )


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


def here() -> Hub:
    """The hub of the running event loop: one in a process, but for tests."""
    loop = asyncio.get_running_loop()
    if (found := _hubs.get(loop)) is None:
        found = _hubs[loop] = Hub()
    return found


def _hear() -> None:
    for one in list(_hubs.values()):
        one.hear()


wake.here[wake.POLICY].append(_hear)
db.caches.append(_hear)
