"""One breach with who carries it, what it took and what it caused; breaking one tenant; times of many breaches."""

from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from pydantic import Field, StringConstraints
from sqlalchemy import func, select

from trivet import db
from trivet.evidence import answers, breaking, case, measured, record, telling
from trivet.evidence.models import BreachTimes
from trivet.identity.auth import Principal, platform
from trivet.kit.answer import answers as shaped
from trivet.kit.body import Body, Instant, Name
from trivet.kit.clock import utc_now, when
from trivet.kit.interval import Interval
from trivet.tenant.models import Scenario, Tenant

router = APIRouter(tags=["evidence"])
Read = Annotated[Principal, Depends(platform("read"))]
Commander = Annotated[Principal, Depends(platform("command"))]
Id = Annotated[int, Path(ge=1, lt=2**63)]
BREACHES_MAX = 10_000  # of one summary
WEEK = timedelta(days=7)


class BreakTenant(Body):
    """Without a reason, the breach is the reason."""

    tenant: Name
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)] | None = None
    expires_in_s: float | None = Field(breaking.LIMIT_S, ge=1)


@router.get("/breaches/times", responses=shaped(answers.TimesPage))
def times(
    _: Read,
    from_: Annotated[Instant | None, Query(alias="from")] = None,
    to: Instant | None = None,
    scenario: Name | None = None,
    shadow: bool = False,
) -> dict[str, Any]:
    """Time to detect, act and recover by scenario and guard, of breaches detected in the interval (the last week) that are over."""
    end: datetime = to or utc_now()
    interval = Interval(from_ or end - WEEK, end)
    rows = BreachTimes
    query = select(rows, Scenario.name).join(Scenario, Scenario.id == rows.scenario_id)
    query = query.where(rows.detected_at >= interval.start, rows.detected_at < interval.end, rows.shadow.is_(shadow))
    if scenario:
        query = query.where(Scenario.name == scenario)
    with db.transaction() as session:
        found = session.execute(query.order_by(rows.detected_at.desc()).limit(BREACHES_MAX)).all()
        left_out = 0
        if len(found) == BREACHES_MAX:
            left_out = (session.scalar(select(func.count()).select_from(query.subquery())) or 0) - BREACHES_MAX
        items = telling.summary([(row, name) for row, name in found])
    return {"items": items, "next_cursor": None, "left_out": left_out}


@router.get("/breaches/{breach_id}", responses=shaped(answers.BreachAnswer))
def one(breach_id: Id, _: Read) -> dict[str, Any]:
    """The numbers it saw, who carries it, what it caused and what it took."""
    now = utc_now()
    with db.transaction() as session:
        found = case.read(session, breach_id)
        ids = {command.tenant_id for command in found.caused if command.tenant_id}
        tenants = dict(session.execute(select(Tenant.id, Tenant.name).where(Tenant.id.in_(ids))).all())
        return telling.breach(found, record.of(session, found, now), measured.carried(session, found, now), tenants)


@router.post("/breaches/{breach_id}/break", status_code=201)
def break_tenant(breach_id: Id, body: BreakTenant, principal: Commander) -> dict[str, Any]:
    """Turn away one tenant of the breach's scenario, and nobody else, until the time limit (null: until it is restored)."""
    with db.transaction() as session:
        command = breaking.break_tenant(
            session, breach_id, tenant=body.tenant, reason=body.reason, expires_in_s=body.expires_in_s,
            actor=principal.actor, now=utc_now(),
        )  # fmt: skip
        expires_at = when(command.expires_at)
        return {"id": command.id, "status": command.status, "generation": command.generation, "reason": command.reason, "expires_at": expires_at}  # fmt: skip
