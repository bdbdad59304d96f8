"""Who gives way where something shared is short: a pool of GPUs, or everyone's budget. Pure.

Experimental scenarios first, then auxiliary ones, core last; among equals the one that has given least. One step at a time,
with time between for it to take effect. When it is enough they come back in reverse order: who gave last comes first.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

ORDER = ("experimental", "auxiliary", "core")  # the first gives way first
EFFECT_S = 30.0  # between two steps: what the last one did must show before the next
CALM_S = 60.0  # of enough, before anybody comes back
STEPS_MAX = 3_000  # of a simulation: a thousand scenarios with three levels


@dataclass(frozen=True, slots=True)
class Place:
    """A scenario that shares what is short. `level` is where its ladder stands, `yields` where it gives way to."""

    scenario_id: int
    name: str
    criticality: str
    level: int
    top: int
    yields: int = 0
    held: bool = False  # a person holds its ladder

    @property
    def rank(self) -> int:
        """How soon it gives way, 0 first. A criticality that nobody knows is one in the middle."""
        return ORDER.index(self.criticality) if self.criticality in ORDER else 1

    @property
    def deep(self) -> int:
        """The level it is at, or will be at as soon as its ladder follows."""
        return max(self.level, self.yields)

    @property
    def can_give(self) -> bool:
        return not self.held and self.deep < self.top


@dataclass(frozen=True, slots=True)
class Short:
    """How a shared thing stands: `what` it is in words, short since or calm since, and when somebody last moved for it."""

    what: str
    calm_since: datetime | None = None  # None: it is short now
    stepped_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """One scenario's turn: it gives way to a level, or comes back to one. `to` 0: it gives way no more."""

    scenario_id: int
    name: str
    level_from: int
    to: int
    reason: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Nobody moves, and why. `over`: nothing is short and nobody gives way any more."""

    reason: str
    over: bool = False


def next_turn(short: Short, places: Sequence[Place], now: datetime) -> Turn | Wait:
    """Whose turn it is at `now`."""
    if short.stepped_at is not None:
        left_s = EFFECT_S - (now - short.stepped_at).total_seconds()
        if left_s > 0:
            return Wait(f"the last step takes effect for {left_s:.0f} s more")
    if short.calm_since is None:
        return _give(short, places)
    giving = [place for place in places if place.yields]
    if not giving:
        return Wait(f"{short.what}: enough again, and nobody gives way", over=True)
    left_s = CALM_S - (now - short.calm_since).total_seconds()
    if left_s > 0:
        return Wait(f"{short.what}: enough again, and who gave way comes back in {left_s:.0f} s")
    return _back(short, giving)


def _give(short: Short, places: Sequence[Place]) -> Turn | Wait:
    able = [place for place in places if place.can_give]
    if not able:
        return Wait(f"{short.what}, and nobody is left to give way")
    first = min(able, key=lambda place: (place.rank, place.deep, place.name))
    to = first.deep + 1
    reason = f"gives way to level {to}: {short.what}, and it is {first.criticality}{_before(first, able)}"
    return Turn(first.scenario_id, first.name, first.deep, to, reason)


def _back(short: Short, giving: Sequence[Place]) -> Turn:
    last = min(giving, key=lambda place: (-place.rank, -place.yields, _reversed(place.name)))
    to = last.yields - 1
    return Turn(
        last.scenario_id, last.name, last.yields, to, f"{short.what}: enough again; who gave last comes back first"
    )


def _before(first: Place, able: Iterable[Place]) -> str:
    later = sorted(
        {place.criticality for place in able if place.rank > first.rank}, key=lambda word: -ORDER.index(word)
    )
    return f"; before what is {' or '.join(later)}" if later else ""


def _reversed(name: str) -> tuple[int, ...]:
    return tuple(-ord(letter) for letter in name)


def others_first(mine: Place, places: Iterable[Place], what: str) -> str:
    """In words, who gives way before this scenario goes up; empty where nobody less critical is left to."""
    before = sorted((p.rank, p.deep, p.name) for p in places if p.can_give and p.rank < mine.rank)
    return f"{before[0][2]} gives way first, as {what}" if before else ""


def order(places: Sequence[Place], what: str) -> list[Turn]:
    """Who would give way one after the other, were it to stay short for as long as anybody can."""
    standing: Mapping[int, Place] = {place.scenario_id: place for place in places}
    turns: list[Turn] = []
    while len(turns) < STEPS_MAX:
        turn = _give(Short(what), list(standing.values()))
        if isinstance(turn, Wait):
            break
        turns.append(turn)
        standing = {**standing, turn.scenario_id: replace(standing[turn.scenario_id], yields=turn.to)}
    return turns
