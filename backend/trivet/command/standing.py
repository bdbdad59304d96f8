"""The command that a person gave and that still holds: who asks for the same again is shown it, and nothing moves."""

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from trivet.command.models import Command, DesiredState
from trivet.command.service import AUTOMATIC, Scope, issue, lock_generation

AGAIN_S: Final = 60.0  # as long as clients and proxies wait for an answer before they ask again


def give_once(
    session: Session,
    *,
    kind: str,
    scenario_id: int,
    tenant_id: int | None = None,
    backend_id: int | None = None,
    level: int | None = None,
    message: str | None = None,
    reason: str,
    expires_in_s: float | None = None,
    now: datetime,
    **more: Any,
) -> tuple[Command, bool]:
    """A person's command, and whether it is new: `service.issue`, unless one that says just this stands already."""
    if reason.strip():
        scope = Scope(scenario_id, tenant_id or 0, backend_id or 0)
        held = standing(
            session, scope, kind=kind, level=level, message=message, expires_in_s=expires_in_s, now=now
        )  # fmt: skip
        if held is not None:
            return held, False
    made = issue(
        session, kind=kind, scenario_id=scenario_id, tenant_id=tenant_id, backend_id=backend_id, level=level,
        message=message, reason=reason, expires_in_s=expires_in_s, now=now, **more,
    )  # fmt: skip
    return made, True


def standing(
    session: Session,
    scope: Scope,
    *,
    kind: str,
    level: int | None,
    message: str | None,
    expires_in_s: float | None,
    now: datetime,
) -> Command | None:
    """The newest command of the scope where it says just this; None where giving it would change anything.

    A rollback would go one revision further, and one with a time limit would end later: those are the same only where they
    are asked for again within `AGAIN_S`, as one is whose answer was lost. Locks the generation, so that of fifty who press
    at once one gives the command and the others are shown it.
    """
    if kind not in ("degrade", "restore", "break", "rollback"):
        return None
    lock_generation(session, scope.scenario_id, now, step=0)
    newest = session.scalar(
        select(Command)
        .where(
            Command.scenario_id == scope.scenario_id,
            func.coalesce(Command.tenant_id, 0) == scope.tenant_id,
            func.coalesce(Command.backend_id, 0) == scope.backend_id,
            Command.ended_at.is_(None),
        )
        .order_by(Command.generation.desc())
        .limit(1)
    )
    if newest is None or newest.actor in AUTOMATIC or newest.share is not None or _limit_s(newest) != expires_in_s:
        return None
    if newest.kind != kind or (kind == "degrade" and newest.level != level):
        return None
    if (kind == "rollback" or expires_in_s is not None) and now - newest.created_at > timedelta(seconds=AGAIN_S):
        return None
    if kind == "rollback":
        return newest
    row = session.get(DesiredState, (scope.scenario_id, scope.tenant_id, scope.backend_id), populate_existing=True)
    if row is None:
        return newest if kind == "restore" and not scope.whole else None
    return newest if row.command_id == newest.id and row.message == message else None


def _limit_s(command: Command) -> float | None:
    return (command.expires_at - command.created_at).total_seconds() if command.expires_at else None
