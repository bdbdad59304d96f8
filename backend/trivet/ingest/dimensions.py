"""Ids of the names in spans: kept a while in the process, and made in a short transaction of their own.

That transaction comes before the one that writes requests, so no writer waits for another's new name for long. A name
never met is a row even where its requests then fail to be stored; that is harmless.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy.orm import Session

from trivet import db
from trivet.fleet.models import Backend, Pool
from trivet.ingest.fact import RequestFact
from trivet.ingest.row import Row
from trivet.pricing import service as pricing
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
}
_MODELS = Names()


def rows_of(facts: Iterable[RequestFact], tenant_id: int | None) -> list[Row]:
    """The facts with ids for their names; a key bound to a tenant decides the tenant of all."""
    facts = list(facts)
    names = {
        "tenant": {fact.tenant for fact in facts} - {""} if tenant_id is None else set(),
        "scenario": {fact.scenario for fact in facts} - {""},
        "backend": {fact.backend for fact in facts} - {""},
        "pool": {fact.pool for fact in facts} - {""},
    }
    pairs = {(fact.provider, fact.model) for fact in facts if fact.model}
    ids = {kind: _resolve(cache, names[kind]) for kind, (_, cache) in _NAMED.items()}
    models = _resolve(_MODELS, pairs)
    missing = {kind: names[kind] - ids[kind].keys() for kind in _NAMED}
    new_pairs = pairs - models.keys()
    if new_pairs or any(missing.values()):
        with db.transaction() as session:
            made = _make(session, missing)
            models |= _make_models(session, new_pairs)
        # Only what has been committed may be remembered.
        for kind, (_, cache) in _NAMED.items():
            cache.add(made[kind])
            ids[kind] |= made[kind]
        _MODELS.add({pair: models[pair] for pair in new_pairs})
    return [
        Row(
            fact,
            tenant_id if tenant_id is not None else ids["tenant"].get(fact.tenant, NONE),
            ids["scenario"].get(fact.scenario, NONE),
            models.get((fact.provider, fact.model), NONE),
            ids["backend"].get(fact.backend, NONE),
            ids["pool"].get(fact.pool, NONE),
        )
        for fact in facts
    ]


def ids_of(session: Session, kind: str, names: Iterable[str]) -> dict[str, int]:
    """Ids of names of one kind (`tenant`, `scenario`, `backend`, `pool`) inside a transaction; nothing is remembered."""
    table, cache = _NAMED[kind]
    wanted = {name for name in names if name}
    found = _resolve(cache, wanted)
    return found | db.named_ids(session, table, wanted - found.keys())


def _resolve(cache: Names, wanted: Iterable[Any]) -> dict[Any, int]:
    known = cache.known()
    return {name: known[name] for name in wanted if name in known}


def _make(session: Session, missing: Mapping[str, set[str]]) -> dict[str, dict[str, int]]:
    return {
        kind: {
            name: row_id
            for chunk in _chunks(missing[kind])
            for name, row_id in db.named_ids(session, table, chunk).items()
        }
        for kind, (table, _) in _NAMED.items()
    }


def _make_models(session: Session, pairs: set[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """New models, and their list prices before their first request is priced."""
    made: dict[tuple[str, str], int] = {}
    for chunk in _chunks(pairs):
        made |= pricing.model_ids(session, chunk)
        pricing.on_first_sight(session, chunk)
    return made


def _chunks(names: set[Any]) -> Iterator[list[Any]]:
    """In order, so that writers do not wait in a circle, and few enough for one statement's parameters."""
    ordered = sorted(names)
    return (ordered[i : i + STATEMENT_NAMES] for i in range(0, len(ordered), STATEMENT_NAMES))
