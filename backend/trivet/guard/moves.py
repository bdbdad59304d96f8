"""A ladder's row as the pure ladder knows it, and what a move writes: the row, its history, and what is handed on."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trivet import outbox
from trivet.guard.ladder import State, Stay, Step
from trivet.guard.models import LadderMove, LadderState
from trivet.guard.probe import Probing

AUTOMATON = "ladder"
# What a person's word begins anew: no probe, no memory of turns, nothing frozen.
AFRESH: Mapping[str, Any] = {
    "calm_since": None, "probe_share": None, "probe_since": None, "failed": 0, "retry_at": None, "direction": 0,
    "turned_at": [], "frozen_since": None, "frozen_reason": None, "deferred_since": None,
}  # fmt: skip
_SAME = (
    "level", "since", "calm_since", "held_until", "held_by", "failed", "retry_at", "raised_at", "direction",
    "frozen_since", "frozen_reason", "yields", "yields_reason", "deferred_since",
)  # fmt: skip


def state_of(row: LadderState) -> State:
    """The row as the pure ladder takes it."""
    probing = Probing(row.probe_share, row.probe_since) if row.probe_share and row.probe_since else None
    # A row that was just made says nothing yet of what its database fills in.
    said = {name: getattr(row, name) for name in _SAME} | {"failed": row.failed or 0, "yields": row.yields or 0}
    return State(**said | {"direction": row.direction or 0}, probe=probing, turned_at=tuple(row.turned_at or ()))


def save(session: Session, row: LadderState, decided: Step | Stay, *, breach_id: int | None, now: datetime) -> int:
    """Keep what was decided. How many hand-offs it left: a move to be commanded, a freeze to be told."""
    before, after = state_of(row), decided.state
    for name in _SAME:
        setattr(row, name, getattr(after, name))
    row.probe_share = after.probe.share if after.probe else None
    row.probe_since = after.probe.since if after.probe else None
    row.turned_at, row.reason = list(after.turned_at), decided.reason
    left = 0
    if after.frozen_since is not None and before.frozen_since is None:
        outbox.send(session, "notify.ladder_frozen", row.scenario_id, queue="control")
        left += 1
    if isinstance(decided, Stay):
        return left
    note(
        session,
        row.scenario_id,
        before,
        after,
        reason=decided.reason,
        guard=decided.guard,
        breach_id=breach_id,
        now=now,
    )
    outbox.send(session, "command.from_ladder", row.scenario_id, breach_id, queue="control")
    return left + 1


def note(
    session: Session, scenario_id: int, before: State, after: State, *, reason: str, now: datetime,
    actor: str = AUTOMATON, guard: str | None = None, breach_id: int | None = None,
) -> None:  # fmt: skip
    """One row of the ladder's history."""
    session.execute(
        insert(LadderMove).values(
            scenario_id=scenario_id, at=now, level_from=before.level, level_to=after.level,
            share_from=before.share or None, share_to=after.share or None, direction=_direction(before, after),
            actor=actor, reason=reason, guard=guard, breach_id=breach_id,
        )
    )  # fmt: skip


def _direction(before: State, after: State) -> int:
    """1 where more conversations are on the safer side than before, -1 where fewer."""
    depth = (after.level - after.share) - (before.level - before.share)
    return (depth > 0) - (depth < 0)


def put(session: Session, scenario_id: int, values: Mapping[str, Any], *, actor: str, now: datetime) -> None:
    """A person, or what ends by itself, puts the ladder somewhere: it begins there anew."""
    row = session.get(LadderState, scenario_id, with_for_update=True, populate_existing=True)
    before = state_of(row) if row else State(0, now)
    raised = now if values["level"] > before.level else before.raised_at
    whole = {"scenario_id": scenario_id, **AFRESH, "since": now, "raised_at": raised, **values}
    statement = insert(LadderState).values(whole)
    session.execute(statement.on_conflict_do_update(index_elements=["scenario_id"], set_=whole))
    after = State(values["level"], now)
    if (before.level, before.share) != (after.level, after.share):
        note(session, scenario_id, before, after, reason=values["reason"], actor=actor, now=now)
