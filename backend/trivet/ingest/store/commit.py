"""Exports that wait are committed together: one transaction for many small ones.

An export joins a bounded queue; one or two threads take what waits and write it on reserved connections. Each export
hears what came of its own part, and only after the commit. Where the database is away all of a group hear it; where a
group fails for another reason its exports are tried one by one, so that a bad one fails alone. Threads begin when there
is work and end when there has been none for a while: nothing has to be shut down, and what a process had not committed
when it went was not acknowledged.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import psycopg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from trivet import db, problems
from trivet.ingest import counters
from trivet.ingest.line import gate
from trivet.ingest.store.persist import Batch, Stored, store_all
from trivet.kit.clock import utc_now

WRITERS_MAX = 2  # threads that write: while one waits for its commit, the other gets rows ready
GROUP_ROWS, GROUP_EXPORTS = 5_000, 256  # of one transaction; a larger export is one of its own
QUEUE_ROWS, QUEUE_EXPORTS = 200_000, 1_024  # waiting; beyond either 503
IDLE_S = 2.0  # a thread without work ends after so long


@dataclass(slots=True, eq=False)
class _Waiting:
    """An export in the queue, and who waits for it in which event loop."""

    batch: Batch
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[Stored]"

    def tell(self, came: Stored | BaseException) -> None:
        """Resolve the future, in its loop; nobody hears it where the loop or the client has gone."""
        try:
            self.loop.call_soon_threadsafe(_resolve, self.future, came)
        except RuntimeError:  # the loop is closed
            return


def _resolve(future: "asyncio.Future[Stored]", came: Stored | BaseException) -> None:
    if future.done():  # its client went away
        return
    if isinstance(came, BaseException):
        future.set_exception(came)
    else:
        future.set_result(came)


@dataclass(slots=True)
class _Queue:
    """What waits in this process, whichever event loop it came from."""

    waiting: deque[_Waiting] = field(default_factory=deque)
    rows: int = 0
    writers: int = 0
    idle: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)


_queue = _Queue()


async def submit(batch: Batch) -> Stored:
    """What came of an export, after its commit. `gate.Busy` where the queue is full."""
    loop = asyncio.get_running_loop()
    waiting = _Waiting(batch, loop, loop.create_future())
    with _queue.changed:
        full = len(_queue.waiting) >= QUEUE_EXPORTS or _queue.rows + batch.size > QUEUE_ROWS
        if full and _queue.waiting:
            raise gate.Busy(
                "Too many exports wait to be stored: send this one again.", retry_after_s=gate.RETRY_AFTER_S
            )
        _queue.waiting.append(waiting)
        _queue.rows += batch.size
        if _queue.idle:
            _queue.changed.notify()
        elif _queue.writers < WRITERS_MAX:
            _begin_writer()
    return await waiting.future


def _begin_writer() -> None:
    """Another writer; `gate.Busy`, and nothing waits, where the machine gives no thread and there is none yet."""
    try:
        threading.Thread(target=_write, name="ingest-commit", daemon=True).start()
    except RuntimeError as full:
        if not _queue.writers:
            _queue.rows -= _queue.waiting.pop().batch.size
            raise gate.Busy("No thread to store this: send it again.", retry_after_s=gate.RETRY_AFTER_S) from full
        return
    _queue.writers += 1


def _write() -> None:
    """A writer's life: group after group until there has been none for `IDLE_S`."""
    while group := _take():
        _commit(group)


def _take() -> list[_Waiting]:
    """What waits, as much as fits in one transaction; nothing where the writer is to end."""
    with _queue.changed:
        while True:
            if not _queue.waiting:
                _queue.idle += 1
                _queue.changed.wait_for(lambda: bool(_queue.waiting), IDLE_S)
                _queue.idle -= 1
            if not _queue.waiting:
                _queue.writers -= 1
                return []
            if group := _group():
                return group


def _group() -> list[_Waiting]:
    """The next exports off the queue, without those whose client went away before anything was done."""
    group: list[_Waiting] = []
    rows = 0
    while _queue.waiting and len(group) < GROUP_EXPORTS:
        size = _queue.waiting[0].batch.size
        if group and rows + size > GROUP_ROWS:
            break
        taken = _queue.waiting.popleft()
        _queue.rows -= size
        if not taken.future.cancelled():
            group.append(taken)
            rows += size
    return group


def _commit(group: list[_Waiting]) -> None:
    """Write a group, and tell each of its exports what came of it."""
    try:
        with db.reserved():
            came = store_all([each.batch for each in group], utc_now())
    except Exception as error:
        if len(group) == 1 or away(error):
            for each in group:
                each.tell(error)
            return
        counters.retried.inc(len(group))
        for each in group:
            _commit([each])
        return
    counters.groups.observe(len(group))
    for each, own in zip(group, came, strict=True):
        each.tell(own)


_WRAPPED: Callable[..., Exception] = DBAPIError.instance  # typed more loosely there than it answers


def away(error: Exception) -> bool:
    """Whether the database could not be reached, so that trying each export alone would only take longer."""
    if isinstance(error, PoolTimeout):
        return True
    if isinstance(error, psycopg.Error):  # COPY speaks to the driver
        error = _WRAPPED(None, None, error, psycopg.Error)
    return problems.is_away(error)
