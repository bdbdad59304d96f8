"""How much of ingest goes on at once; beyond it 503, which exporters retry.

A body is read before it takes a place, so that a sender who trickles holds nobody up. Bodies being read or waiting are
counted, and their bytes, for each sender and in all: no sender takes more than its share. Large bodies have few places,
because what they become in memory is many times their size. Threads and connections are ingest's own: reports that
take them all elsewhere do not matter here.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import TypeVar
from weakref import WeakKeyDictionary

from anyio import CapacityLimiter, to_thread

from trivet import db
from trivet.kit.errors import Unavailable

PATIENCE_S = 2.0
RETRY_AFTER_S = 2
BODIES_MAX, BODIES_EACH = 256, 64  # read or waiting at once: in all, and of one sender
SHARES = 4  # one sender holds at most one of so many shares of the bytes
LARGE_BYTES = 2 << 20
LARGE_SHARE = 4  # one of so many places may be taken by a large body
DOORS = db.RESERVED_DOORS  # keys looked up at once

T = TypeVar("T")


class Busy(Unavailable):
    """Every place is taken and stayed taken, or a sender has its share."""


@dataclass(slots=True)
class _Loop:
    """What belongs to one event loop."""

    places: asyncio.Semaphore
    large: asyncio.Semaphore
    doors: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(DOORS))


@dataclass(slots=True)
class _Held:
    """Bodies held now, and their bytes, by sender."""

    bodies: Counter[str] = field(default_factory=Counter)
    sizes: Counter[str] = field(default_factory=Counter)


_loops: WeakKeyDictionary[asyncio.AbstractEventLoop, _Loop] = WeakKeyDictionary()
_held = _Held()


def _loop(places: int) -> _Loop:
    """The first call in an event loop decides how many places it has."""
    loop = asyncio.get_running_loop()
    if loop not in _loops:
        _loops[loop] = _Loop(asyncio.Semaphore(places), asyncio.Semaphore(max(1, places // LARGE_SHARE)))
    return _loops[loop]


def forget() -> None:
    """Give every event loop its places anew: the setting has changed."""
    _loops.clear()


@contextmanager
def body(sender: str, bytes_max: int, body_bytes_max: int) -> Iterator[Callable[[int], None]]:
    """Hold a body; call what is yielded with the bytes of each piece before keeping it. `Busy` beyond a share.

    `bytes_max` is of all bodies together; a sender's share holds at least one whole body of `body_bytes_max`.
    """
    share = max(bytes_max // SHARES, body_bytes_max)
    if _held.bodies[sender] >= BODIES_EACH or _held.bodies.total() >= BODIES_MAX:
        raise Busy("Too many exports at once: send this one again.", retry_after_s=RETRY_AFTER_S)
    own = 0

    def grow(size: int) -> None:
        nonlocal own
        if _held.sizes[sender] + size > share or _held.sizes.total() + size > bytes_max:
            raise Busy("Too many bytes of exports at once: send this one again.", retry_after_s=RETRY_AFTER_S)
        own += size
        _held.sizes[sender] += size

    _held.bodies[sender] += 1
    try:
        yield grow
    finally:
        _held.bodies -= Counter({sender: 1})  # what comes to nothing is forgotten
        _held.sizes -= Counter({sender: own})


@asynccontextmanager
async def place(places: int, size: int) -> AsyncIterator[None]:
    """Hold one of `places` for a body of `size` bytes; `Busy` after `PATIENCE_S`."""
    own = _loop(places)
    wanted = [own.large, own.places] if size > LARGE_BYTES else [own.places]
    taken: list[asyncio.Semaphore] = []
    try:
        try:
            async with asyncio.timeout(PATIENCE_S):
                for semaphore in wanted:
                    await semaphore.acquire()
                    taken.append(semaphore)
        except TimeoutError as busy:
            raise Busy("Too many exports at once: send this one again.", retry_after_s=RETRY_AFTER_S) from busy
        yield
    finally:
        for semaphore in taken:
            semaphore.release()


async def work(take: Callable[..., T], *args: object) -> T:
    """Call in a thread, on reserved connections. Whoever has a place has a thread."""
    return await to_thread.run_sync(_reserved, take, args, limiter=CapacityLimiter(1))


async def ask(look: Callable[..., T], *args: object, places: int) -> T:
    """Call what looks up who is there: in one of a few threads, on reserved connections."""
    return await to_thread.run_sync(_reserved, look, args, limiter=_loop(places).doors)


def _reserved(call: Callable[..., T], args: tuple[object, ...]) -> T:
    with db.reserved():
        return call(*args)
