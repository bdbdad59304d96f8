"""Reservations looked up: newest first, page by page."""

from typing import Any
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from trivet.budget.reserve import answers
from trivet.budget.reserve.models import STATES, Reservation
from trivet.budget.reserve.store import standing_of
from trivet.kit.errors import Invalid, NotFound
from trivet.kit.page import FOREIGN, from_cursor, page
from trivet.tenant.models import Scenario, Tenant


def page_of(
    session: Session, tenant_id: int | None, state: str | None, limit: int, cursor: str | None
) -> dict[str, Any]:
    """One page, of one tenant where the key is bound to it."""
    query = _rows(tenant_id)
    if state is not None:
        if state not in STATES:
            raise Invalid(f"A state is one of {', '.join(STATES)}.", field="state")
        query = query.where(Reservation.state == STATES.index(state))
    if cursor:
        query = query.where(Reservation.id < _id(from_cursor(cursor, str)[0]))
    rows = session.execute(query.order_by(Reservation.id.desc()).limit(limit + 1)).all()
    return page([_item(row) for row in rows], limit, lambda item: [item["id"]])


def one(session: Session, tenant_id: int | None, reservation_id: UUID) -> dict[str, Any]:
    """One of them; `NotFound` also where it is another tenant's."""
    row = session.execute(_rows(tenant_id).where(Reservation.id == reservation_id)).first()
    if row is None:
        raise NotFound(f"There is no reservation {reservation_id}.")
    return _item(row)


def _rows(tenant_id: int | None) -> Select[Any]:
    query = (
        select(*Reservation.__table__.c, Tenant.name.label("tenant"), Scenario.name.label("scenario"))
        .outerjoin(Tenant, Tenant.id == Reservation.tenant_id)
        .outerjoin(Scenario, Scenario.id == Reservation.scenario_id)
    )
    return query if tenant_id is None else query.where(Reservation.tenant_id == tenant_id)


def _item(row: Any) -> dict[str, Any]:
    return answers.reservation(row._mapping, standing_of(row), row.tenant or "", row.scenario or "")


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as bad:
        raise Invalid(FOREIGN, field="cursor") from bad
