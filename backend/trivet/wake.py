"""Word of a change that goes out with its commit, to every process that waits for it (PostgreSQL's NOTIFY).

It is a hint: who missed it looks again by the clock. Nothing travels in it but where to look.
"""

from collections.abc import Callable
from typing import Final

from sqlalchemy import event, func, select
from sqlalchemy.orm import Session

POLICY: Final = "trivet_policy"  # what should hold has changed, or the scenarios that a backend serves

# What this process itself hears of its own commits, before the database has told it: so nothing here reads its own write late.
here: dict[str, list[Callable[[], None]]] = {POLICY: []}


def tell(session: Session, channel: str, about: object) -> None:
    """In this transaction: whoever listens on the channel is told once it has committed, and nobody if it has not."""
    session.execute(select(func.pg_notify(channel, str(about))))
    event.listen(session, "after_commit", lambda _: _tell_here(channel))


def _tell_here(channel: str) -> None:
    for hear in here.get(channel, ()):
        hear()
