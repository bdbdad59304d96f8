"""Answering a backend's poll, and keeping what it proves.

A poll costs one statement while nothing changes, or none (`quick`): the document is kept in memory beside a marker of
everything it is made from. A poll with an ETag proves the generations that were served under it; what is written is bounded (once for each
change, and the time of the last poll every few seconds).
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, ClassVar

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trivet.command import board as boards
from trivet.command import policy
from trivet.command.board import ACTIVATIONS, GENERATIONS
from trivet.command.memory import Memory
from trivet.command.models import (
    BackendHolding,
    BackendPoll,
    PolicyServed,
)
from trivet.db import named_ids
from trivet.fleet.models import Backend
from trivet.kit.errors import TrivetError
from trivet.settings import get_settings

POLL_WRITTEN_EVERY = timedelta(seconds=5)
SERVED_KEPT = timedelta(days=7)

# Beyond these, a name never met is refused: somebody makes names up.
BACKENDS_MAX = 10_000
NEW_BACKENDS_MAX = 60  # first met by a poll, in `NEW_BACKENDS_S`
NEW_BACKENDS_S = 60

Marker = tuple[int, int, tuple[int, ...]]  # the board's, and the scenarios that the backend serves


class NoRoom(TrivetError):
    """A poll under a name never met that is not kept. `reason` is how it is counted."""

    reason: ClassVar[str]


class TooManyBackends(NoRoom):
    """Names of backends are kept for ever, so there is a limit to them."""

    status = 409
    reason = "too_many_backends"


class TooManyNewBackends(NoRoom):
    """More names than a fleet that is being rolled out brings."""

    status = 429
    reason = "too_many_new_backends"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a backend should hold: the lasting part of its document, its ETag, and the generations that prove it.

    `unchanged`: the backend was served this before and says that it holds it.
    """

    backend: str
    backend_id: int
    etag: str
    lasting: dict[str, Any]
    generations: dict[int, int]
    valid_s: float
    changes: dict[str, policy.CardChange]  # by scenario
    unchanged: bool = False

    def document(self, now: datetime) -> dict[str, Any]:
        return policy.document(self.backend, self.lasting, now, self.valid_s)


memory: Memory[Answer] = Memory()


@dataclass(frozen=True, slots=True)
class _Known:
    """A backend with its last poll, and the marker of what its document is made from."""

    id: int
    polled_at: datetime | None
    etag: str | None
    marker: Marker


def answer(session: Session, backend: str, held: Collection[str], now: datetime) -> Answer:
    """What the backend should hold; what its ETags prove is kept. One never met is kept under its name."""
    known = _known(session, backend)
    if known is None:
        _refuse_one_too_many(session, backend)
        named_ids(session, Backend, [backend])
        known = _known(session, backend)
        assert known is not None
    found = _answer(session, backend, known)
    held_etag = _keep(session, known, found, held, now)
    return replace(found, unchanged=held_etag == found.etag)


def should_hold(session: Session, backend: str, now: datetime) -> Answer:
    """What a backend that is known should hold, remembered as served to it: it is about to be told."""
    known = _known(session, backend)
    assert known is not None
    found = _answer(session, backend, known)
    served = select(PolicyServed.etag).where(PolicyServed.backend_id == known.id, PolicyServed.etag == found.etag)
    if session.scalar(served) is None:
        _serve(session, found, now)
    return found


def held(session: Session, backend_id: int, etag: str, now: datetime) -> None:
    """A backend said that it holds what it was told: as good as a poll with that ETag."""
    proven = session.scalar(
        select(PolicyServed.generations).where(PolicyServed.backend_id == backend_id, PolicyServed.etag == etag)
    )
    if proven is not None:
        _prove(session, backend_id, {int(id_): generation for id_, generation in proven.items()}, now)
        _polled(session, backend_id, etag, now)


def _refuse_one_too_many(session: Session, backend: str) -> None:
    if (session.scalar(select(func.count()).select_from(Backend)) or 0) >= BACKENDS_MAX:
        raise TooManyBackends(f"{BACKENDS_MAX} backends are known and {backend!r} is none of them.")
    lately = (
        select(func.count())
        .select_from(Backend)
        .join(BackendPoll, BackendPoll.backend_id == Backend.id)
        .where(Backend.registered_at.is_(None), Backend.created_at > func.now() - timedelta(seconds=NEW_BACKENDS_S))
    )
    if (session.scalar(lately) or 0) >= NEW_BACKENDS_MAX:
        raise TooManyNewBackends(
            f"{NEW_BACKENDS_MAX} backends were met for the first time in the last {NEW_BACKENDS_S} s. Register "
            f"{backend!r}, or ask again later.",
            retry_after_s=NEW_BACKENDS_S,
        )


def everything(session: Session, backend: str) -> Answer:
    """What holds for a backend, or for any; for questions that are evaluated here. Nothing is kept of it."""
    known = _known(session, backend) if backend else None
    if known is None:
        known = _Known(0, None, None, (*boards.read_marker(session), ()))
        backend = ""
    return _answer(session, backend, known)


def standing(session: Session, backend: str) -> tuple[str, frozenset[int]]:
    """The ETag of what should hold for a backend, and the scenarios it is made of (none: any). Proves and keeps nothing.

    One never met serves any scenario, as its first poll will find.
    """
    known = (_known(session, backend) if backend else None) or _Known(0, None, None, (*boards.read_marker(session), ()))
    part = boards.board(session, known.marker[:2]).part(known.id, known.marker[2])
    return policy.identity(backend, part.digest), frozenset(known.marker[2])


def _known(session: Session, backend: str) -> _Known | None:
    row = session.execute(
        select(Backend.id, Backend.scenario_ids, BackendPoll.polled_at, BackendPoll.etag, GENERATIONS, ACTIVATIONS)
        .outerjoin(BackendPoll, BackendPoll.backend_id == Backend.id)
        .where(Backend.name == backend)
    ).first()
    if row is None:
        return None
    id_, scenario_ids, polled_at, etag, total, count = row
    return _Known(id_, polled_at, etag, (int(total), count, tuple(sorted(scenario_ids))))


def _answer(session: Session, backend: str, known: _Known) -> Answer:
    marker, scenario_ids = known.marker[:2], known.marker[2]
    found = memory.made_from(backend, marker, scenario_ids)
    if found is None or found.backend_id != known.id:
        found = _make(session, backend, known)
        memory.keep(backend, marker, scenario_ids, found)
    return found


def _make(session: Session, backend: str, known: _Known) -> Answer:
    part = boards.board(session, known.marker[:2]).part(known.id, known.marker[2])
    limits = [get_settings().policy_valid_s, *([part.valid_s] if part.valid_s is not None else [])]
    etag = policy.identity(backend, part.digest)
    return Answer(backend, known.id, etag, part.lasting, part.generations, min(limits), part.changes)


def _keep(session: Session, known: _Known, found: Answer, held: Collection[str], now: datetime) -> str | None:
    """Write down what is new: a served ETag, a proof, or that the backend is still there. The ETag that it holds."""
    proof, proven = _proof(session, known, found, held, now)
    if proof != known.etag:
        _prove(session, known.id, proven, now)
    elif known.polled_at is not None and now - known.polled_at < POLL_WRITTEN_EVERY:
        return proof
    _polled(session, known.id, proof, now)
    return proof


def _proof(
    session: Session, known: _Known, found: Answer, held: Collection[str], now: datetime
) -> tuple[str | None, dict[int, int]]:
    """Which ETag the backend holds and the generations it proves.

    One that was never served to this backend proves nothing: who knows another's document can work it out.
    """
    if found.etag in held and found.etag == known.etag:
        return found.etag, found.generations  # proven before
    query = select(PolicyServed.etag, PolicyServed.generations).where(
        PolicyServed.backend_id == found.backend_id, PolicyServed.etag.in_([*held, found.etag])
    )
    served: dict[str, dict[str, int]] = dict(session.execute(query).all())
    if found.etag not in served:
        _serve(session, found, now)
    etag = found.etag if found.etag in held and found.etag in served else next((e for e in held if e in served), None)
    return etag, {int(id_): generation for id_, generation in served[etag].items()} if etag else {}


def _polled(session: Session, backend_id: int, etag: str | None, now: datetime) -> None:
    statement = insert(BackendPoll).values(backend_id=backend_id, polled_at=now, etag=etag)
    session.execute(
        statement.on_conflict_do_update(index_elements=["backend_id"], set_={"polled_at": now, "etag": etag})
    )


def _prove(session: Session, backend_id: int, generations: dict[int, int], now: datetime) -> None:
    """The backend said what it holds: its newest word counts, also when it went back."""
    rows = [
        {
            "backend_id": backend_id,
            "scenario_id": scenario_id,
            "observed_generation": generation,
            "observed_at": now,
            "effective_generation": -1,
            "effective_at": None,
            "level": 0,
            "revision": 0,
        }
        for scenario_id, generation in sorted(generations.items())
    ]
    if not rows:
        return
    statement = insert(BackendHolding).values(rows)
    new = statement.excluded
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["backend_id", "scenario_id"],
            set_={"observed_generation": new.observed_generation, "observed_at": new.observed_at},
            where=(BackendHolding.observed_generation != new.observed_generation)
            | BackendHolding.observed_at.is_(None),
        )
    )


def _serve(session: Session, found: Answer, now: datetime) -> None:
    """Remember which generations this ETag proves; those of long ago are forgotten."""
    generations = {str(id_): generation for id_, generation in found.generations.items()}
    session.execute(
        insert(PolicyServed)
        .values(backend_id=found.backend_id, etag=found.etag, generations=generations, served_at=now)
        .on_conflict_do_update(
            index_elements=["backend_id", "etag"], set_={"generations": generations, "served_at": now}
        )
    )
    session.execute(
        delete(PolicyServed).where(
            PolicyServed.backend_id == found.backend_id, PolicyServed.served_at < now - SERVED_KEPT
        )
    )
