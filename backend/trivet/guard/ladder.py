"""Where a scenario's ladder goes next, and why. Pure.

Up: towards the highest level that a broken guard raises to, or that it gives way to for others, one level at a time (unless
a guard says `at_once`), each step after the stay of the level below it. Down: one level at a time, once its way back is open
(`guard.ways`), every guard that moves the ladder has been past its `leave` for `recover_after_s`, and a probe with a growing
share of conversations went well (`guard.probe`). No data moves nothing. A person's hold wins. A ladder that turns more often
than its card allows freezes at the higher of the two levels: it can still go up, and comes back when a person says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from trivet.card.content import Card, Guard, Level
from trivet.guard import headroom, probe
from trivet.guard.decide import Verdict
from trivet.guard.probe import BREAKS, Before, Outlook, Probing
from trivet.guard.ways import NOTHING, Way, closed

STEPPING_BACK = "stepping back from level "  # how the reason of a step down to a level above 0 begins
DEFERRED_MAX_S = 60.0  # how long others may give way first


@dataclass(frozen=True, slots=True)
class State:
    """Where the ladder stands. `calm_since` is when the present calm began, None where there is none; while a probe goes on,
    when both arms were last well.
    """

    level: int
    since: datetime
    calm_since: datetime | None = None
    held_until: datetime | None = None
    held_by: str | None = None
    probe: Probing | None = None  # on the way back: some conversations are at the level below
    failed: int = 0  # steps of probes that failed in a row
    retry_at: datetime | None = None  # no probe before
    raised_at: datetime | None = None  # when it last went up
    direction: int = 0  # of its last move: 1 up, -1 down
    turned_at: tuple[datetime, ...] = ()  # its changes of direction that are not long ago
    frozen_since: datetime | None = None
    frozen_reason: str | None = None
    yields: int = 0  # it gives way to here for others
    yields_reason: str | None = None
    deferred_since: datetime | None = None  # it would go up, and others give way first

    @property
    def share(self) -> float:
        """Of conversations that are at the level below."""
        return self.probe.share if self.probe else 0.0


@dataclass(frozen=True, slots=True)
class Step:
    """The ladder moves: to another level, or another share goes back. `guard` names the broken guard that raised it."""

    state: State
    reason: str
    guard: str | None = None


@dataclass(frozen=True, slots=True)
class Stay:
    """The ladder stands, and why."""

    state: State
    reason: str


def step(state: State, verdicts: Mapping[str, Verdict], card: Card, now: datetime, way: Way = NOTHING) -> Step | Stay:
    """The next step at `now`, given the newest verdict of each of the card's guards, and what the way back rests on."""
    if state.held_until is not None and now < state.held_until:
        who = state.held_by or "a person"
        return Stay(
            replace(state, calm_since=None), f"{who} holds level {state.level} until {state.held_until:%H:%M:%S} UTC"
        )
    free = replace(state, held_until=None, held_by=None)
    if free.level > card.top:
        moved = replace(free, level=card.top, since=now, calm_since=None, probe=None)
        return Step(moved, f"the card's ladder ends at level {card.top}")
    look, cause = _Look(verdicts, card, now, way), _cause(free, verdicts, card)
    if cause is not None and cause.level > free.level:
        return _up(free, cause, look)
    free = replace(free, deferred_since=None)
    if free.level == 0:
        return Stay(replace(free, calm_since=None), cause.reason if cause else "nothing is broken")
    if free.probe is not None:
        return _probing(free, free.probe, cause, look)
    if cause is not None and (cause.guard or cause.level == free.level):
        return Stay(replace(free, calm_since=None), cause.reason)
    return _down(free, look)


@dataclass(frozen=True, slots=True)
class _Look:
    """What a step is decided by."""

    verdicts: Mapping[str, Verdict]
    card: Card
    now: datetime
    way: Way

    def level(self, level: int) -> Level:
        found = self.card.level(level)
        assert found is not None  # a ladder's levels have no gap, and this one is not above its top
        return found


@dataclass(frozen=True, slots=True)
class _Cause:
    """What keeps the ladder up: a broken guard, or that it gives way (`guard` None)."""

    level: int
    reason: str
    guard: str | None = None
    at_once: int = 0


def _cause(state: State, verdicts: Mapping[str, Verdict], card: Card) -> _Cause | None:
    broken = [guard for guard in card.guards if probe.moves(guard) and _breaks(verdicts, guard)]
    yields = min(state.yields, card.top)
    raising = max(broken, key=lambda guard: guard.raises_to, default=None)
    if raising is None or raising.raises_to < yields:
        return _Cause(yields, state.yields_reason or f"gives way to level {yields}") if yields else None
    at_once = max((guard.raises_to for guard in broken if guard.at_once), default=0)
    return _Cause(raising.raises_to, verdicts[raising.name].reason, raising.name, at_once)


def _up(state: State, cause: _Cause, look: _Look) -> Step | Stay:
    card, now = look.card, look.now
    wait = _stay_left(state, card, now)
    if wait:
        return Stay(replace(state, calm_since=None), f"{cause.reason}; level {state.level} stays {wait:.0f} s more")
    since = state.deferred_since or now
    left_s = DEFERRED_MAX_S - (now - since).total_seconds()
    if look.way.others_first and cause.guard and not cause.at_once and left_s > 0:
        waiting = replace(state, calm_since=None, deferred_since=since)
        return Stay(waiting, f"{cause.reason}; {look.way.others_first}, for {left_s:.0f} s at most")
    turns = _turns(state, 1, card, now)
    to = max(state.level + 1, min(cause.at_once, card.top))
    moved = replace(
        state, level=to, since=now, calm_since=None, probe=None, raised_at=now, direction=1, turned_at=turns,
        deferred_since=None, failed=len(turns), retry_at=_retry_at(card, to, len(turns), now),
    )  # fmt: skip
    if len(turns) > card.steadiness.turns_max and state.frozen_since is None:
        moved = _frozen(moved, card, len(turns), now)
        return Step(moved, f"{cause.reason}; {moved.frozen_reason}", cause.guard)
    return Step(moved, cause.reason, cause.guard)


def _down(state: State, look: _Look) -> Step | Stay:
    """A whole level that may come back."""
    card, now, here = look.card, look.now, look.level(state.level)
    if state.frozen_since is not None:
        return Stay(replace(state, calm_since=None), f"frozen at level {state.level}: {state.frozen_reason}")
    seen = probe.outlook(card.guards, look.verdicts)
    if seen.word in ("near", "bad"):
        return Stay(replace(state, calm_since=None), f"not yet calm: {seen.guard}: {seen.words}")
    if seen.word == "little":
        return Stay(replace(state, calm_since=None), "no data, so nothing says that it is calm")
    calm_since = state.calm_since or now
    calm = replace(state, calm_since=calm_since)
    calm_s = (now - calm_since).total_seconds()
    wait = max(here.recover_after_s - calm_s, _stay_left(state, card, now))
    if wait > 0:
        return Stay(calm, f"calm, back to level {state.level - 1} in {wait:.0f} s")
    shut = closed(here.way_back, state.raised_at or state.since, look.way, now)
    if shut is not None:
        return Stay(calm, f"calm for {calm_s:.0f} s; {shut}")
    if state.retry_at is not None and now < state.retry_at:
        left_s = (state.retry_at - now).total_seconds()
        return Stay(calm, f"calm for {calm_s:.0f} s; the next probe begins in {left_s:.0f} s")
    turns = _turns(state, -1, card, now)
    if len(turns) > card.steadiness.turns_max:
        frozen = _frozen(calm, card, len(turns), now)
        return Stay(frozen, f"frozen at level {state.level}: {frozen.frozen_reason}")
    return _grow(calm, f"calm for {calm_s:.0f} s", look)


def _probing(state: State, probing: Probing, cause: _Cause | None, look: _Look) -> Step | Stay:
    """Some conversations are at the level below."""
    here, below, now = look.level(state.level), state.level - 1, look.now
    if cause is not None and cause.level == state.level and cause.guard is None:
        return _withdraw(state, here, cause.reason, now)
    arms = _arms(state.level, cause, look)
    passed, words = probe.passes(probing, here, arms, Before(state.failed, state.calm_since), now)
    state = replace(state, calm_since=now) if arms.word == "good" else state
    said = f"{probe.said(probing.share)} of conversations at level {below}"
    if passed is None:
        return Stay(state, f"{said}: {words}")
    return _grow(state, f"{said}, {words}", look) if passed else _shrink(state, probing, here, words, now)


def _arms(level: int, cause: _Cause | None, look: _Look) -> Outlook:
    """What both arms say. Those that are back are judged by the guards that would send them up again."""
    rest = probe.outlook(look.card.guards, look.verdicts)
    if cause is not None and cause.guard is not None:
        rest = Outlook("bad", cause.reason, cause.guard)
    back = probe.outlook([guard for guard in look.card.guards if guard.raises_to >= level], look.way.arm)
    return probe.worse(
        replace(back, words=f"those at level {level - 1}: {back.words}"),
        replace(rest, words=f"the others at level {level}: {rest.words}"),
    )


def _grow(state: State, why: str, look: _Look) -> Step | Stay:
    """The next share goes back, where there is room for it."""
    card, now, below = look.card, look.now, state.level - 1
    to = probe.following(look.level(state.level).probe, state.share)
    room = headroom.forecast(look.way.loads, state.share, to, card.latency.p95_ms)
    if not room.fits:
        return Stay(state, f"{why}; no room for {probe.said(to)} at level {below} yet: {room.words}")
    if to < 1:
        probing = replace(state, probe=Probing(to, now))
        return Step(probing, f"probe, {probe.said(to)} back to level {below}: {why}; {room.words}")
    calm = why if state.probe is None else f"{why}; {room.words}"
    # A restore says the rest by its kind.
    reason = f"{STEPPING_BACK}{state.level}: {calm}" if state.level > 1 else calm
    moved = replace(
        state, level=below, since=now, calm_since=None, probe=None, failed=0, retry_at=None, direction=-1,
        turned_at=_turns(state, -1, card, now),
    )  # fmt: skip
    return Step(moved, reason)


def _shrink(state: State, probing: Probing, here: Level, why: str, now: datetime) -> Step:
    half = probe.halved(here.probe, probing.share)
    if half is None:
        return _withdraw(state, here, why, now)
    reason = f"probe halved to {probe.said(half)}: {why}"
    return Step(replace(state, probe=Probing(half, now), calm_since=None, failed=state.failed + 1), reason)


def _withdraw(state: State, here: Level, why: str, now: datetime) -> Step:
    failed = state.failed + 1
    retry_at = probe.retry_at(here, failed, now)
    reason = f"probe failed, all back to level {state.level}: {why}; the next after {retry_at:%H:%M:%S} UTC"
    return Step(replace(state, probe=None, calm_since=None, failed=failed, retry_at=retry_at), reason)


def _turns(state: State, direction: int, card: Card, now: datetime) -> tuple[datetime, ...]:
    """Its changes of direction within the card's time, were it to move so now."""
    recent = tuple(at for at in state.turned_at if now - at < timedelta(seconds=card.steadiness.within_s))
    return (*recent, now) if state.direction * direction < 0 else recent


def _frozen(state: State, card: Card, turns: int, now: datetime) -> State:
    reason = (
        f"it would change direction {turns} times in {card.steadiness.within_s} s, {card.steadiness.turns_max} are allowed; "
        "a person decides (thaw, degrade or restore)"
    )
    return replace(state, probe=None, calm_since=None, frozen_since=now, frozen_reason=reason)


def _retry_at(card: Card, level: int, turns: int, now: datetime) -> datetime | None:
    """A ladder that came back too early waits longer before it tries again."""
    here = card.level(level)
    return probe.retry_at(here, turns, now) if turns and here else None


def _stay_left(state: State, card: Card, now: datetime) -> float:
    """Seconds that the present level still has to stay."""
    here = card.level(state.level)
    return max(0.0, here.min_stay_s - (now - state.since).total_seconds()) if here else 0.0


def _breaks(verdicts: Mapping[str, Verdict], guard: Guard) -> bool:
    found = verdicts.get(guard.name)
    return found is not None and found.word in BREAKS
