"""The tenant that carries a breach, broken off alone: one step from the breach, through the door of all commands."""

from datetime import datetime

from sqlalchemy.orm import Session

from trivet.command import preview, service
from trivet.command.models import Command
from trivet.command.standing import give_once
from trivet.evidence.case import Case, read
from trivet.kit.marked import Say, english

LIMIT_S = 3_600


def prefilled(case: Case) -> str:
    """The reason that is offered: the breach, in its own words."""
    words = f"breach {case.breach.id} of {case.breach.guard}: {case.breach.reason}"
    return words if len(words) <= 480 else f"{words[:479]}…"


def look_ahead(
    session: Session, case: Case, tenant: str, *, expires_in_s: float | None, now: datetime, _: Say = english
) -> str:
    """What breaking this tenant would change and for whom, in a sentence. `Invalid` for a tenant nobody knows."""
    tenant_id = service.tenant_id_of(session, tenant)
    return preview.preview(
        session, kind="break", scenario_id=case.breach.scenario_id, tenant_id=tenant_id, expires_in_s=expires_in_s, now=now,
        _=_,
    ).sentence  # fmt: skip


def break_tenant(
    session: Session, breach_id: int, *, tenant: str, reason: str | None, expires_in_s: float | None, actor: str, now: datetime
) -> Command:  # fmt: skip
    """Turn away one tenant of the breach's scenario. Without a reason, the breach is the reason."""
    case = read(session, breach_id)
    return give_once(
        session, kind="break", scenario_id=case.breach.scenario_id, tenant_id=service.tenant_id_of(session, tenant),
        reason=prefilled(case) if reason is None else reason, actor=actor, expires_in_s=expires_in_s, breach_id=breach_id,
        now=now,
    )[0]  # fmt: skip
