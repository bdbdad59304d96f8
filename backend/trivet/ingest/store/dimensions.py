"""Ids of names in what is not a span (readings, scores, running calls), inside the transaction that writes them.

Names of spans have limits of their own: see `names`.
"""

import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet import db
from trivet.fleet.models import Backend, Pool, Region
from trivet.pricing.models import ModelVersion
from trivet.tenant.models import Scenario, Tenant

CACHE_SIZE = 50_000  # names of one kind kept in a process; more, and it starts again from nothing
STATEMENT_NAMES = 1_000  # names looked up or made by one statement
NONE = 0


class Names:
    """A bounded map of names to ids, shared by threads."""

    def __init__(self) -> None:
        self._ids: dict[Any, int] = {}
        self._lock = threading.Lock()
        db.caches.append(self.clear)

    def clear(self) -> None:
        with self._lock:
            self._ids = {}

    def known(self) -> Mapping[Any, int]:
        """The ids as they are now; may be read while others add."""
        return self._ids

    def add(self, ids: Mapping[Any, int]) -> None:
        with self._lock:
            if len(self._ids) + len(ids) > CACHE_SIZE:
                self._ids = {}
            self._ids = {**self._ids, **ids} if ids else self._ids


_NAMED: dict[str, tuple[Any, Names]] = {
    "tenant": (Tenant, Names()),
    "scenario": (Scenario, Names()),
    "backend": (Backend, Names()),
    "pool": (Pool, Names()),
    "version": (ModelVersion, Names()),
    "region": (Region, Names()),
}


def remember(kind: str, ids: Mapping[str, int]) -> None:
    """Keep ids of names for a while. Only what has been committed may be remembered."""
    _NAMED[kind][1].add(ids)


def ids_of(session: Session, kind: str, names: Iterable[str], new_names_max: int | None = None) -> dict[str, int]:
    """Ids of names of one kind (`tenant`, `scenario`, `backend`, `pool`) inside a transaction; nothing is remembered.

    With `new_names_max`, names never met beyond so many are left out.
    """
    wanted = list(dict.fromkeys(name for name in names if name))
    found = _resolve(_NAMED[kind][1], wanted)
    missing = [name for name in wanted if name not in found]
    return found | _named(session, kind, missing, len(missing) if new_names_max is None else new_names_max)


def _resolve(cache: Names, wanted: Iterable[Any]) -> dict[Any, int]:
    known = cache.known()
    return {name: known[name] for name in wanted if name in known}


def _named(session: Session, kind: str, names: Sequence[str], new_names_max: int) -> dict[str, int]:
    """Ids of names; those never met are made, up to the limit."""
    table, _ = _NAMED[kind]
    if len(names) > new_names_max:
        known = {
            name
            for chunk in _chunks(names)
            for name in session.scalars(select(table.name).where(table.name.in_(chunk)))
        }
        names = _within(names, known, new_names_max)
    return {name: row_id for chunk in _chunks(names) for name, row_id in db.named_ids(session, table, chunk).items()}


def _within(names: Sequence[Any], known: Collection[Any], new_names_max: int) -> list[Any]:
    """The known names, and the first new ones."""
    new = [name for name in names if name not in known]
    return [*known, *new[:new_names_max]]


def _chunks(names: Iterable[Any]) -> Iterator[list[Any]]:
    """In order, so that writers do not wait in a circle, and few enough for one statement's parameters."""
    ordered = sorted(names)
    return (ordered[i : i + STATEMENT_NAMES] for i in range(0, len(ordered), STATEMENT_NAMES))
