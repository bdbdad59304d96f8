"""Ids of the end users that spans name: of each tenant only so many, then all further ones are its user `overflow`.

As with names (`store.names`), new ones are made in a short transaction before the one that writes requests, and a process
keeps those it met. Most spans name no end user and cost nothing here.
"""

import threading
from collections import Counter
from collections.abc import Iterable, Sequence

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trivet import db
from trivet.ingest.models import EndUser
from trivet.ingest.store.names import OVERFLOW
from trivet.ingest.store.row import Row
from trivet.kit.locks import Lock
from trivet.settings import get_settings

KIND = "end_user"
KEPT_MAX = 200_000  # users of all tenants kept in a process; more, and it starts again from nothing
STATEMENT_NAMES = 1_000

_known: dict[tuple[int, str], int] = {}
_full: dict[int, int] = {}  # id of `overflow` of tenants that were met at their limit
_lock = threading.Lock()


def _forget() -> None:
    with _lock:
        _known.clear()
        _full.clear()


db.caches.append(_forget)


def name(rows: Sequence[Row]) -> Counter[str]:
    """Set `end_user_id` of rows whose span names one; how many went to `overflow`, under its kind."""
    named = [row for row in rows if row.fact.end_user]
    if not named:
        return Counter()
    wanted = {(row.tenant_id, row.fact.end_user) for row in named}
    ids = {key: found for key in wanted if (found := _known.get(key)) is not None}
    by_tenant: dict[int, list[str]] = {}
    for tenant_id, user in sorted(wanted - ids.keys()):
        by_tenant.setdefault(tenant_id, []).append(user)
    for tenant_id, users in by_tenant.items():  # each commits before the next, so that nobody waits in a circle
        with db.transaction() as session:
            made = ids_of(session, tenant_id, users)
        _keep(tenant_id, made, full=any(user not in made for user in users))
        ids |= {(tenant_id, user): made.get(user) or made[OVERFLOW] for user in users}
    over = 0
    for row in named:
        row.end_user_id = ids[(row.tenant_id, row.fact.end_user)]
        over += row.end_user_id == _full.get(row.tenant_id) and row.fact.end_user != OVERFLOW
    return Counter({KIND: over}) if over else Counter()


def ids_of(session: Session, tenant_id: int, users: Iterable[str]) -> dict[str, int]:
    """Ids of a tenant's end users by name, made where they are new; of those over the limit only that of `overflow`."""
    wanted = sorted({*users, OVERFLOW})
    found = _read(session, tenant_id, wanted)
    new = [user for user in wanted if user not in found and user != OVERFLOW]
    if not new or tenant_id in _full:
        return found
    session.execute(text("SELECT pg_advisory_xact_lock(:what, :tenant)"), {"what": Lock.USERS, "tenant": tenant_id})
    counted = (EndUser.tenant_id == tenant_id, EndUser.name != OVERFLOW)
    used = session.scalar(select(func.count()).select_from(EndUser).where(*counted)) or 0
    room = max(0, get_settings().end_users_per_tenant_limit - used)
    make = [*new[:room], *([OVERFLOW] if len(new) > room else [])]
    for start in range(0, len(make), STATEMENT_NAMES):
        values = [{"tenant_id": tenant_id, "name": user} for user in make[start : start + STATEMENT_NAMES]]
        session.execute(insert(EndUser).values(values).on_conflict_do_nothing())
    return _read(session, tenant_id, wanted)


def _read(session: Session, tenant_id: int, users: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for start in range(0, len(users), STATEMENT_NAMES):
        chunk = users[start : start + STATEMENT_NAMES]
        query = select(EndUser.name, EndUser.id).where(EndUser.tenant_id == tenant_id, EndUser.name.in_(chunk))
        found |= dict(session.execute(query).all())
    return found


def _keep(tenant_id: int, made: dict[str, int], *, full: bool) -> None:
    """Remember what has been committed."""
    with _lock:
        if len(_known) + len(made) > KEPT_MAX:
            _known.clear()
        _known.update({(tenant_id, user): id_ for user, id_ in made.items()})
        if full:
            _full[tenant_id] = made[OVERFLOW]
