"""How much of ingest goes on at once; beyond it 503, which exporters retry.

A body is read before it takes a place, so that a sender who trickles holds nobody up. Bodies being read, waiting for a
place or for their commit are counted, and their bytes, for each sender and in all: no sender takes more than its share.
Places are for decoding alone: large bodies have few, because what they become in memory is many times their size, and
an export that waits for its commit has none. Threads and connections are ingest's own: reports that take them all
elsewhere do not matter here.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import TypeVar
from weakref import WeakKeyDictionary

from anyio import CapacityLimiter, to_thread

from trivet import db
from trivet.kit.errors import Unavailable
from trivet.settings import get_settings

PATIENCE_S = 2.0
RETRY_AFTER_S = 2
BODIES_MAX, BODIES_EACH = 1_024, 256  # held at once: in all, and of one sender
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
    threads: ThreadPoolExecutor
    doors: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(DOORS))


@dataclass(slots=True)
class _Held:
    """Bodies held now, and their bytes, by sender."""

    bodies: Counter[str] = field(default_factory=Counter)
    sizes: Counter[str] = field(default_factory=Counter)
    body_count: int = 0
    size: int = 0


_loops: WeakKeyDictionary[asyncio.AbstractEventLoop, _Loop] = WeakKeyDictionary()
_held = _Held()


def _loop() -> _Loop:
    """The first call in an event loop decides how many places it has."""
    loop = asyncio.get_running_loop()
    own = _loops.get(loop)
    if own is None:
        places = get_settings().otlp_concurrent_exports
        large = asyncio.Semaphore(max(1, places // LARGE_SHARE))
        own = _loops[loop] = _Loop(asyncio.Semaphore(places), large, ThreadPoolExecutor(max(1, places), "ingest"))
    return own


def forget() -> None:
    """Give every event loop its places anew: the setting has changed."""
    for own in _loops.values():
        own.threads.shutdown(wait=False)
    _loops.clear()


@contextmanager
def body(sender: str, bytes_max: int, body_bytes_max: int) -> Iterator[Callable[[int], None]]:
    """Hold a body; call what is yielded with the bytes of each piece before keeping it. `Busy` beyond a share.

    `bytes_max` is of all bodies together; a sender's share holds at least one whole body of `body_bytes_max`.
    """
    share = max(bytes_max // SHARES, body_bytes_max)
    if _held.bodies[sender] >= BODIES_EACH or _held.body_count >= BODIES_MAX:
        raise Busy("Too many exports at once: send this one again.", retry_after_s=RETRY_AFTER_S)
    own = 0

    def grow(size: int) -> None:
        nonlocal own
        if _held.sizes[sender] + size > share or _held.size + size > bytes_max:
            raise Busy("Too many bytes of exports at once: send this one again.", retry_after_s=RETRY_AFTER_S)
        own += size
        _held.sizes[sender] += size
        _held.size += size

    _held.bodies[sender] += 1
    _held.body_count += 1
    try:
        yield grow
    finally:
        _held.body_count -= 1
        _held.size -= own
        _held.sizes[sender] -= own
        _held.bodies[sender] -= 1
        if not _held.bodies[sender]:  # senders who hold nothing are forgotten
            del _held.bodies[sender], _held.sizes[sender]


@asynccontextmanager
async def place(size: int) -> AsyncIterator[None]:
    """Hold a place for decoding a body of `size` bytes; `Busy` after `PATIENCE_S`."""
    own = _loop()
    wanted = [own.large, own.places] if size > LARGE_BYTES else [own.places]
    taken: list[asyncio.Semaphore] = []
    try:
        if any(semaphore.locked() for semaphore in wanted):
            await _wait_for(wanted, taken)
        else:
            for semaphore in wanted:
                await semaphore.acquire()
                taken.append(semaphore)
        yield
    finally:
        for semaphore in taken:
            semaphore.release()


async def _wait_for(wanted: list[asyncio.Semaphore], taken: list[asyncio.Semaphore]) -> None:
    try:
        async with asyncio.timeout(PATIENCE_S):
            for semaphore in wanted:
                await semaphore.acquire()
                taken.append(semaphore)
    except TimeoutError as busy:
        raise Busy("Too many exports at once: send this one again.", retry_after_s=RETRY_AFTER_S) from busy


async def work(take: Callable[..., T], body: bytes, *args: object) -> T:
    """Call with a body in a thread, on reserved connections, while holding a place. Whoever has a place has a thread."""
    async with place(len(body)):
        threads = _loop().threads
        return await asyncio.get_running_loop().run_in_executor(threads, _reserved, take, (body, *args))


async def ask(look: Callable[..., T], *args: object) -> T:
    """Call what looks up who is there: in one of a few threads, on reserved connections."""
    return await to_thread.run_sync(_reserved, look, args, limiter=_loop().doors)


def _reserved(call: Callable[..., T], args: tuple[object, ...]) -> T:
    with db.reserved():
        return call(*args)
