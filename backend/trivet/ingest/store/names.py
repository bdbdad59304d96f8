"""Ids of the names in spans, and how many names of a kind one key may bring.

Each key has a limit of distinct names of each kind. Past it a name becomes the ordinary name `overflow` of its kind, so
that rows stay few while every total stays exact. Names a key has used are rows (`key_name`); a process keeps them, and
once a key is full it knows all of them, so that a million names cost neither memory nor statements.

New names are made in a short transaction of their own before the one that writes requests, so that no writer waits for
another's new name for long. A name never met is a row even where its requests then fail to be stored; that is harmless.
"""

import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trivet import db
from trivet.fleet.models import Backend, Pool, Region
from trivet.ingest.models import KeyName
from trivet.ingest.request.fact import LookupFact, RequestFact
from trivet.ingest.store.ids import NONE
from trivet.kit.locks import Lock
from trivet.pricing import service as pricing
from trivet.pricing.models import Model, ModelVersion
from trivet.settings import get_settings
from trivet.tenant.models import Scenario, Tenant

TABLES: Mapping[str, Any] = {
    "tenant": Tenant,
    "scenario": Scenario,
    "model": Model,
    "backend": Backend,
    "pool": Pool,
    "version": ModelVersion,
    "region": Region,
}
KINDS = tuple(TABLES)  # stored as the index
OVERFLOW = "overflow"
KEPT_MAX = 200_000  # names of all keys kept in a process; more, and it starts again from nothing
COMBINATIONS_MAX = 50_000  # ways in which names came together, of one key
STATEMENT_NAMES = 1_000  # names looked up or made by one statement

Name = str | tuple[str, str]  # of a model: provider and name
Names = tuple[Name, ...]  # one for each of `KINDS`; empty where the span named none
Ids = tuple[int, ...]
_NO_MODEL = ("", "")


@dataclass(slots=True)
class _Kind:
    """What a process knows of one key's names of one kind. `overflow` is set once the key is full: then `ids` are all."""

    ids: dict[Name, int] = field(default_factory=dict)
    overflow: int | None = None


@dataclass(slots=True)
class _Key:
    kinds: tuple[_Kind, ...] = field(default_factory=lambda: tuple(_Kind() for _ in KINDS))
    combinations: dict[Names, Ids] = field(default_factory=dict)


_keys: dict[tuple[int, int | None], _Key] = {}
_lock = threading.Lock()


def _forget() -> None:
    with _lock:
        _keys.clear()


db.caches.append(_forget)


def limit_of(kind: str) -> int:
    """How many distinct names of a kind one key may bring."""
    settings = get_settings()
    own = {
        "tenant": settings.tenants_per_key_limit,
        "scenario": settings.scenarios_per_key_limit,
        "model": settings.models_per_key_limit,
    }
    return own.get(kind, settings.names_per_key_limit)


def ids_of(
    facts: Sequence[RequestFact | LookupFact | Names], key_id: int, tenant_id: int | None
) -> tuple[list[Ids], Counter[str]]:
    """For each fact the ids of its names in the order of `KINDS`, and how many facts overflowed, by kind.

    A key bound to a tenant (`tenant_id`) decides the tenant of all.
    """
    key = _key(key_id, tenant_id)
    known = key.combinations
    named = [fact if isinstance(fact, tuple) else names_of(fact) for fact in facts]
    missed = [names for names in dict.fromkeys(named) if names not in known]
    overflowed: Counter[str] = Counter()
    if not missed:
        return [known[names] for names in named], overflowed
    found = _learn(key, missed, key_id, tenant_id)
    ids = [known.get(names) or found[names] for names in named]
    full = [(n, kind, key.kinds[n].overflow) for n, kind in enumerate(KINDS) if key.kinds[n].overflow is not None]
    for n, kind, overflow in full:
        at_limit = sum(own[n] == overflow and not _is_overflow(names[n]) for names, own in zip(named, ids, strict=True))
        if at_limit:
            overflowed[kind] = at_limit
    return ids, overflowed


def ids_within(
    session: Session, kind: str, wanted: Iterable[str], key_id: int, tenant_id: int | None
) -> tuple[dict[str, int], set[str]]:
    """Ids of names of one kind inside a transaction of the caller's, and which of the names went to `overflow`.

    Nothing is remembered: what this transaction makes may yet be rolled back.
    """
    n, wanted = KINDS.index(kind), [name for name in wanted if name]
    known = _key(key_id, tenant_id).kinds[n]
    missing = _wanted(known, 0, [(name,) for name in wanted])
    made = _admit(session, key_id, {n: missing})[n] if missing else _Kind()
    own = _Kind({**known.ids, **made.ids}, known.overflow if made.overflow is None else made.overflow)
    ids = {name: _id(own, name) for name in dict.fromkeys(wanted)}
    return ids, {name for name, row_id in ids.items() if row_id == own.overflow and not _is_overflow(name)}


def _is_overflow(name: Name) -> bool:
    return name in (OVERFLOW, ("", OVERFLOW))


def names_of(fact: RequestFact | LookupFact) -> Names:
    """What a fact names, in the order of `KINDS`."""
    if isinstance(fact, LookupFact):
        return fact.tenant, fact.scenario, _NO_MODEL, fact.backend, "", "", ""
    model = (fact.provider, fact.model) if fact.model else _NO_MODEL
    return fact.tenant, fact.scenario, model, fact.backend, fact.pool, fact.version, fact.region


def _key(key_id: int, tenant_id: int | None) -> _Key:
    with _lock:
        return _keys.setdefault((key_id, tenant_id), _Key())


def _learn(key: _Key, missed: Sequence[Names], key_id: int, tenant_id: int | None) -> dict[Names, Ids]:
    """Ids of combinations not met before; those without overflow are remembered."""
    wanted = {n: _wanted(key.kinds[n], n, missed) for n in range(len(KINDS)) if n or tenant_id is None}
    if any(wanted.values()):
        with db.transaction() as session:
            learnt = _admit(session, key_id, {n: names for n, names in wanted.items() if names})
        for n, own in learnt.items():  # only what has been committed may be remembered
            key.kinds[n].ids.update(own.ids)
            if own.overflow is not None:
                key.kinds[n].overflow = own.overflow
    found = {
        names: tuple(
            tenant_id if n == 0 and tenant_id is not None else _id(key.kinds[n], name) for n, name in enumerate(names)
        )
        for names in missed
    }
    with _lock:
        if sum(len(kind.ids) for each in _keys.values() for kind in each.kinds) > KEPT_MAX:
            _keys.clear()  # whoever still uses one goes on with it
    lasting = {names: ids for names, ids in found.items() if not _overflows(key, ids)}
    with _lock:
        if len(key.combinations) + len(lasting) > COMBINATIONS_MAX:
            key.combinations = {}  # another thread may still read the old one
        key.combinations.update(lasting)
    return found


def _wanted(kind: _Kind, n: int, missed: Iterable[Names]) -> list[Name]:
    """Names of a kind that must be asked for, in the order in which they came."""
    if kind.overflow is not None:
        return []
    return [name for name in dict.fromkeys(names[n] for names in missed) if any(name) and name not in kind.ids]


def _id(kind: _Kind, name: Name) -> int:
    if not any(name):
        return NONE
    found = kind.ids.get(name, kind.overflow)
    if found is None:
        raise RuntimeError(f"nobody made {name!r}")
    return found


def _overflows(key: _Key, ids: Ids) -> bool:
    return any(own == kind.overflow for own, kind in zip(ids, key.kinds, strict=True))


def _admit(session: Session, key_id: int, wanted: Mapping[int, list[Name]]) -> dict[int, _Kind]:
    """What is now known of a key's names of some kinds. Exports of one key wait for each other here, so limits hold."""
    session.execute(text("SELECT pg_advisory_xact_lock(:what, :key)"), {"what": Lock.NAMES, "key": key_id})
    return {n: _admit_kind(session, key_id, n, names) for n, names in sorted(wanted.items())}


def _admit_kind(session: Session, key_id: int, n: int, names: list[Name]) -> _Kind:
    limit = limit_of(KINDS[n])
    mine = (KeyName.key_id == key_id, KeyName.kind == n)
    used = session.scalar(select(func.count()).select_from(KeyName).where(*mine)) or 0
    own = _Kind(_used(session, n, names, mine))
    new = [name for name in names if name not in own.ids and not _is_overflow(name)]
    room = max(0, limit - used)
    made = _make(session, n, [*new[:room], *filter(_is_overflow, names)])
    rows = [{"key_id": key_id, "kind": n, "name_id": made[name]} for name in new[:room]]
    for start in range(0, len(rows), STATEMENT_NAMES):
        session.execute(insert(KeyName).values(rows[start : start + STATEMENT_NAMES]).on_conflict_do_nothing())
    own.ids |= made
    if used + len(rows) >= limit:
        own.overflow = next(iter(_make(session, n, [_overflow(n)]).values()))
        own.ids |= _all(session, n, mine)
    return own


def _overflow(n: int) -> Name:
    return ("", OVERFLOW) if KINDS[n] == "model" else OVERFLOW


def _used(session: Session, n: int, names: Iterable[Name], mine: Sequence[Any]) -> dict[Name, int]:
    """Those of the names that the key has used, with their ids."""
    found: dict[Name, int] = {}
    for chunk in _chunks(names):
        if KINDS[n] == "model":
            ids: dict[Any, int] = dict(pricing.known_ids(session, chunk))
        else:
            table = TABLES[KINDS[n]]
            ids = dict(session.execute(select(table.name, table.id).where(table.name.in_(chunk))).all())
        known = set(session.scalars(select(KeyName.name_id).where(*mine, KeyName.name_id.in_(ids.values()))))
        found |= {name: row_id for name, row_id in ids.items() if row_id in known}
    return found


def _all(session: Session, n: int, mine: Sequence[Any]) -> dict[Name, int]:
    """Every name that the key has used; it is full, so these are at most its limit."""
    table = TABLES[KINDS[n]]
    name = (table.provider, table.name) if KINDS[n] == "model" else (table.name,)
    found = session.execute(select(table.id, *name).join(KeyName, KeyName.name_id == table.id).where(*mine))
    return {(tuple(own) if len(own) > 1 else own[0]): row_id for row_id, *own in found}


def _make(session: Session, n: int, names: Iterable[Name]) -> dict[Name, int]:
    """Ids of names, those never met made; new models with their list prices, before their first request is priced."""
    made: dict[Any, int] = {}
    for chunk in _chunks(names):
        if KINDS[n] == "model":
            made.update(pricing.model_ids(session, chunk))
            pricing.on_first_sight(session, chunk)
        else:
            made.update(db.named_ids(session, TABLES[KINDS[n]], chunk))
    return made


def _chunks(names: Iterable[Name]) -> Iterable[list[Any]]:
    """In order, so that writers do not wait in a circle, and few enough for one statement's parameters."""
    ordered: list[Any] = sorted(names)
    return (ordered[i : i + STATEMENT_NAMES] for i in range(0, len(ordered), STATEMENT_NAMES))
