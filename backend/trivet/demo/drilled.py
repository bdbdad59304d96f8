"""The demo's drill: once the story is told, support-chat's ladder is run on purpose on a backend that serves nobody."""

import asyncio
import contextlib
import threading
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

from trivet import db
from trivet.demo import drill_backend
from trivet.demo.cards import SUPPORT_CHAT
from trivet.evidence import drill_start
from trivet.evidence.drill_start import Wish
from trivet.evidence.models import Drill
from trivet.kit.clock import utc_now
from trivet.kit.errors import TrivetError

NAME = "drill-demo"
ACTOR = "demo"
TRIES, PAUSE_S = 60, 1.0  # how long it waits for calm, and for its backend to be in sight
LASTS_MAX_S = 240
AWAY = "the database is away"
WISH = Wish(SUPPORT_CHAT, NAME, hold_s=2.0, reason="the demo shows that the ladder works")


async def drill(endpoint: str, key: str, say: Callable[[str], None]) -> None:
    """Start the backend, begin the drill, and stay until it is over. `key` has the scopes ingest and policy."""
    until = threading.Event()
    serving = asyncio.create_task(
        asyncio.to_thread(drill_backend.run, endpoint, key, NAME, (SUPPORT_CHAT,), until=until, say=lambda _: None)
    )
    try:
        id_ = await _begin(say)
        if id_ is not None:
            say(f"drill {id_}: support-chat's ladder, level by level, on a backend that serves nobody; see /readiness")
            say(f"drill {id_}: {await _over(id_)}")
    finally:
        until.set()
        await serving


async def _begin(say: Callable[[str], None]) -> int | None:
    why = ""
    for _ in range(TRIES):
        await asyncio.sleep(PAUSE_S)
        try:
            return await asyncio.to_thread(_start)
        except TrivetError as refused:  # not calm yet, or the backend has not asked yet
            why = refused.detail
        except SQLAlchemyError:
            why = AWAY
    say(f"no drill: {why}")
    return None


def _start() -> int:
    with db.transaction() as session:
        return drill_start.start(session, WISH, actor=ACTOR, now=utc_now()).id


async def _over(id_: int) -> str:
    for _ in range(round(LASTS_MAX_S / PAUSE_S)):
        await asyncio.sleep(PAUSE_S)
        with contextlib.suppress(SQLAlchemyError):  # away for a moment: the workers go on with it
            outcome = await asyncio.to_thread(_outcome, id_)
            if outcome:
                return outcome
    return "not over yet; it goes on without the demo, and its time limits end it"


def _outcome(id_: int) -> str:
    """What came of it; "" while it runs."""
    with db.transaction() as session:
        drill = session.get(Drill, id_)
        return f"{drill.state}: {drill.outcome}" if drill is not None and drill.ended_at is not None else ""
