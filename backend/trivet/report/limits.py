"""What one process takes on: a few reports at a time, and of each no more groups than fit in its memory."""

import asyncio
from collections.abc import AsyncIterator, Sized
from typing import Annotated
from weakref import WeakKeyDictionary

from fastapi import Depends
from prometheus_client import Counter

from trivet.kit.errors import Invalid, Unavailable, kebab
from trivet.settings import get_settings

GROUPS_MAX = 50_000  # rows from the database for one answer
PATIENCE_S = 2.0
RETRY_AFTER_S = 2

refused = Counter("trivet_report_refused", "Reports that were not made, by reason.", ["reason"])


class TooManyGroups(Invalid):
    """More groups than one answer is made of."""


class TooManyReports(Unavailable):
    """Every place is taken and stayed taken."""


def check(groups: Sized, groups_max: int) -> None:
    """`TooManyGroups` where a query that was to give at most `groups_max` + 1 rows gave them all."""
    if len(groups) > groups_max:
        refused.labels(kebab(TooManyGroups.__name__)).inc()
        raise TooManyGroups(
            f"That is more than {groups_max:,} groups, too many: narrow the range, filter, or group by less.",
            field="group_by",
        )


_places: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


async def _place() -> AsyncIterator[None]:
    """Hold one of `report_concurrent` places; who waits holds neither a thread nor a connection."""
    loop = asyncio.get_running_loop()
    places = _places.setdefault(loop, asyncio.Semaphore(get_settings().report_concurrent))
    try:
        async with asyncio.timeout(PATIENCE_S):
            await places.acquire()
    except TimeoutError as busy:
        refused.labels(kebab(TooManyReports.__name__)).inc()
        raise TooManyReports("Too many reports at once: ask again.", retry_after_s=RETRY_AFTER_S) from busy
    try:
        yield
    finally:
        places.release()


Place = Annotated[None, Depends(_place, scope="function")]
