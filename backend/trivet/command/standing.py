"""The command that a person gave and that still holds: who asks for the same again is shown it, and nothing moves."""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from trivet.command.models import Command, DesiredState
from trivet.command.service import AUTOMATIC, Scope, lock_generation


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

    With a time limit it would: it would end later. A rollback would go one revision further. Locks the generation, so
    that of fifty who press at once one gives the command and the others are shown it.
    """
    if kind not in ("degrade", "restore", "break") or expires_in_s is not None:
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
    if newest is None or newest.actor in AUTOMATIC or newest.expires_at is not None or newest.share is not None:
        return None
    if newest.kind != kind or (kind == "degrade" and newest.level != level):
        return None
    row = session.get(DesiredState, (scope.scenario_id, scope.tenant_id, scope.backend_id), populate_existing=True)
    if row is None:
        return newest if kind == "restore" and not scope.whole else None
    return newest if row.command_id == newest.id and row.message == message else None
