"""The sentence a page opens with: what is so, and why. Pure: facts in, words out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from decimal import Decimal

from trivet.console import format as say
from trivet.console.story import calm_before

NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


@dataclass(frozen=True, slots=True)
class Breach:
    """A guard that is broken now: `what` it watches and the `limit`, both in words (`P95`, `1.5 s`)."""

    what: str
    value: str
    limit: str
    stalled: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """How one scenario stands. `cause` says why it is at its level; `cost_change` is against the time before (-0.12)."""

    name: str
    level: int = 0
    since: datetime | None = None
    cause: str | None = None
    wanted_level: int | None = None  # a level asked for that no telemetry proves yet
    cost_change: float | None = None
    quality: float | None = None
    quality_floor: float | None = None
    breaches: tuple[Breach, ...] = ()
    over: tuple[str, ...] = ()  # legs past the card's line, whatever the guards say
    requests: bool = False  # whether any came lately


def overview(standings: Sequence[Standing], spent: Decimal, currency: str, now: datetime, zone: tzinfo) -> str:
    """The worst scenario in full, the others in one clause; when all is calm, what today has cost."""
    if not standings:
        return "No scenario is registered yet, so there is nothing to compare with a card."
    if all(not s.requests and s.level == 0 and _settled(s) for s in standings):
        return f"{_all(len(standings))} at level 0 and nothing has arrived from {_them(len(standings))} yet."
    troubled = sorted((s for s in standings if _is_troubled(s)), key=_rank)
    if not troubled:
        return f"{_all(len(standings))} at level 0 and within {_their(len(standings))}; today has cost {say.watched(spent, currency)}."
    others = _others(troubled[1:], len(standings) - 1)
    return f"{scenario(troubled[0], now, zone)} {others}".rstrip()


def scenario(s: Standing, now: datetime, zone: tzinfo) -> str:
    """`Support chat has been at level 2 since 14:02 because P95 passed 1.5 s; it costs 12 % less, quality is 0.93 (floor 0.92).`"""
    lead = _level_clause(s, now, zone) if s.level else _breach_clause(s) if s.breaches else _over_clause(s)
    tail = [clause for clause in (_wanted_clause(s), _cost_clause(s), _quality_clause(s)) if clause]
    return f"{say.title(s.name)} {lead}{'; ' if tail else ''}{', '.join(tail)}."


def _level_clause(s: Standing, now: datetime, zone: tzinfo) -> str:
    if s.since is None:
        return f"is at level {s.level}"
    clock = say.day_clock(s.since, now, zone)
    if s.cause and (calm := calm_before(s.cause)):
        return f"has been back at level {s.level} since {clock} after being {calm}"
    since = f"has been at level {s.level} since {clock}"
    return f"{since} because {s.cause}" if s.cause else since


def _breach_clause(s: Standing) -> str:
    first = s.breaches[0]
    if first.stalled:
        return f"is at level 0 and has stalled: {first.what}"
    return f"is at level 0 and its {first.what} is {first.value}, past {first.limit}"


def _over_clause(s: Standing) -> str:
    return f"is at level 0 and past its card in {' and '.join(s.over)}" if s.over else "is at level 0"


def _wanted_clause(s: Standing) -> str | None:
    if s.wanted_level is None or s.wanted_level == s.level:
        return None
    return f"level {s.wanted_level} is asked for and not yet proven"


def _cost_clause(s: Standing) -> str | None:
    if s.cost_change is None or not s.level:
        return None
    changed = say.change(s.cost_change)
    return f"it costs {changed}"


def _quality_clause(s: Standing) -> str | None:
    if s.quality is None:
        return None
    floor = "" if s.quality_floor is None else f" (floor {say.score(s.quality_floor)})"
    return f"quality is {say.score(s.quality)}{floor}"


def _others(troubled: Sequence[Standing], others: int) -> str:
    if others == 0:
        return ""
    if not troubled:
        return f"{_the_other(others)} at level 0 and within {_their(others)}."
    return "; ".join(_short(s) for s in troubled[:2]) + ("; and more below." if len(troubled) > 2 else ".")


def _short(s: Standing) -> str:
    if s.level:
        return f"{say.title(s.name)} is at level {s.level}"
    if s.breaches:
        return f"{say.title(s.name)} has a broken guard"
    if s.over:
        return f"{say.title(s.name)} is past its card in {' and '.join(s.over)}"
    return f"{say.title(s.name)} has a command waiting"


def _is_troubled(s: Standing) -> bool:
    return bool(s.level or s.breaches or s.over or not _settled(s))


def _settled(s: Standing) -> bool:
    return s.wanted_level is None or s.wanted_level == s.level


def _rank(s: Standing) -> tuple[int, int, str]:
    return (-s.level, -len(s.breaches), s.name)


def _all(n: int) -> str:
    return "The scenario is" if n == 1 else f"All {number(n)} scenarios are"


def _the_other(n: int) -> str:
    return "The other scenario is" if n == 1 else f"The other {number(n)} are"


def _their(n: int) -> str:
    return "its card" if n == 1 else "their cards"


def _them(n: int) -> str:
    return "it" if n == 1 else "them"


def number(n: int) -> str:
    """`three`, `13`."""
    return NUMBERS[n] if n < len(NUMBERS) else str(n)
