"""Where a scenario's ladder goes next, and why. Pure.

Up: towards the highest level that a broken guard raises to, one level at a time (unless that guard says `at_once`), each
step after the stay of the level below it. Down: one level at a time, once every guard that moves the ladder has been past
its `leave` for `recover_after_s`, on data measured after the last change. No data moves nothing. A person's hold wins.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from trivet.card.content import Card, Guard
from trivet.guard.decide import Verdict

BREAKS = ("breach", "stall")
STEPPING_BACK = "stepping back from level "  # how the reason of a step down to a level above 0 begins


@dataclass(frozen=True, slots=True)
class State:
    """Where the ladder stands. `calm_since` is when the present calm began, None where there is none."""

    level: int
    since: datetime
    calm_since: datetime | None = None
    held_until: datetime | None = None
    held_by: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """The ladder moves. `guard` names the broken guard that raised it, None on the way down."""

    state: State
    reason: str
    guard: str | None = None


@dataclass(frozen=True, slots=True)
class Stay:
    """The ladder stands, and why."""

    state: State
    reason: str


def step(state: State, verdicts: Mapping[str, Verdict], card: Card, now: datetime) -> Step | Stay:
    """The next step at `now`, given the newest verdict of each of the card's guards."""
    if state.held_until is not None and now < state.held_until:
        who = state.held_by or "a person"
        return Stay(
            replace(state, calm_since=None), f"{who} holds level {state.level} until {state.held_until:%H:%M:%S} UTC"
        )
    free = replace(state, held_until=None, held_by=None)
    if free.level > card.top:
        moved = State(card.top, now)
        return Step(moved, f"the card's ladder ends at level {card.top}")
    broken = [guard for guard in card.guards if guard.raises_to and _breaks(verdicts, guard)]
    highest = max((guard.raises_to for guard in broken), default=0)
    if highest > free.level:
        return _up(free, broken, verdicts, card, now)
    if free.level == 0:
        return Stay(replace(free, calm_since=None), "nothing is broken" if not broken else _why(verdicts, broken))
    if broken:
        return Stay(replace(free, calm_since=None), _why(verdicts, broken))
    return _down(free, verdicts, card, now)


def _up(state: State, broken: list[Guard], verdicts: Mapping[str, Verdict], card: Card, now: datetime) -> Step | Stay:
    raising = max(broken, key=lambda guard: guard.raises_to)
    reason = verdicts[raising.name].reason
    wait = _stay_left(state, card, now)
    if wait:
        return Stay(replace(state, calm_since=None), f"{reason}; level {state.level} stays {wait:.0f} s more")
    at_once = max((guard.raises_to for guard in broken if guard.at_once), default=0)
    return Step(State(max(state.level + 1, at_once), now), reason, raising.name)


def _down(state: State, verdicts: Mapping[str, Verdict], card: Card, now: datetime) -> Step | Stay:
    moving = [(guard, verdicts[guard.name]) for guard in card.guards if guard.raises_to and guard.name in verdicts]
    unclear = [
        (g, v) for g, v in moving if v.standing.clear_since is None and (v.word != "no_data" or v.standing.broken)
    ]
    clear = [v for _, v in moving if v.standing.clear_since is not None]
    if unclear:
        guard, seen = unclear[0]
        return Stay(replace(state, calm_since=None), f"not yet calm: {guard.name}: {seen.reason}")
    if not clear:
        return Stay(replace(state, calm_since=None), "no data, so nothing says that it is calm")
    calm_since = state.calm_since or now
    here = card.level(state.level)
    assert here is not None
    needed = timedelta(seconds=here.recover_after_s)
    wait = max((needed - (now - calm_since)).total_seconds(), _stay_left(state, card, now))
    if wait > 0:
        return Stay(replace(state, calm_since=calm_since), f"calm, back to level {state.level - 1} in {wait:.0f} s")
    calm = f"calm for {(now - calm_since).total_seconds():.0f} s"
    reason = f"{STEPPING_BACK}{state.level}: {calm}" if state.level > 1 else calm  # a restore says the rest by its kind
    return Step(State(state.level - 1, now), reason)


def _stay_left(state: State, card: Card, now: datetime) -> float:
    """Seconds that the present level still has to stay."""
    here = card.level(state.level)
    return max(0.0, here.min_stay_s - (now - state.since).total_seconds()) if here else 0.0


def _breaks(verdicts: Mapping[str, Verdict], guard: Guard) -> bool:
    found = verdicts.get(guard.name)
    return found is not None and found.word in BREAKS


def _why(verdicts: Mapping[str, Verdict], broken: list[Guard]) -> str:
    return verdicts[max(broken, key=lambda guard: guard.raises_to).name].reason
