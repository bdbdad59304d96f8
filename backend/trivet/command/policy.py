"""The policy document of one backend: active cards, overlaid by what should hold now. Pure.

The shape is what `trivet_collectors.policy.evaluate` reads. `identity` is what the ETag stands for: everything but the
instants that move by themselves.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from trivet.card.content import Card, Level
from trivet.kit.clock import rfc3339

BREAK_MESSAGE = "This service is paused for your organisation. Please contact your administrator."
BREAK_RETRY_AFTER_S = 60


@dataclass(frozen=True, slots=True)
class Desired:
    """What should hold for one scope; tenant "" and backend_id 0 mean all."""

    scenario_id: int
    tenant: str
    backend_id: int
    level: int
    broken: bool
    message: str | None
    cause: str
    until: datetime | None
    command_id: int = 0
    arm_level: int | None = None  # the level that `arm_share` of conversations have instead: a probe on the way back
    arm_share: float = 0.0


@dataclass(frozen=True, slots=True)
class CardChange:
    """The newest command that changed a scenario's card for everyone: a rollback or an activation."""

    command_id: int
    kind: str
    cause: str


@dataclass(frozen=True, slots=True)
class Trial:
    """A revision that serves a share of conversations before it governs them all."""

    revision: int
    card: Card
    share: float


@dataclass(frozen=True, slots=True)
class Governed:
    """A scenario with its active card and its generation."""

    scenario_id: int
    name: str
    generation: int
    revision: int
    card: Card
    changed: CardChange | None = None
    trial: Trial | None = None


def scenarios(backend_id: int, governed: Iterable[Governed], desired: Iterable[Desired]) -> dict[str, Any]:
    """The document's `scenarios` for a backend: the lasting part, which the ETag stands for."""
    wanted = list(desired)
    by_scenario: dict[int, list[Desired]] = {}
    for row in wanted:
        if row.backend_id in (0, backend_id):
            by_scenario.setdefault(row.scenario_id, []).append(row)
    return {one.name: _scenario(one, by_scenario.get(one.scenario_id, [])) for one in governed}


def document(backend: str, lasting: Mapping[str, Any], now: datetime, valid_s: float) -> dict[str, Any]:
    """The whole document, issued now."""
    return {
        "backend": backend,
        "issued_at": rfc3339(now),
        "valid_until": rfc3339(now + timedelta(seconds=valid_s)),
        "scenarios": lasting,
    }


def digest(lasting: Mapping[str, Any]) -> bytes:
    """What tells one lasting part from another, the same in every process."""
    canonical = json.dumps(lasting, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).digest()


def identity(backend: str, digested: bytes) -> str:
    """The ETag of a backend's document, quoted: the same state gives the same one."""
    return f'"{hashlib.sha256(backend.encode() + digested).hexdigest()[:32]}"'


def _scenario(one: Governed, rows: list[Desired]) -> dict[str, Any]:
    # A row for this backend alone is more specific than one for all.
    everyone = {row.backend_id: row for row in rows if not row.tenant}
    base = everyone.get(max(everyone)) if everyone else None
    level = min(base.level, one.card.top) if base else 0
    tenants = {row.tenant: _override(one.card, row) for row in sorted(rows, key=lambda r: r.backend_id) if row.tenant}
    return {
        "generation": one.generation,
        "revision": one.revision,
        **_state(one.card, level),
        "cause": _cause(one, base),
        "until": _instant(base),
        "then": _state(one.card, 0),
        "fallback": _state(one.card, one.card.fallback.level),
        "arms": _arms(one, base),
        "tenants": tenants,
    }


def _arms(one: Governed, base: Desired | None) -> list[dict[str, Any]]:
    """What some conversations have instead: a level on the way back first, else a revision on trial.

    The salt stays while shares grow, so that who is in a share stays in it.
    """
    if base is not None and base.arm_level is not None:
        state = _state(one.card, min(base.arm_level, one.card.top))
        return [{"salt": f"{one.name}:probe", "share": base.arm_share, "revision": one.revision, **state}]
    if one.trial is not None and not (base and base.level):
        said = f"{one.name}:{one.trial.revision}"
        return [{"salt": said, "share": one.trial.share, "revision": one.trial.revision, **_state(one.trial.card, 0)}]
    return []


def _cause(one: Governed, base: Desired | None) -> str:
    """Why it is as it is: the reason of the newest command that holds, be it of the level or of the card."""
    if one.changed and (base is None or one.changed.command_id > base.command_id):
        return one.changed.cause
    return base.cause if base else ""


def _state(card: Card, level: int) -> dict[str, Any]:
    return {"level": level, "flags": card.flags_at(level), **_for_whom(card.level(level))}


def _override(card: Card, row: Desired) -> dict[str, Any]:
    level = min(row.level, card.top)
    step = card.level(level)
    state: dict[str, Any] = {"level": level, "flags": dict(step.flags) if step else {}}
    if row.broken:
        state["flags"] |= {
            "admission": "reject",
            "admission.message": row.message or BREAK_MESSAGE,
            "admission.retry_after_s": BREAK_RETRY_AFTER_S,
        }
    else:
        state |= _for_whom(step)
    return {**state, "cause": row.cause, "until": _instant(row), "then": {"level": 0, "flags": {}}}


def _for_whom(step: Level | None) -> dict[str, Any]:
    """Which of a level's actions only some conversations, tenants or tiers get."""
    said: dict[str, Any] = {}
    if step and step.shares:
        said["shares"] = step.shares
    if step and step.audiences:
        said["audiences"] = [audience.model_dump(mode="json") for audience in step.audiences]
    return said


def _instant(row: Desired | None) -> str | None:
    return rfc3339(row.until) if row and row.until else None
