"""What applies to one tenant in one scenario, worked out from a policy document.

The same function runs in the control plane and in every client, so both sides give the same answer to the same question.
Pure: values in, values out; no clock, no I/O. Standard library only: the backend imports this module too.

How a state is found, in this order:

1. the scenario's desired state, or its `then` once `until` is reached;
2. instead of it the scenario's `fallback`, when the caller is `stale` and `valid_until` has been reached;
3. over it the tenant's override (or that override's `then`), flag by flag. An override adds to what the scenario does and
   takes nothing away, so the level told is the higher of the two.

Intervals are half-open: at `until` the state has ended.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

FlagValue = bool | int | float | str
Reason = Literal["STATIC", "TARGETING_MATCH", "UNKNOWN"]

# The flag that is all the others as one object.
POLICY: Final = "policy"

# Every flag with its type and the value it has when nothing is said. 0 and "" mean "as the app wishes".
DEFAULTS: Final[dict[str, FlagValue]] = {
    "degrade.level": 0,
    "model.route": "",
    "context.max_turns": 0,
    "context.max_tokens": 0,
    "output.max_tokens": 0,
    "tools.mode": "all",
    "rerank.depth": 0,
    "retrieval.depth": 0,
    "features.off": "",
    "cache.only": False,
    "read_only": False,
    "pool.route": "",
    "request.priority": 0,
    "admission": "admit",
    "admission.limit_rps": 0.0,
    "admission.daily_requests": 0,
    "admission.retry_after_s": 0,
    "admission.message": "",
    "policy.revision": 0,
    "policy.generation": 0,
}


FALLBACK_CAUSE: Final = "Trivet could not be reached before the policy's time limit"


class State(NamedTuple):
    """What applies now and why: the flags that were said, not yet laid over the defaults."""

    level: int
    generation: int
    revision: int
    flags: Mapping[str, FlagValue]
    cause: str
    reason: Reason


UNKNOWN_SCENARIO: Final = State(level=0, generation=0, revision=0, flags={}, cause="", reason="UNKNOWN")


def evaluate(
    document: Mapping[str, Any], context: Mapping[str, Any], now: datetime, *, stale: bool = False
) -> dict[str, FlagValue]:
    """Every flag, with its value, for the context's `targetingKey` (tenant) and `scenario` at `now`.

    `stale` says that the caller cannot reach Trivet. A scenario that the document does not name has the defaults.
    """
    return values(resolve(document, context, now, stale=stale))


def flag(
    document: Mapping[str, Any], key: str, context: Mapping[str, Any], now: datetime, *, stale: bool = False
) -> tuple[FlagValue | dict[str, FlagValue], Reason, str]:
    """One flag as (value, reason, variant). `policy` gives them all as one object. KeyError for a name that is no flag."""
    state = resolve(document, context, now, stale=stale)
    found = values(state)
    value = found if key == POLICY else found[key]
    return value, state.reason, variant(state.level)


def variant(level: int) -> str:
    return f"level-{level}" if level else "normal"


def values(state: State) -> dict[str, FlagValue]:
    """The state's flags over the defaults."""
    found = {**DEFAULTS, **state.flags}
    found["degrade.level"] = state.level
    found["policy.generation"] = state.generation
    found["policy.revision"] = state.revision
    # JSON does not tell 5 from 5.0, and an OpenFeature client refuses an integer where it asked for a float.
    found["admission.limit_rps"] = float(found["admission.limit_rps"])
    return found


def resolve(document: Mapping[str, Any], context: Mapping[str, Any], now: datetime, *, stale: bool = False) -> State:
    """The state of the context's scenario and tenant at `now`, with its reason and cause."""
    scenario = document.get("scenarios", {}).get(context.get("scenario"))
    if scenario is None:
        return UNKNOWN_SCENARIO
    base = _in_force(scenario, now)
    if stale and scenario.get("fallback") is not None and _reached(document.get("valid_until"), now):
        base = {**scenario["fallback"], "cause": FALLBACK_CAUSE}
    level, flags, cause = base.get("level", 0), base.get("flags", {}), base.get("cause")
    override = _in_force(scenario.get("tenants", {}).get(context.get("targetingKey"), {}), now)
    overriding = bool(override.get("flags") or override.get("level"))
    if overriding:
        level = max(level, override.get("level", 0))
        flags = {**flags, **override.get("flags", {})}
        cause = override.get("cause") or cause
    return State(
        level=level,
        generation=scenario.get("generation", 0),
        revision=scenario.get("revision", 0),
        flags=flags,
        cause=cause or "",
        reason="TARGETING_MATCH" if level or overriding else "STATIC",
    )


def _in_force(desired: Mapping[str, Any], now: datetime) -> Mapping[str, Any]:
    then: Mapping[str, Any] | None = desired.get("then")
    return then if then is not None and _reached(desired.get("until"), now) else desired


def _reached(instant: str | None, now: datetime) -> bool:
    return instant is not None and now >= datetime.fromisoformat(instant)
