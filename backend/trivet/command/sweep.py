"""Each second: what telemetry proved, what became of open commands, what reached its time limit.

Each part is idempotent and safe to run twice at once: rows are deleted as they are read, statuses only go forward, and
what ends a desired state locks the scenario's generation and looks again.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trivet.command import scope as scopes
from trivet.command.models import BackendHolding, Command, DesiredState, PolicyGeneration, TenantProof
from trivet.command.service import end_desired, lock_generation
from trivet.command.status import Finding, find
from trivet.guard.models import LadderState
from trivet.ingest.models import PolicySeen

SEEN_BATCH = 20_000
OPEN_BATCH = 1_000
END_MAX = 200


def fold_seen(session: Session) -> int:
    """Telemetry that carried a generation becomes what its backend holds; how many rows were folded."""
    taken = select(PolicySeen.id).order_by(PolicySeen.id).limit(SEEN_BATCH).with_for_update(skip_locked=True)
    rows = session.execute(
        delete(PolicySeen)
        .where(PolicySeen.id == func.any(func.array(taken.scalar_subquery())))  # gathered once, not once a row
        .returning(
            PolicySeen.backend_id,
            PolicySeen.scenario_id,
            PolicySeen.tenant_id,
            PolicySeen.bound,
            PolicySeen.generation,
            PolicySeen.revision,
            PolicySeen.level,
            PolicySeen.seen_at,
        )
    ).all()
    known = dict(session.execute(select(PolicyGeneration.scenario_id, PolicyGeneration.generation)).all())
    real = [row for row in rows if row.backend_id and row.generation <= known.get(row.scenario_id, 0)]
    # A tenant's own key says whatever its tenant writes: it must not speak for others.
    if newest := _newest(row for row in real if not row.bound):
        _hold(session, newest)
    if own := _newest_of_tenants(row for row in real if row.bound):
        _prove(session, own)
    return len(rows)


def _newest(rows: Iterable[Any]) -> list[dict[str, Any]]:
    """The newest generation of each backend and scenario and when it was first seen, in key order."""
    found: dict[tuple[int, int], dict[str, Any]] = {}
    for row in sorted(rows, key=lambda row: (row.generation, -row.seen_at.timestamp())):
        found[row.backend_id, row.scenario_id] = {
            "backend_id": row.backend_id,
            "scenario_id": row.scenario_id,
            "observed_generation": row.generation,
            "observed_at": row.seen_at,
            "effective_generation": row.generation,
            "effective_at": row.seen_at,
            "level": row.level,
            "revision": row.revision,
        }
    return [found[key] for key in sorted(found)]


def _hold(session: Session, rows: list[dict[str, Any]]) -> None:
    """Telemetry comes late and out of order: only a newer generation than the one held changes anything."""
    statement = insert(BackendHolding).values(rows)
    new = statement.excluded
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["backend_id", "scenario_id"],
            set_={c: new[c] for c in ("effective_generation", "effective_at", "level", "revision")},
            where=(new.effective_generation > BackendHolding.effective_generation)
            | BackendHolding.effective_at.is_(None),
        )
    )


def _newest_of_tenants(rows: Iterable[Any]) -> list[dict[str, Any]]:
    found: dict[tuple[int, int, int], dict[str, Any]] = {}
    for row in sorted(rows, key=lambda row: (row.generation, -row.seen_at.timestamp())):
        key = row.tenant_id, row.scenario_id, row.backend_id
        named = dict(zip(("tenant_id", "scenario_id", "backend_id"), key, strict=True))
        found[key] = named | {"generation": row.generation, "seen_at": row.seen_at}
    return [found[key] for key in sorted(found)]


def _prove(session: Session, rows: list[dict[str, Any]]) -> None:
    statement = insert(TenantProof).values(rows)
    new = statement.excluded
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["tenant_id", "scenario_id", "backend_id"],
            set_={"generation": new.generation, "seen_at": new.seen_at},
            where=new.generation > TenantProof.generation,
        )
    )


def judge(session: Session, now: datetime, seen_s: float, after: int = 0) -> int | None:
    """Move a batch of open commands, with ids beyond `after`, to what was proven of them. The last id; None at the end."""
    commands = session.scalars(
        select(Command)
        .where(Command.ended_at.is_(None), Command.status.in_(("pending", "observed")), Command.id > after)
        .order_by(Command.id)
        .limit(OPEN_BATCH)
        .with_for_update(skip_locked=True)
    ).all()
    if not commands:
        return None
    backends = scopes.present(session, now, seen_s)
    held = scopes.holdings(session, {command.scenario_id for command in commands})
    proven = scopes.proofs(session, commands)
    for command in commands:
        seen = scopes.seen(backends, held, proven, command)
        strangers = [] if seen else scopes.strangers(backends, command)
        _judge(command, find(command.status, command.generation, seen, strangers), now)
    return commands[-1].id if len(commands) == OPEN_BATCH else None


def _judge(command: Command, found: Finding, now: datetime) -> None:
    command.outcome = found.outcome
    if found.status == command.status:
        return
    command.status = found.status
    command.observed_at = command.observed_at or now
    if found.status == "effective":
        command.effective_at = now


def due(session: Session, now: datetime) -> list[tuple[int, int, int]]:
    """Scopes whose desired state reached its time limit."""
    query = (
        select(DesiredState.scenario_id, DesiredState.tenant_id, DesiredState.backend_id)
        .where(DesiredState.until <= now)
        .order_by(DesiredState.until)
        .limit(END_MAX)
    )
    return [tuple(row) for row in session.execute(query)]  # type: ignore[misc]  # three columns


def end(session: Session, key: tuple[int, int, int], now: datetime) -> Command | None:
    """End one desired state, unless somebody changed it meanwhile."""
    lock_generation(session, key[0], now, step=0)
    row = session.get(DesiredState, key, populate_existing=True)
    if row is None or row.until is None or row.until > now:
        return None
    return end_desired(session, row, now)


def astray(session: Session) -> list[int]:
    """Scenarios whose ladder stands elsewhere than what should hold: a hand-off that was lost."""
    query = (
        select(LadderState.scenario_id)
        .outerjoin(
            DesiredState,
            (DesiredState.scenario_id == LadderState.scenario_id)
            & (DesiredState.tenant_id == 0)
            & (DesiredState.backend_id == 0),
        )
        .where(LadderState.held_until.is_(None))
        .where(
            (LadderState.level != func.coalesce(DesiredState.level, 0))
            | (func.coalesce(LadderState.probe_share, 0.0) != func.coalesce(DesiredState.arm_share, 0.0))
        )
        .limit(END_MAX)
    )
    return list(session.scalars(query))
