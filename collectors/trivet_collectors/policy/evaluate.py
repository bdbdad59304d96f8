"""What applies to one tenant in one scenario, worked out from a policy document.

The same function runs in the control plane and in every client, so both sides give the same answer to the same question.
Pure: values in, values out; no clock, no I/O. Standard library only: the backend imports this module too.

How a state is found, in this order:

1. the scenario's desired state, or its `then` once `until` is reached;
2. instead of it the first of the scenario's `arms` whose share the conversation falls into: a state tried on some of them;
3. instead of either the scenario's `fallback`, when the caller is `stale` and `valid_until` has been reached;
4. of that state, the flags whose `shares` the conversation falls into, and over them those of the first of its
   `audiences` that the caller's tenant or tier belongs to;
5. over it the tenant's override (or that override's `then`), flag by flag. An override adds to what the scenario does and
   takes nothing away, so the level told is the higher of the two.

A conversation (`session`) falls into a share by a hash, so that it stays on its side, and a share that grows keeps whom it
had. Where `session` is not said the call falls outside every share: callers without conversations draw one for each call.

`admission.retry_after_s` is told jittered: each conversation hears a time of its own within a quarter of what the state
says, always the same one, so that those who were turned away together do not come back together.

Intervals are half-open: at `until` the state has ended.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from hashlib import blake2b
from typing import Any, Final, Literal, NamedTuple

FlagValue = bool | int | float | str
Reason = Literal["STATIC", "TARGETING_MATCH", "SPLIT", "UNKNOWN"]

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


RETRY: Final = "admission.retry_after_s"
RETRY_JITTER: Final = 0.25  # either way, of the time to come back

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
    arm = _arm(scenario.get("arms", ()), context.get("session"))
    base = {"cause": base.get("cause"), **arm} if arm is not None else base
    if stale and scenario.get("fallback") is not None and _reached(document.get("valid_until"), now):
        base, arm = {**scenario["fallback"], "cause": FALLBACK_CAUSE}, None
    level, flags, cause = base.get("level", 0), _flags(base, context), base.get("cause")
    override = _in_force(scenario.get("tenants", {}).get(context.get("targetingKey"), {}), now)
    overriding = bool(override.get("flags") or override.get("level"))
    if overriding:
        level = max(level, override.get("level", 0))
        flags = {**flags, **_flags(override, context)}
        cause = override.get("cause") or cause
    return State(
        level=level,
        generation=scenario.get("generation", 0),
        revision=base.get("revision") or scenario.get("revision", 0),
        flags=_jittered(flags, context.get("session")),
        cause=cause or "",
        reason="SPLIT" if arm is not None else "TARGETING_MATCH" if level or overriding else "STATIC",
    )


def within(salt: str, session: str | None, share: float) -> bool:
    """Whether a conversation falls into a share (0 to 1) of them, by a hash that `salt` makes this one's own."""
    return session is not None and share > 0 and _drawn(salt, session) < share


def _drawn(salt: str, session: str) -> float:
    """A conversation's number between 0 and 1, the same each time."""
    digest = blake2b(f"{salt}\0{session}".encode(errors="replace"), digest_size=8).digest()
    return (int.from_bytes(digest) >> 11) * 2.0**-53  # as many bits as a float has: never 1


def _jittered(flags: Mapping[str, FlagValue], session: str | None) -> Mapping[str, FlagValue]:
    """The time to come back, as this conversation hears it: never less than a second."""
    said = flags.get(RETRY)
    if not said or session is None:
        return flags
    factor = 1 - RETRY_JITTER + 2 * RETRY_JITTER * _drawn(RETRY, session)
    return {**flags, RETRY: max(1, round(float(said) * factor))}


def _arm(arms: Iterable[Mapping[str, Any]], session: str | None) -> Mapping[str, Any] | None:
    return next((arm for arm in arms if within(arm.get("salt", ""), session, arm.get("share", 0.0))), None)


def _flags(state: Mapping[str, Any], context: Mapping[str, Any]) -> Mapping[str, FlagValue]:
    """The state's flags for this caller."""
    flags: Mapping[str, FlagValue] = state.get("flags", {})
    shares, audiences = state.get("shares"), state.get("audiences")
    if shares:
        session = context.get("session")
        flags = {k: v for k, v in flags.items() if k not in shares or within(k, session, shares[k])}
    tenant, tier = context.get("targetingKey"), context.get("tier")
    for audience in audiences or ():
        if tenant in audience.get("tenants", ()) or tier in audience.get("tiers", ()):
            return {**flags, **audience.get("flags", {})}
    return flags


def _in_force(desired: Mapping[str, Any], now: datetime) -> Mapping[str, Any]:
    then: Mapping[str, Any] | None = desired.get("then")
    return then if then is not None and _reached(desired.get("until"), now) else desired


def _reached(instant: str | None, now: datetime) -> bool:
    return instant is not None and now >= datetime.fromisoformat(instant)
