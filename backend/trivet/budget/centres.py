"""Which cost centres a tenant's spending counts under: the one it is charged to, and every one above that, by date."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Self

from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet.tenant.models import CostCentreParent, TenantCostCentre

DEPTH_MAX = 64  # a circle, were there one, would end here
Row = tuple[int, int | None, datetime]  # whose, what it belongs to, from when
Dated = tuple[list[datetime], list[int | None]]


@dataclass(frozen=True, slots=True)
class Centres:
    """Mappings and the tree as they stand. `basis` names this state: sums made on another are made again."""

    tenants: Mapping[int, Dated] = field(default_factory=dict)
    parents: Mapping[int, Dated] = field(default_factory=dict)
    basis: str = ""

    @classmethod
    def of(cls, tenants: Iterable[Row], parents: Iterable[Row]) -> Self:
        """Rows in any order."""
        both = (sorted(tenants, key=_order), sorted(parents, key=_order))
        basis = sha256(repr([[(a, b, at.isoformat()) for a, b, at in rows] for rows in both]).encode()).hexdigest()
        return cls(_dated(both[0]), _dated(both[1]), basis[:16])

    def of_tenant(self, tenant_id: int, at: datetime) -> tuple[int, ...]:
        """The centre that a tenant was charged to at an instant, then those above it; empty where it had none."""
        found: list[int] = []
        centre = _at(self.tenants, tenant_id, at)
        while centre is not None and centre not in found and len(found) < DEPTH_MAX:
            found.append(centre)
            centre = _at(self.parents, centre, at)
        return tuple(found)

    def changes(self) -> set[datetime]:
        """Instants at which some tenant's centres may change."""
        return {at for dated in (self.tenants, self.parents) for starts, _ in dated.values() for at in starts}


def centres(session: Session) -> Centres:
    """Mappings and the tree, as this transaction sees them."""
    mapped = select(TenantCostCentre.tenant_id, TenantCostCentre.cost_centre_id, TenantCostCentre.effective_from)
    above = select(CostCentreParent.cost_centre_id, CostCentreParent.parent_id, CostCentreParent.effective_from)
    return Centres.of(session.execute(mapped).all(), session.execute(above).all())


def centres_of(session: Session, tenant_id: int, at: datetime) -> tuple[int, ...]:
    """The same of one tenant, without reading every other's."""
    mapped = select(TenantCostCentre.tenant_id, TenantCostCentre.cost_centre_id, TenantCostCentre.effective_from)
    own = session.execute(mapped.where(TenantCostCentre.tenant_id == tenant_id)).all()
    above = select(CostCentreParent.cost_centre_id, CostCentreParent.parent_id, CostCentreParent.effective_from)
    return Centres.of(own, session.execute(above).all() if own else ()).of_tenant(tenant_id, at)


def _order(row: Row) -> tuple[int, datetime]:
    return row[0], row[2]


def _dated(rows: Iterable[Row]) -> dict[int, Dated]:
    made: dict[int, Dated] = {}
    for whose, what, start in rows:
        starts, values = made.setdefault(whose, ([], []))
        starts.append(start)
        values.append(what)
    return made


def _at(dated: Mapping[int, Dated], whose: int, at: datetime) -> int | None:
    starts, values = dated.get(whose, ([], []))
    index = bisect_right(starts, at)
    return values[index - 1] if index else None
