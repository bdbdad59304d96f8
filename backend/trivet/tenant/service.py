"""Register tenants and cost centres, and say who paid when."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on, insert
from sqlalchemy.orm import Session

from trivet import db, outbox
from trivet.db import once
from trivet.identity import audit
from trivet.kit.clock import floor, rfc3339, when
from trivet.kit.errors import Conflict, Invalid
from trivet.tenant.models import CostCentre, Tenant, TenantCostCentre

HOUR_S = 3600
ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)

FIRST = "It never had a cost centre, so this one holds for all its usage: what was unattributed until now is charged."
LATER = "It had a cost centre, which keeps what came before."
SAME = "It is charged to this cost centre already; nothing changed."
ASKED = "As asked."
NO_CENTRE = "It has no cost centre: what it uses shows as unattributed."


@dataclass(frozen=True)
class Mapping:
    """What a registration came to: from when the cost centre holds, and why from then."""

    tenant: Tenant
    cost_centre: str | None
    effective_from: datetime | None
    reason: str


def register(
    session: Session,
    *,
    name: str,
    cost_centre: str | None,
    effective_from: datetime | None,
    actor: str,
    now: datetime,
) -> Mapping:
    """Register a tenant, met in spans or not, and charge it to a cost centre from a whole hour on.

    Hours are posted whole, so a mapping starts with one: the current hour where nothing is said. A tenant's first
    mapping holds for all its usage, also what came before or comes late: there is nobody else it could be charged to.
    """
    tenant_id = db.named_ids(session, Tenant, [name])[name]
    tenant = session.scalars(select(Tenant).where(Tenant.id == tenant_id).with_for_update()).one()
    before = current(session, tenant_id, now)
    if tenant.registered_at is None:
        tenant.registered_at = now
    mapping = _map(session, tenant, cost_centre, effective_from, now)
    after = {"cost_centre": mapping.cost_centre, "effective_from": when(mapping.effective_from)}
    session.flush()
    audit.record(
        session, actor=actor, action="tenant.register", subject=f"tenant:{name}",
        before={"cost_centre": before}, after=after, reason=mapping.reason,
    )  # fmt: skip
    return mapping


def _map(
    session: Session, tenant: Tenant, cost_centre: str | None, effective_from: datetime | None, now: datetime
) -> Mapping:
    newest = _newest(session, tenant.id)
    if cost_centre is None:
        return Mapping(tenant, newest[0] if newest else None, newest[1] if newest else None, NO_CENTRE)
    if newest and newest[0] == cost_centre and effective_from is None:
        return Mapping(tenant, newest[0], newest[1], SAME)
    start, reason = _start(effective_from, now, mapped=newest is not None)
    centre_id = db.named_ids(session, CostCentre, [cost_centre])[cost_centre]
    row = {"tenant_id": tenant.id, "cost_centre_id": centre_id, "effective_from": start}
    put = insert(TenantCostCentre).values(row).on_conflict_do_nothing().returning(TenantCostCentre.id)
    if session.scalar(put) is None:
        raise Conflict(
            f"{tenant.name} was mapped from {rfc3339(start)} on already, and mappings are not overwritten: "
            "give a later effective_from.",
            field="effective_from",
        )
    outbox.send(session, "ledger.tenant_changed", tenant.id, rfc3339(start))
    return Mapping(tenant, cost_centre, start, reason)


def _start(effective_from: datetime | None, now: datetime, *, mapped: bool) -> tuple[datetime, str]:
    if effective_from is None:
        return (floor(now, HOUR_S), LATER) if mapped else (ALWAYS, FIRST)
    if floor(effective_from, HOUR_S) != effective_from:
        raise Invalid("A mapping starts with a whole hour: 2026-11-21T07:00:00Z.", field="effective_from")
    return effective_from, ASKED


def _newest(session: Session, tenant_id: int) -> tuple[str, datetime] | None:
    found = session.execute(
        select(CostCentre.name, TenantCostCentre.effective_from)
        .join(CostCentre, CostCentre.id == TenantCostCentre.cost_centre_id)
        .where(TenantCostCentre.tenant_id == tenant_id)
        .order_by(TenantCostCentre.effective_from.desc())
        .limit(1)
    ).first()
    return (found[0], found[1]) if found else None


def current(session: Session, tenant_id: int, at: datetime) -> str | None:
    """Name of the cost centre that a tenant is charged to at `at`."""
    centre_id = cost_centres_at(session, at).get(tenant_id)
    return session.scalar(select(CostCentre.name).where(CostCentre.id == centre_id)) if centre_id else None


@once
def cost_centres_at(session: Session, at: datetime) -> dict[int, int]:
    """Cost centre id by tenant id, as it held at `at`; tenants without one are not there."""
    found = session.execute(
        select(TenantCostCentre.tenant_id, TenantCostCentre.cost_centre_id)
        .where(TenantCostCentre.effective_from <= at)
        .ext(distinct_on(TenantCostCentre.tenant_id))
        .order_by(TenantCostCentre.tenant_id, TenantCostCentre.effective_from.desc())
    )
    return dict(found.all())


def create_cost_centre(
    session: Session, *, name: str, actor: str, code: str = "", owners: Sequence[str] = (), parent: str | None = None
) -> CostCentre:
    """A new account of finance's. `Conflict` where the name is taken. `centres.create` places it under its parent."""
    row = {"name": name, "code": code, "owners": list(owners)}
    made: CostCentre | None = session.scalar(
        insert(CostCentre).values(row).on_conflict_do_nothing().returning(CostCentre)
    )
    if made is None:
        raise Conflict(f"There is a cost centre {name} already.", field="name")
    after = row | {"parent": parent}
    audit.record(session, actor=actor, action="cost_centre.create", subject=f"cost_centre:{name}", after=after)
    return made
