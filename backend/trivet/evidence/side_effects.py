"""What a drill changed that it should not have: how all others stood before and after. Reading, and a pure comparison."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from trivet.command.models import BackendHolding, Command, DesiredState
from trivet.fleet.models import Backend
from trivet.guard.models import Breach, LadderMove, LadderState

OTHERS_MAX = 1_000
Stand = Mapping[str, Any]


def stand(session: Session, scenario_id: int, backend_id: int) -> dict[str, Any]:
    """How the scenario's ladder, the other scopes of it and the other backends stand."""
    wanted = (
        select(DesiredState.tenant_id, DesiredState.backend_id, DesiredState.level, DesiredState.broken, DesiredState.command_id)
        .where(DesiredState.scenario_id == scenario_id, DesiredState.backend_id != backend_id)
        .order_by(DesiredState.tenant_id, DesiredState.backend_id)
        .limit(OTHERS_MAX)
    )  # fmt: skip
    held = (
        select(Backend.name, BackendHolding.level, BackendHolding.effective_generation)
        .join(Backend, Backend.id == BackendHolding.backend_id)
        .where(BackendHolding.scenario_id == scenario_id, BackendHolding.backend_id != backend_id)
        .order_by(Backend.name)
        .limit(OTHERS_MAX)
    )
    return {
        "level": session.scalar(select(LadderState.level).where(LadderState.scenario_id == scenario_id)) or 0,
        "move": session.scalar(select(func.max(LadderMove.id)).where(LadderMove.scenario_id == scenario_id)) or 0,
        "breach": session.scalar(select(func.max(Breach.id)).where(Breach.scenario_id == scenario_id)) or 0,
        "wanted": {f"{t}:{b}": [level, broken, command] for t, b, level, broken, command in session.execute(wanted)},
        "held": {name: [level, generation] for name, level, generation in session.execute(held)},
    }


def of_commands(session: Session, ids: Collection[int], scenario_id: int, backend_id: int) -> list[str]:
    """Commands of the drill that reached beyond its backend."""
    rows = session.scalars(select(Command).where(Command.id.in_(ids)))
    return [
        f"command {c.id} was not for the drill's backend alone"
        for c in rows
        if (c.scenario_id, c.backend_id or 0, c.tenant_id) != (scenario_id, backend_id, None)
    ]


def differences(before: Stand, after: Stand, ours: Collection[int], generations: Collection[int]) -> list[str]:
    """What changed for others, in words. `ours` are the drill's commands, `generations` those that they made."""
    found = []
    if (after["level"], after["move"]) != (before["level"], before["move"]):
        found.append(f"the scenario's own ladder moved meanwhile (level {before['level']} to {after['level']})")
    if after["breach"] != before["breach"]:
        found.append(f"breach {after['breach']} of the scenario opened meanwhile")
    found += [
        f"the drill changed what should hold for scope {key}"
        for key, wanted in sorted(after["wanted"].items())
        if wanted != before["wanted"].get(key) and wanted[2] in ours
    ]
    for name in sorted(after["held"]):
        level, generation = after["held"][name]
        was = before["held"].get(name)
        if was is not None and level != was[0] and generation in generations:
            found.append(f"{name} runs at level {level} under the drill's generation {generation}, and ran at {was[0]}")
    return found


def said(found: Collection[str], others: int, since: datetime) -> str:
    """The outcome of the look, in a sentence."""
    if found:
        return "; ".join(found)
    backends = (
        "no other backend was in sight"
        if not others
        else f"{others} other backend{'s' if others > 1 else ''} ran as before"
    )
    return f"none since {since:%H:%M:%S} UTC: the ladder stood still, no guard broke, {backends}"
