"""How each backend learns of a change: it listens, it is told by a webhook, it polls; or it has not been seen lately."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet.command.models import BackendPoll, BackendWebhook
from trivet.kit.marked import N_, Say, english

LISTENS_S = 60  # a stream says that it is open more often than this
WORDS = {
    "listens": N_("{names} at once"), "webhook": N_("{names} by a signed message"),
    "polls": N_("{names} at its next poll"), "silent": N_("{names} when it asks"),
}  # fmt: skip


def how(session: Session, now: datetime, seen_s: float) -> dict[int, str]:
    """`listens`, `webhook`, `polls` or `silent`, by backend id; one that is not named is silent."""
    told = set(session.scalars(select(BackendWebhook.backend_id)))
    polls = session.execute(select(BackendPoll.backend_id, BackendPoll.polled_at, BackendPoll.listening_at)).all()
    found = {
        id_: way(now, polled_at=polled_at, listening_at=listening_at, told=id_ in told, seen_s=seen_s)
        for id_, polled_at, listening_at in polls
    }
    return {**dict.fromkeys(told, "webhook"), **found}


def way(now: datetime, *, polled_at: datetime | None, listening_at: datetime | None, told: bool, seen_s: float) -> str:
    if listening_at is not None and now - listening_at < timedelta(seconds=LISTENS_S):
        return "listens"
    if told:
        return "webhook"
    return "polls" if polled_at is not None and now - polled_at < timedelta(seconds=seen_s) else "silent"


def sentence(ways: Mapping[str, str], _: Say = english) -> str:
    """How these backends would learn, by name: `gw-1 at once; gw-2 at its next poll`."""
    by_way: dict[str, list[str]] = {}
    for name, one in sorted(ways.items()):
        by_way.setdefault(one, []).append(name)
    return _("; ").join(_(words, names=_some(by_way[one], _)) for one, words in WORDS.items() if one in by_way)


def _some(names: list[str], _: Say, most: int = 5) -> str:
    said = _(", ").join(names[:most])
    return _("{names} and {n} more", names=said, n=len(names) - most) if len(names) > most else said
