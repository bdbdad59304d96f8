"""What polls may be answered from without asking the database, and for how long.

A document is good while the hub says that nothing has moved since. What a backend proved is good for half a minute; every
few seconds one of its polls is put to the database as well, after it was answered, which keeps when it was last seen and
notices what it proved to other processes.
"""

import time
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock
from typing import Final, Generic, TypeVar

from trivet import db
from trivet.command.board import Marker

PROVEN_FOR: Final = timedelta(seconds=30)
RENEWED_EVERY: Final = timedelta(seconds=5)
LISTED_S: Final = 30.0  # which scenarios a backend serves is looked up again after this, or when told of a change
DOCUMENTS_CACHED: Final = 4_096

Kept = TypeVar("Kept")


@dataclass(slots=True)
class _Entry(Generic[Kept]):
    marker: Marker
    scenario_ids: tuple[int, ...]
    answer: Kept
    looked_up: float = field(default_factory=time.monotonic)


@dataclass(slots=True)
class _Proof:
    """What a backend holds, since when the database has that, and when it was last put to it."""

    etag: str
    at: datetime
    asked: datetime


class Memory(Generic[Kept]):
    """Documents by backend, "" for the one that holds for any, and what each backend proved last."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: OrderedDict[str, _Entry[Kept]] = OrderedDict()
        self._proven: OrderedDict[str, _Proof] = OrderedDict()
        db.caches.append(self.forget)

    def forget(self) -> None:
        with self._lock:
            self._kept.clear()
            self._proven.clear()

    def made_from(self, backend: str, marker: Marker, scenario_ids: tuple[int, ...]) -> Kept | None:
        """What was made from exactly this, which the database has just said."""
        with self._lock:
            entry = self._kept.get(backend)
            if entry is None or entry.marker != marker or entry.scenario_ids != scenario_ids:
                return None
            entry.looked_up = time.monotonic()
            self._kept.move_to_end(backend)
            return entry.answer

    def keep(self, backend: str, marker: Marker, scenario_ids: tuple[int, ...], answer: Kept) -> None:
        with self._lock:
            self._kept[backend] = _Entry(marker, scenario_ids, answer)
            while len(self._kept) > DOCUMENTS_CACHED:
                self._kept.popitem(last=False)

    def good(self, backend: str, marker: Marker) -> Kept | None:
        """What holds for a backend, by a marker that is good for this moment."""
        with self._lock:
            entry = self._kept.get(backend)
        if entry is None or entry.marker != marker:
            return None
        return entry.answer if not backend or time.monotonic() - entry.looked_up < LISTED_S else None

    def prove(self, backend: str, etag: str, now: datetime) -> None:
        """The database has it that the backend holds this."""
        with self._lock:
            self._proven[backend] = _Proof(etag, now, now)
            self._proven.move_to_end(backend)
            while len(self._proven) > DOCUMENTS_CACHED:
                self._proven.popitem(last=False)

    def is_proven(self, backend: str, etag: str, now: datetime) -> bool:
        found = self._proven.get(backend)
        return found is not None and found.etag == etag and timedelta() <= now - found.at < PROVEN_FOR

    def is_to_renew(self, backend: str, now: datetime) -> bool:
        """Whether this poll is to be put to the database as well: true for one of those that come together."""
        with self._lock:
            found = self._proven.get(backend)
            if found is None or now - found.asked < RENEWED_EVERY:
                return False
            found.asked = now
            return True
