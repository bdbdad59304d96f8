"""Ids of the names in spans: kept a while in the process, and made in a short transaction of their own.

That transaction comes before the one that writes requests, so no writer waits for another's new name for long. A name
never met is a row even where its requests then fail to be stored; that is harmless.
"""

import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet import db
from trivet.fleet.models import Backend, Pool, Region
from trivet.ingest.fact import RequestFact
from trivet.ingest.row import Row
from trivet.pricing import service as pricing
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
_MODELS = Names()


def rows_of(facts: Sequence[RequestFact], tenant_id: int | None, new_names_max: int) -> list[Row]:
    """The facts with ids for their names; a key bound to a tenant decides the tenant of all.

    Of each kind at most `new_names_max` names never met before are made, the first that come; facts that name one more
    are left out.
    """
    wanted = {kind: _met(facts, kind) for kind in _NAMED}
    if tenant_id is not None:
        wanted["tenant"] = []
    pairs = list(dict.fromkeys((fact.provider, fact.model) for fact in facts if fact.model))
    ids = {kind: _resolve(cache, wanted[kind]) for kind, (_, cache) in _NAMED.items()}
    models = _resolve(_MODELS, pairs)
    missing = {kind: [name for name in wanted[kind] if name not in ids[kind]] for kind in _NAMED}
    new_pairs = [pair for pair in pairs if pair not in models]
    if new_pairs or any(missing.values()):
        with db.transaction() as session:
            made = {kind: _named(session, kind, names, new_names_max) for kind, names in missing.items()}
            made_models = _make_models(session, new_pairs, new_names_max)
        # Only what has been committed may be remembered.
        for kind, (_, cache) in _NAMED.items():
            cache.add(made[kind])
            ids[kind] |= made[kind]
        _MODELS.add(made_models)
        models |= made_models
    return list(_rows(facts, tenant_id, ids, models))


def _met(facts: Iterable[RequestFact], kind: str) -> list[str]:
    """The names of a kind, in the order in which they come."""
    return [name for name in dict.fromkeys(getattr(fact, kind) for fact in facts) if name]


def _rows(
    facts: Iterable[RequestFact], tenant_id: int | None, ids: dict[str, dict[Any, int]], models: dict[Any, int]
) -> Iterator[Row]:
    tenants, scenarios, backends, pools, versions, regions = ({**ids[kind], "": NONE} for kind in _NAMED)
    for fact in facts:
        try:
            row = Row(
                fact,
                tenant_id if tenant_id is not None else tenants[fact.tenant],
                scenarios[fact.scenario],
                models[fact.provider, fact.model] if fact.model else NONE,
                backends[fact.backend],
                pools[fact.pool],
                versions[fact.version],
                regions[fact.region],
            )
        except KeyError:  # one name too many
            continue
        yield row


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


def _make_models(session: Session, pairs: Sequence[tuple[str, str]], new_names_max: int) -> dict[tuple[str, str], int]:
    """New models, up to the limit, and their list prices before their first request is priced."""
    if len(pairs) > new_names_max:
        pairs = _within(pairs, pricing.known_ids(session, pairs).keys(), new_names_max)
    made: dict[tuple[str, str], int] = {}
    for chunk in _chunks(pairs):
        made |= pricing.model_ids(session, chunk)
        pricing.on_first_sight(session, chunk)
    return made


def _within(names: Sequence[Any], known: Collection[Any], new_names_max: int) -> list[Any]:
    """The known names, and the first new ones."""
    new = [name for name in names if name not in known]
    return [*known, *new[:new_names_max]]


def _chunks(names: Iterable[Any]) -> Iterator[list[Any]]:
    """In order, so that writers do not wait in a circle, and few enough for one statement's parameters."""
    ordered = sorted(names)
    return (ordered[i : i + STATEMENT_NAMES] for i in range(0, len(ordered), STATEMENT_NAMES))
