"""How many exports are worked on at once: a few, and a short wait for a place; then 503, which exporters retry."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakKeyDictionary

from trivet.kit.errors import Unavailable

PATIENCE_S = 2.0
RETRY_AFTER_S = 2


class Busy(Unavailable):
    """Every place is taken and stayed taken."""


_places: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


@asynccontextmanager
async def place(places: int) -> AsyncIterator[None]:
    """Hold one of `places` (the first call in an event loop decides how many); `Busy` after `PATIENCE_S`."""
    loop = asyncio.get_running_loop()
    semaphore = _places.setdefault(loop, asyncio.Semaphore(places))
    try:
        async with asyncio.timeout(PATIENCE_S):
            await semaphore.acquire()
    except TimeoutError as busy:
        raise Busy("Too many exports at once: send this one again.", retry_after_s=RETRY_AFTER_S) from busy
    try:
        yield
    finally:
        semaphore.release()


def forget() -> None:
    """Give every event loop its places anew: the setting has changed."""
    _places.clear()
