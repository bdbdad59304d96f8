"""Names of the tools that spans say were called: of each tenant only so many, then all further ones are `overflow`.

As with end users (`store.users`), new ones are made in a short transaction before the one that keeps the spans, and a
process keeps those it met.
"""

import threading
from collections import Counter
from collections.abc import Iterable, Sequence

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trivet import db
from trivet.ingest.models import Tool
from trivet.ingest.store.names import OVERFLOW
from trivet.ingest.store.retrieved import Found
from trivet.kit.locks import Lock
from trivet.settings import get_settings

KIND = "tool"
KEPT_MAX = 200_000  # tools of all tenants kept in a process; more, and it starts again from nothing

_known: set[tuple[int, str]] = set()
_lock = threading.Lock()
db.caches.append(_known.clear)


def name(found: Sequence[Found]) -> Counter[str]:
    """Set `callee` of spans that call a tool; how many went to `overflow`, under its kind."""
    named = [each for each in found if each.fact.callee]
    if not named:
        return Counter()
    wanted = {(each.tenant_id, each.fact.callee) for each in named}
    new: dict[int, list[str]] = {}
    for tenant_id, tool in sorted(wanted - _known):
        new.setdefault(tenant_id, []).append(tool)
    admitted = wanted & _known
    for tenant_id, tools in new.items():  # each commits before the next, so that nobody waits in a circle
        with db.transaction() as session:
            own = {(tenant_id, tool) for tool in _admit(session, tenant_id, tools)}
        _keep(own)
        admitted |= own
    over = 0
    for each in named:
        within = (each.tenant_id, each.fact.callee) in admitted
        each.callee = each.fact.callee if within else OVERFLOW
        over += not within
    return Counter({KIND: over}) if over else Counter()


def _admit(session: Session, tenant_id: int, tools: Iterable[str]) -> set[str]:
    """Those of the names that the tenant has or may still have. Exports of one tenant wait for each other here."""
    session.execute(text("SELECT pg_advisory_xact_lock(:what, :tenant)"), {"what": Lock.TOOLS, "tenant": tenant_id})
    asked = list(tools)
    mine = Tool.tenant_id == tenant_id
    has = set(session.scalars(select(Tool.name).where(mine, Tool.name.in_(asked))))
    used = session.scalar(select(func.count()).select_from(Tool).where(mine)) or 0
    room = max(0, get_settings().names_per_key_limit - used)
    new = [tool for tool in asked if tool not in has][:room]
    if new:
        rows = [{"tenant_id": tenant_id, "name": tool} for tool in new]
        session.execute(insert(Tool).values(rows).on_conflict_do_nothing())
    return has | set(new)


def _keep(own: set[tuple[int, str]]) -> None:
    with _lock:
        if len(_known) + len(own) > KEPT_MAX:
            _known.clear()
        _known.update(own)
