"""What a drill does step by step, when a step is done, and when a drill comes back. Pure.

    trigger 1 … n (simulated) → raise 1 … n → lower n−1 … 1 → roll back to what held before → side effects

A step that changes a level is done once the backend's telemetry proves it and it stood for `hold_s`. What fails, and an
abort, goes straight to the roll back.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any

from trivet.card.content import Card
from trivet.command.status import DRILL_PREFIX

TRIGGER, RAISE, LOWER, ROLL_BACK, SIDE_EFFECTS = KINDS = ("trigger", "raise", "lower", "roll_back", "side_effects")
COMMANDED = frozenset({RAISE, LOWER, ROLL_BACK})
PREFIX = DRILL_PREFIX
FACTS = ("triggered", "acted", "recovered", "rolled_back", "no_side_effects")


@dataclass(frozen=True, slots=True)
class Planned:
    """A step to come, and the level that it asks for or is about."""

    kind: str
    level: int


@dataclass(frozen=True, slots=True)
class Proof:
    """A step's command as it stands."""

    status: str
    outcome: str
    observed_at: datetime | None
    effective_at: datetime | None


@dataclass(frozen=True, slots=True)
class Found:
    """What became of a step: `ok` None while it goes on."""

    ok: bool | None
    reason: str


def plan(levels: Sequence[int]) -> tuple[Planned, ...]:
    """The steps for levels in ascending order."""
    return (
        *(Planned(TRIGGER, level) for level in levels),
        *(Planned(RAISE, level) for level in levels),
        *(Planned(LOWER, level) for level in reversed(levels[:-1])),
        Planned(ROLL_BACK, 0),
        Planned(SIDE_EFFECTS, 0),
    )


def following(levels: Sequence[int], done: Sequence[Planned], *, ending: bool) -> Planned | None:
    """The step after those that were begun; `ending` skips to the roll back. None after the last."""
    steps = plan(levels)
    if not ending:
        return steps[len(done)] if len(done) < len(steps) else None
    kinds = {step.kind for step in done}
    return next((step for step in steps if step.kind in (ROLL_BACK, SIDE_EFFECTS) and step.kind not in kinds), None)


def judge(proof: Proof, began: datetime, now: datetime, *, hold_s: float, patience_s: float) -> Found:
    """What became of a step that gave a command."""
    if proof.effective_at is not None:
        left = hold_s - (now - proof.effective_at).total_seconds()
        took = max(0.0, (proof.effective_at - began).total_seconds())
        if left > 0:
            return Found(None, f"proven by telemetry after {took:.1f} s; it stands {left:.0f} s more")
        return Found(True, f"proven by telemetry after {took:.1f} s")
    if proof.status in ("superseded", "expired"):
        return Found(False, f"its command was {proof.status}: {proof.outcome}")
    waited = (now - began).total_seconds()
    if waited < patience_s:
        return Found(None, proof.outcome or "waits for the backend")
    missing = "it is held, and no telemetry carries it" if proof.observed_at else "the backend was not seen to hold it"
    return Found(False, f"{missing} after {waited:.0f} s: {proof.outcome}")


def expires_in_s(steps_left: int, *, hold_s: float, patience_s: float) -> float:
    """Time limit of a step's command: what the rest may take. Where nobody goes on, the level ends by itself."""
    return max(30.0, (steps_left + 1) * (hold_s + patience_s))


def record(done: Iterable[Mapping[str, Any]], levels: Sequence[int]) -> dict[str, bool]:
    """The five facts, from steps as `{"kind", "level", "ok"}`."""
    good = {(step["kind"], step["level"]) for step in done if step["ok"]}
    return {
        "triggered": all((TRIGGER, level) in good for level in levels),
        "acted": all((RAISE, level) in good for level in levels),
        "recovered": all((LOWER, level) in good for level in levels[:-1]) and (ROLL_BACK, 0) in good,
        "rolled_back": (ROLL_BACK, 0) in good,
        "no_side_effects": (SIDE_EFFECTS, 0) in good,
    }


def ladder_of(card: Card) -> str:
    """Hash of what a drill proves: the levels, and the guards that move between them. Another ladder is to be drilled anew."""
    guards = [guard.model_dump(mode="json") for guard in card.guards if guard.raises_to]
    levels = [step.model_dump(mode="json") for step in card.ladder]
    said = json.dumps([levels, guards], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(said.encode()).hexdigest()[:32]


def next_at(at: time, every_days: int, after: datetime, *, last: datetime | None = None) -> datetime:
    """The next time at this hour in UTC, later than `after`: `every_days` after the last one, or as soon as it may be."""
    first = datetime.combine((last or after).astimezone(UTC).date(), at, UTC)
    if last is not None:
        first += timedelta(days=every_days)
    while first <= after:
        first += timedelta(days=every_days if last is not None else 1)
    return first
