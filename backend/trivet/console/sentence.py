"""The sentence a page opens with: what is so, and why. Pure: facts in, words out."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from decimal import Decimal

from trivet.console import format as say
from trivet.console.story import calm_before, heard
from trivet.console.tongue import N_, _, _n

NAMED_MAX = 2
NUMBERS = (
    N_("no"), N_("one"), N_("two"), N_("three"), N_("four"), N_("five"), N_("six"), N_("seven"), N_("eight"), N_("nine"),
    N_("ten"), N_("eleven"), N_("twelve"),
)  # fmt: skip


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
    n = len(standings)
    if not standings:
        return _("No scenario is registered yet, so there is nothing to compare with a card.")
    if all(not s.requests and not is_troubled(s) for s in standings):
        return _SILENT[min(n, 3)](n)
    troubled = sorted((s for s in standings if is_troubled(s)), key=rank)
    if not troubled:
        return _("{calm}; {cost}.", calm=_calm(standings, now, zone), cost=_cost_today(spent, provisional, currency))
    calm = [s for s in standings if not is_troubled(s)]
    first, others = scenario(troubled[0], now, zone), _others(troubled[1:], calm, now, zone)
    return _("{first} {others}", first=first, others=others) if others else first


def _cost_today(spent: Decimal, provisional: Decimal, currency: str) -> str:
    cost = say.watched(spent, currency)
    if not provisional:
        return _("today has cost {cost}", cost=cost)
    if provisional == spent:
        return _("today has cost {cost}, all of it provisional", cost=cost)
    part = say.watched(provisional, currency)
    return _("today has cost {cost}, {part} of it provisional", cost=cost, part=part)


def worst(standings: Iterable[Standing]) -> Standing | None:
    """The one that the sentence tells in full; None while nothing is troubled."""
    return min((s for s in standings if is_troubled(s)), key=rank, default=None)


def scenario(s: Standing, now: datetime, zone: tzinfo) -> str:
    """`Support chat has been at level 2 since 14:02 because P95 passed 1.5 s; it costs 12 % less, quality is 0.93 (floor 0.92).`"""
    lead = _lead(s, now, zone)
    clauses = (_wanted_clause(s), _back_beside(s, now, zone), _cost_clause(s), _quality_clause(s))
    tail = _(", ").join(clause for clause in clauses if clause)
    return _("{lead}; {tail}.", lead=lead, tail=tail) if tail else _("{lead}.", lead=lead)


def _lead(s: Standing, now: datetime, zone: tzinfo) -> str:
    name = say.title(s.name)
    if s.level:
        return _level_clause(s, name, now, zone)
    if s.back:
        return _back_clause(s.back, name, now, zone)
    if s.breaches:
        return _breach_clause(s.breaches[0], s.blamed, name, now, zone)
    if s.over:
        return _("{name} is at level 0 and {over}", name=name, over=_over_words(s.over))
    return _("{name} is at level 0", name=name)


def _level_clause(s: Standing, name: str, now: datetime, zone: tzinfo) -> str:
    if s.since is None:
        return _("{name} is at level {n}", name=name, n=s.level)
    clock = say.day_clock(s.since, now, zone)
    if s.cause and (calm := calm_before(s.cause)):
        return _(
            "{name} has stepped back to level {n} since {clock} after being {calm}",
            name=name, n=s.level, clock=clock, calm=heard(calm),
        )  # fmt: skip
    if s.cause:
        return _(
            "{name} has been at level {n} since {clock} because {cause}",
            name=name,
            n=s.level,
            clock=clock,
            cause=s.cause,
        )
    return _("{name} has been at level {n} since {clock}", name=name, n=s.level, clock=clock)


def _back_clause(back: WayBack, name: str, now: datetime, zone: tzinfo) -> str:
    told = {"name": name, "n": back.revision, "clock": say.day_clock(back.at, now, zone), "why": back.why}
    if back.proven:
        return _("{name} is back on revision {n} since {clock}; {why}", **told)
    return _("{name} is to go back to revision {n}, asked for at {clock} and not yet proven; {why}", **told)


def _back_beside(s: Standing, now: datetime, zone: tzinfo) -> str | None:
    """The same beside a level."""
    if s.back is None or not s.level:
        return None
    told = {"n": s.back.revision, "clock": say.day_clock(s.back.at, now, zone), "why": s.back.why}
    if s.back.proven:
        return _("revision {n} is back since {clock} ({why})", **told)
    return _("revision {n} is asked for since {clock} ({why})", **told)


def _breach_clause(breach: Breach, blamed: Blamed | None, name: str, now: datetime, zone: tzinfo) -> str:
    told = {"name": name, "what": breach.what, "value": breach.value, "limit": breach.limit}
    if breach.stalled:
        return _("{name} is at level 0 and has stalled: {what}", name=name, what=breach.what)
    if blamed:
        told |= {"n": str(blamed.revision), "clock": say.day_clock(blamed.at, now, zone), "who": blamed.who}
        if breach.falls:
            return _(
                "{name}'s {what} fell to {value} (floor {limit}) after revision {n} became active at {clock} ({who})",
                **told,
            )
        return _(
            "{name}'s {what} rose to {value} (limit {limit}) after revision {n} became active at {clock} ({who})",
            **told,
        )
    if breach.kept and breach.falls:
        return _(
            "{name} is at level 0 and its {what} was {value}, below {limit}, with too little measured since", **told
        )
    if breach.kept:
        return _(
            "{name} is at level 0 and its {what} was {value}, past {limit}, with too little measured since", **told
        )
    if breach.falls:
        return _("{name} is at level 0 and its {what} is {value}, below {limit}", **told)
    return _("{name} is at level 0 and its {what} is {value}, past {limit}", **told)


def _over_words(over: Sequence[str]) -> str:
    """`below its floor in quality and past its card in latency`: quality falls below, latency and cost pass."""
    passed = [_(leg) for leg in over if leg != "quality"]
    said = [_("below its card's floor in quality")] if "quality" in over else []
    if passed:
        said.append(_("past its card in {legs}", legs=_(" and ").join(passed)))
    return _(" and ").join(said)


def _wanted_clause(s: Standing) -> str | None:
    if s.wanted_level is None or s.wanted_level == s.level:
        return None
    return _("level {n} is asked for and not yet proven", n=s.wanted_level)


def _cost_clause(s: Standing) -> str | None:
    if s.cost_change is None or not s.level:
        return None
    return _("it costs {change}", change=say.change(s.cost_change))


def _quality_clause(s: Standing) -> str | None:
    said_already = not s.level and (s.back or any(b.falls for b in s.breaches[:1]))
    if s.quality is None or said_already:
        return None
    if s.quality_floor is None:
        return _("quality is {score}", score=say.score(s.quality))
    return _("quality is {score} (floor {floor})", score=say.score(s.quality), floor=say.floor(s.quality_floor))


def _others(troubled: Sequence[Standing], calm: Sequence[Standing], now: datetime, zone: tzinfo) -> str:
    if troubled:
        said = _("; ").join(_short(s) for s in troubled[:2])
        return (
            _("{said}; and more below.", said=said) if len(troubled) > 2 else _("{said}.", said=said)
        )  # as many as are said
    if not calm:
        return ""
    return _("{calm}.", calm=_calm(calm, now, zone, others=True))


def _calm(calm: Sequence[Standing], now: datetime, zone: tzinfo, *, others: bool = False) -> str:
    """What is known of scenarios without trouble: only one that has a card and was judged is within it."""
    n = len(calm)
    known = [s for s in calm if s.has_card and s.judged]
    if len(known) == n:
        return _WITHIN[others, min(n, 3)](n)
    parts = [_n("{many} is within its card", "{many} are within their cards", len(known), many=number(len(known)))] if known else []  # fmt: skip
    parts += _unjudged([s for s in calm if s.has_card and not s.judged], now, zone)
    bare = sum(not s.has_card for s in calm)
    if bare and n == 1:
        parts.append(_("it has no card yet"))
    elif bare:
        parts.append(_n("{many} has no card yet", "{many} have no card yet", bare, many=number(bare)))
    return _("{who}; {parts}", who=_LEVEL_0[others, min(n, 3)](n), parts=_(", ").join(parts))


# By whether they are the others, and by how many there are: one, two, or more. In sentences, since no language builds them
# from the same pieces.
Said = Callable[[int], str]
_SILENT: Mapping[int, Said] = {
    1: lambda _n: _("The scenario is at level 0 and nothing has arrived from it yet."),
    2: lambda _n: _("Both scenarios are at level 0 and nothing has arrived from them yet."),
    3: lambda n: _("All {n} scenarios are at level 0 and nothing has arrived from them yet.", n=number(n)),
}
_WITHIN: Mapping[tuple[bool, int], Said] = {
    (False, 1): lambda _n: _("The scenario is at level 0 and within its card"),
    (False, 2): lambda _n: _("Both scenarios are at level 0 and within their cards"),
    (False, 3): lambda n: _("All {n} scenarios are at level 0 and within their cards", n=number(n)),
    (True, 1): lambda _n: _("The other scenario is at level 0 and within its card"),
    (True, 2): lambda n: _("The other {n} are at level 0 and within their cards", n=number(n)),
    (True, 3): lambda n: _("The other {n} are at level 0 and within their cards", n=number(n)),
}
_LEVEL_0: Mapping[tuple[bool, int], Said] = {
    (False, 1): lambda _n: _("The scenario is at level 0"),
    (False, 2): lambda _n: _("Both scenarios are at level 0"),
    (False, 3): lambda n: _("All {n} scenarios are at level 0", n=number(n)),
    (True, 1): lambda _n: _("The other scenario is at level 0"),
    (True, 2): lambda n: _("The other {n} are at level 0", n=number(n)),
    (True, 3): lambda n: _("The other {n} are at level 0", n=number(n)),
}


def _unjudged(found: Sequence[Standing], now: datetime, zone: tzinfo) -> list[str]:
    if len(found) > NAMED_MAX:
        return [_("{n} are not measured yet", n=number(len(found)))]
    return [_why_unjudged(s, now, zone) for s in found]


def _why_unjudged(s: Standing, now: datetime, zone: tzinfo) -> str:
    name = say.title(s.name)
    if not s.requests:
        return _("nothing comes from {name}", name=name)
    if s.changed_at is None:
        return _("{name} has too few requests to be judged", name=name)
    return _("{name} is not measured yet since {clock}", name=name, clock=say.day_clock(s.changed_at, now, zone))


def _short(s: Standing) -> str:
    name = say.title(s.name)
    if s.level:
        return _("{name} is at level {n}", name=name, n=s.level)
    if s.breaches:
        return _("{name} has a broken guard", name=name)
    if s.over:
        return _("{name} is {over}", name=name, over=_over_words(s.over))
    if s.back and s.back.proven:
        return _("{name} is back on revision {n}", name=name, n=s.back.revision)
    if s.back:
        return _("{name} is to go back to revision {n}", name=name, n=s.back.revision)
    return _("{name} has a command waiting", name=name)


def is_troubled(s: Standing) -> bool:
    """Whether it is not as it should be: above level 0, broken, over its card, just rolled back, or on its way."""
    return bool(s.level or s.breaches or s.over or s.back or not _settled(s))


def _settled(s: Standing) -> bool:
    return s.wanted_level is None or s.wanted_level == s.level


def rank(s: Standing) -> tuple[int, int, float, str]:
    """What the worst comes first by. Of roll backs the newest first."""
    return (-s.level, -len(s.breaches), -s.back.at.timestamp() if s.back else 0.0, s.name)


def number(n: int) -> str:
    """`three`, `13`."""
    return _(NUMBERS[n]) if n < len(NUMBERS) else str(n)
