"""Operations that wait are committed together: one transaction for all callers that wait at this moment.

Callers of the same global budget would wait for each other's commit, one after the other. Here they join a bounded queue;
a thread takes what waits, locks the windows once, decides one after the other in the order in which they came, and commits
once. Each caller hears what came of its own, and only after the commit. Where a group fails its members are tried one by
one, so that a bad one fails alone. What a process had not committed when it went was not granted.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.orm import Session

from trivet import db, problems
from trivet.budget.reserve import counters, names, telling
from trivet.budget.reserve.ask import Operation
from trivet.budget.reserve.work import Came, work
from trivet.kit.clock import utc_now
from trivet.kit.errors import TrivetError, Unavailable

GROUP_OPERATIONS = 512  # of one transaction; a larger batch is one of its own
QUEUE_OPERATIONS = 20_000  # waiting; beyond it 503
IDLE_S = 2.0  # the thread ends after so long without work
RETRY_AFTER_S = 1


@dataclass(slots=True, eq=False)
class _Waiting:
    """One caller's operations, who waits for them in which event loop, and what its request wants done last."""

    operations: Sequence[Operation]
    last: Callable[[Session], None] | None
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[list[Came]]"

    def tell(self, came: list[Came] | BaseException) -> None:
        try:
            self.loop.call_soon_threadsafe(_resolve, self.future, came)
        except RuntimeError:  # the loop is closed
            return


def _resolve(future: "asyncio.Future[list[Came]]", came: list[Came] | BaseException) -> None:
    if future.done():  # its client went away
        return
    if isinstance(came, BaseException):
        future.set_exception(came)
    else:
        future.set_result(came)


@dataclass(slots=True)
class _Queue:
    waiting: deque[_Waiting] = field(default_factory=deque)
    operations: int = 0
    writing: bool = False
    changed: threading.Condition = field(default_factory=threading.Condition)


_queue = _Queue()


async def submit(operations: Sequence[Operation]) -> list[Came]:
    """What came of each operation, after their commit. `Unavailable` where the queue is full."""
    loop = asyncio.get_running_loop()
    waiting = _Waiting(operations, db.at_commit.get(), loop, loop.create_future())
    with _queue.changed:
        if _queue.waiting and _queue.operations + len(operations) > QUEUE_OPERATIONS:
            raise Unavailable("Too many reservations wait: ask again.", retry_after_s=RETRY_AFTER_S)
        _queue.waiting.append(waiting)
        _queue.operations += len(operations)
        if _queue.writing:
            _queue.changed.notify()
        else:
            _begin()
    return await waiting.future


def _begin() -> None:
    """Start the thread; `Unavailable`, and nothing waits, where the machine gives none."""
    try:
        threading.Thread(target=_write, name="reservations", daemon=True).start()
    except RuntimeError as full:
        _queue.operations -= len(_queue.waiting.pop().operations)
        raise Unavailable("No thread to reserve with: ask again.", retry_after_s=RETRY_AFTER_S) from full
    _queue.writing = True


def _write() -> None:
    while group := _take():
        _commit(group)


def _take() -> list[_Waiting]:
    """What waits, as much as fits in one transaction; nothing where the thread is to end."""
    with _queue.changed:
        if not _queue.waiting:
            _queue.changed.wait_for(lambda: bool(_queue.waiting), IDLE_S)
        group: list[_Waiting] = []
        size = 0
        while _queue.waiting and (not group or size + len(_queue.waiting[0].operations) <= GROUP_OPERATIONS):
            taken = _queue.waiting.popleft()
            _queue.operations -= len(taken.operations)
            if not taken.future.cancelled():
                group.append(taken)
                size += len(taken.operations)
            elif not _queue.waiting:
                break
        if not group:
            _queue.writing = False
        return group


def _commit(group: list[_Waiting]) -> None:
    """Work through a group, and tell each caller what came of its own."""
    try:
        with db.reserved():  # slow reports, however many, leave it a connection
            came = run([each.operations for each in group], [each.last for each in group])
    except Exception as error:
        if len(group) == 1 or problems.is_away(error):
            for each in group:
                each.tell(error)
            return
        counters.retried.inc(len(group))
        for each in group:
            _commit([each])
        return
    counters.groups.observe(sum(map(len, came)))
    for each, own in zip(group, came, strict=True):
        each.tell(own)


def run(
    groups: Sequence[Sequence[Operation]],
    lasts: Sequence[Callable[[Session], None] | None] = (),
    now: datetime | None = None,
) -> list[list[Came]]:
    """What came of each group of operations, after one commit of them all."""
    now = now or utc_now()
    flat = [operation for group in groups for operation in group]
    named = names.named(flat)
    with db.transaction() as session:
        came = iter(work(session, named, now))
        own = [[next(came) for _ in group] for group in groups]
        for last, each in zip(lasts, own, strict=False):
            if last is not None and not all(isinstance(one, TrivetError) for one in each):
                last(session)
    telling.count(flat, [each for one in own for each in one])
    return own
