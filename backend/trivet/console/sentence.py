"""The sentence a page opens with: what is so, and why. Pure: facts in, words out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from decimal import Decimal

from trivet.console import format as say
from trivet.console.story import calm_before

NAMED_MAX = 2
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


@dataclass(frozen=True, slots=True)
class Breach:
    """A guard that is broken now: `what` it watches and the `limit`, both in words (`P95`, `1.5 s`).

    `falls`: it is broken below its limit. `kept`: it is open, and too little was measured since to say that it is over.
    """

    what: str
    value: str
    limit: str
    stalled: bool = False
    falls: bool = False
    kept: bool = False


@dataclass(frozen=True, slots=True)
class Blamed:
    """The revision that governs, since when, and who made it active."""

    revision: int
    at: datetime
    who: str


@dataclass(frozen=True, slots=True)
class WayBack:
    """A roll back of a moment ago: to which revision, since when, and why. `proven` by telemetry."""

    revision: int
    at: datetime
    why: str
    proven: bool = True


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
    has_card: bool = True
    judged: bool = True  # whether any guard has a verdict on what governs now
    changed_at: datetime | None = None  # when what governs now began to, where something governed before
    blamed: Blamed | None = None  # the activation that a breach followed
    back: WayBack | None = None


def overview(
    standings: Sequence[Standing],
    spent: Decimal,
    currency: str,
    now: datetime,
    zone: tzinfo,
    *,
    provisional: Decimal = Decimal(0),
) -> str:
    """The worst scenario in full, the others in one clause; when all is calm, what today has cost."""
    if not standings:
        return "No scenario is registered yet, so there is nothing to compare with a card."
    if all(not s.requests and not is_troubled(s) for s in standings):
        return f"{_all(len(standings))} at level 0 and nothing has arrived from {_them(len(standings))} yet."
    troubled = sorted((s for s in standings if is_troubled(s)), key=rank)
    if not troubled:
        cost = f"today has cost {say.watched(spent, currency)}"
        part = "all" if provisional == spent else say.watched(provisional, currency)
        rest = f", {part} of it provisional" if provisional else ""
        return f"{_all(len(standings))} at level 0{_within(standings, now, zone)}; {cost}{rest}."
    calm = [s for s in standings if not is_troubled(s)]
    return f"{scenario(troubled[0], now, zone)} {_others(troubled[1:], calm, now, zone)}".rstrip()


def worst(standings: Iterable[Standing]) -> Standing | None:
    """The one that the sentence tells in full; None while nothing is troubled."""
    return min((s for s in standings if is_troubled(s)), key=rank, default=None)


def scenario(s: Standing, now: datetime, zone: tzinfo) -> str:
    """`Support chat has been at level 2 since 14:02 because P95 passed 1.5 s; it costs 12 % less, quality is 0.93 (floor 0.92).`"""
    lead = _lead(s, now, zone)
    clauses = (_wanted_clause(s), _back_beside(s, now, zone), _cost_clause(s), _quality_clause(s))
    tail = ", ".join(clause for clause in clauses if clause)
    return f"{say.title(s.name)}{lead}{'; ' if tail else ''}{tail}."


def _lead(s: Standing, now: datetime, zone: tzinfo) -> str:
    if s.level:
        return f" {_level_clause(s, now, zone)}"
    if s.back:
        return f" {_back_clause(s.back, now, zone)}"
    if s.breaches:
        return _breach_clause(s.breaches[0], s.blamed, now, zone)
    return f" {_over_clause(s)}"


def _level_clause(s: Standing, now: datetime, zone: tzinfo) -> str:
    if s.since is None:
        return f"is at level {s.level}"
    clock = say.day_clock(s.since, now, zone)
    if s.cause and (calm := calm_before(s.cause)):
        return f"has stepped back to level {s.level} since {clock} after being {calm}"
    since = f"has been at level {s.level} since {clock}"
    return f"{since} because {s.cause}" if s.cause else since


def _back_clause(back: WayBack, now: datetime, zone: tzinfo) -> str:
    clock = say.day_clock(back.at, now, zone)
    if back.proven:
        return f"is back on revision {back.revision} since {clock}; {back.why}"
    return f"is to go back to revision {back.revision}, asked for at {clock} and not yet proven; {back.why}"


def _back_beside(s: Standing, now: datetime, zone: tzinfo) -> str | None:
    """The same beside a level."""
    if s.back is None or not s.level:
        return None
    clock = say.day_clock(s.back.at, now, zone)
    said = "is back since" if s.back.proven else "is asked for since"
    return f"revision {s.back.revision} {said} {clock} ({s.back.why})"


def _breach_clause(breach: Breach, blamed: Blamed | None, now: datetime, zone: tzinfo) -> str:
    """After the scenario's name."""
    if breach.stalled:
        return f" is at level 0 and has stalled: {breach.what}"
    if blamed:
        moved, line = ("fell", "floor") if breach.falls else ("rose", "limit")
        clock = say.day_clock(blamed.at, now, zone)
        after = f"after revision {blamed.revision} became active at {clock} ({blamed.who})"
        return f"'s {breach.what} {moved} to {breach.value} ({line} {breach.limit}) {after}"
    verb, side = "was" if breach.kept else "is", "below" if breach.falls else "past"
    said = f" is at level 0 and its {breach.what} {verb} {breach.value}, {side} {breach.limit}"
    return f"{said}, with too little measured since" if breach.kept else said


def _over_clause(s: Standing) -> str:
    return f"is at level 0 and {_over_words(s.over)}" if s.over else "is at level 0"


def _over_words(over: Sequence[str]) -> str:
    """`below its floor in quality and past its card in latency`: quality falls below, latency and cost pass."""
    passed = [leg for leg in over if leg != "quality"]
    said = ["below its card's floor in quality"] if "quality" in over else []
    return " and ".join([*said, f"past its card in {' and '.join(passed)}"] if passed else said)


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
    said_already = not s.level and (s.back or any(b.falls for b in s.breaches[:1]))
    if s.quality is None or said_already:
        return None
    floor = "" if s.quality_floor is None else f" (floor {say.floor(s.quality_floor)})"
    return f"quality is {say.score(s.quality)}{floor}"


def _others(troubled: Sequence[Standing], calm: Sequence[Standing], now: datetime, zone: tzinfo) -> str:
    if troubled:
        return "; ".join(_short(s) for s in troubled[:2]) + ("; and more below." if len(troubled) > 2 else ".")
    return f"{_the_other(len(calm))} at level 0{_within(calm, now, zone)}." if calm else ""


def _within(calm: Sequence[Standing], now: datetime, zone: tzinfo) -> str:
    """What is known of scenarios without trouble: only one that has a card and was judged is within it."""
    known = [s for s in calm if s.has_card and s.judged]
    if len(known) == len(calm):
        return f" and within {_their(len(calm))}"
    parts = [f"{number(len(known))} {_are(len(known))} within {_their(len(known))}"] if known else []
    parts += _unjudged([s for s in calm if s.has_card and not s.judged], now, zone)
    bare = sum(not s.has_card for s in calm)
    if bare:
        who = "it" if len(calm) == 1 else number(bare)
        parts.append(f"{who} {'has' if bare == 1 else 'have'} no card yet")
    return "; " + ", ".join(parts)


def _unjudged(found: Sequence[Standing], now: datetime, zone: tzinfo) -> list[str]:
    if len(found) > NAMED_MAX:
        return [f"{number(len(found))} are not measured yet"]
    return [_why_unjudged(s, now, zone) for s in found]


def _why_unjudged(s: Standing, now: datetime, zone: tzinfo) -> str:
    if not s.requests:
        return f"nothing comes from {say.title(s.name)}"
    if s.changed_at is None:
        return f"{say.title(s.name)} has too few requests to be judged"
    return f"{say.title(s.name)} is not measured yet since {say.day_clock(s.changed_at, now, zone)}"


def _short(s: Standing) -> str:
    if s.level:
        return f"{say.title(s.name)} is at level {s.level}"
    if s.breaches:
        return f"{say.title(s.name)} has a broken guard"
    if s.over:
        return f"{say.title(s.name)} is {_over_words(s.over)}"
    if s.back:
        return f"{say.title(s.name)} is {'' if s.back.proven else 'to go '}back {'on' if s.back.proven else 'to'} revision {s.back.revision}"
    return f"{say.title(s.name)} has a command waiting"


def is_troubled(s: Standing) -> bool:
    """Whether it is not as it should be: above level 0, broken, over its card, just rolled back, or on its way."""
    return bool(s.level or s.breaches or s.over or s.back or not _settled(s))


def _settled(s: Standing) -> bool:
    return s.wanted_level is None or s.wanted_level == s.level


def rank(s: Standing) -> tuple[int, int, float, str]:
    """What the worst comes first by. Of roll backs the newest first."""
    return (-s.level, -len(s.breaches), -s.back.at.timestamp() if s.back else 0.0, s.name)


def _all(n: int) -> str:
    return {1: "The scenario is", 2: "Both scenarios are"}.get(n) or f"All {number(n)} scenarios are"


def _the_other(n: int) -> str:
    return "The other scenario is" if n == 1 else f"The other {number(n)} are"


def _are(n: int) -> str:
    return "is" if n == 1 else "are"


def _their(n: int) -> str:
    return "its card" if n == 1 else "their cards"


def _them(n: int) -> str:
    return "it" if n == 1 else "them"


def number(n: int) -> str:
    """`three`, `13`."""
    return NUMBERS[n] if n < len(NUMBERS) else str(n)
