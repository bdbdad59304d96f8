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

from trivet.card.content import Card
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


@dataclass(frozen=True, slots=True)
class CardChange:
    """The newest command that changed a scenario's card for everyone: a rollback or an activation."""

    command_id: int
    kind: str
    cause: str


@dataclass(frozen=True, slots=True)
class Governed:
    """A scenario with its active card and its generation."""

    scenario_id: int
    name: str
    generation: int
    revision: int
    card: Card
    changed: CardChange | None = None


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


def identity(backend: str, lasting: Mapping[str, Any]) -> str:
    """The ETag, quoted: the same state gives the same one, in every process."""
    canonical = json.dumps([backend, lasting], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return f'"{hashlib.sha256(canonical.encode()).hexdigest()[:32]}"'


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
        "tenants": tenants,
    }


def _cause(one: Governed, base: Desired | None) -> str:
    """Why it is as it is: the reason of the newest command that holds, be it of the level or of the card."""
    if one.changed and (base is None or one.changed.command_id > base.command_id):
        return one.changed.cause
    return base.cause if base else ""


def _state(card: Card, level: int) -> dict[str, Any]:
    return {"level": level, "flags": card.flags_at(level)}


def _override(card: Card, row: Desired) -> dict[str, Any]:
    level = min(row.level, card.top)
    step = card.level(level)
    flags: dict[str, Any] = dict(step.flags) if step else {}
    if row.broken:
        flags |= {
            "admission": "reject",
            "admission.message": row.message or BREAK_MESSAGE,
            "admission.retry_after_s": BREAK_RETRY_AFTER_S,
        }
    until = _instant(row)
    return {"level": level, "flags": flags, "cause": row.cause, "until": until, "then": {"level": 0, "flags": {}}}


def _instant(row: Desired | None) -> str | None:
    return rfc3339(row.until) if row and row.until else None
