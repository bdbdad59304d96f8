"""How one scenario stands, out of the facts: what the sentence is built from. Pure."""

from collections.abc import Mapping
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal

from trivet.card.content import LOWER_IS_WORSE
from trivet.command.models import Command
from trivet.console import format as say
from trivet.console import measures, sentence, story
from trivet.console.queries import ScenarioFacts
from trivet.console.tongue import N_, _
from trivet.console.triangle import draw
from trivet.guard.decide import MEASURES
from trivet.guard.models import Breach, GuardState

BACK_TOLD = timedelta(minutes=2)  # for so long a roll back is what the page opens with
BLAMED_WITHIN = timedelta(minutes=15)  # a breach that opens so soon after an activation is told with it
BROKEN = ("breach", "stall")
# What guards call what they watch, for the catalogues.
LABELS = (
    N_("quality"), N_("cost per request"), N_("cost per hour"), N_("error rate"), N_("timeout rate"), N_("refusal rate"),
)  # fmt: skip


def standing(
    s: ScenarioFacts, people: Mapping[str, str], cost_change: float | None, now: datetime
) -> sentence.Standing:
    """The facts of a scenario, as the sentence says them."""
    broken = _breaches(s)
    return sentence.Standing(
        name=s.name,
        level=s.proven_level,
        since=s.since,
        cause=_cause(s, people),
        wanted_level=s.wanted_level,
        cost_change=cost_change,
        quality=_quality(s),
        quality_floor=s.active.card.quality.floor if s.active else None,
        breaches=broken,
        over=_over(s),
        requests=bool(s.now.requests_per_s),
        has_card=s.active is not None,
        judged=any(state.verdict != "no_data" for state in s.states.values()),
        changed_at=s.now.since,
        blamed=_blamed(s, people) if broken else None,
        back=_way_back(s, people, now),
    )


def _breaches(s: ScenarioFacts) -> tuple[sentence.Breach, ...]:
    """What is broken now; what broke before and is open still, though too little was measured to see it, comes after."""
    broken = [_seen(s, state) for state in s.states.values() if state.verdict in BROKEN]
    said = {name for name, state in s.states.items() if state.verdict in BROKEN}
    return (*broken, *(_kept(s, breach) for breach in s.open if breach.guard not in said))


def _seen(s: ScenarioFacts, state: GuardState) -> sentence.Breach:
    metric = metric_of(s, state.guard)
    if state.verdict == "stall" or state.value is None or metric is None:
        return sentence.Breach(story.heard(state.reason), "", "", stalled=True)
    return _said(s, metric, state.value, state.threshold)


def _kept(s: ScenarioFacts, breach: Breach) -> sentence.Breach:
    metric, value = metric_of(s, breach.guard), breach.value
    if metric is None or value is None:
        return sentence.Breach(story.heard(breach.reason), "", "", stalled=True)
    return _said(s, metric, value, breach.threshold, kept=True)


def _said(s: ScenarioFacts, metric: str, value: float, threshold: float, *, kept: bool = False) -> sentence.Breach:
    said, limit = _numbers(s, metric, value, threshold)
    return sentence.Breach(_label(metric), said, limit, falls=metric in LOWER_IS_WORSE, kept=kept)


def _numbers(s: ScenarioFacts, metric: str, value: float, threshold: float) -> tuple[str, str]:
    """A value and its limit in words."""
    currency = s.active.card.cost.currency if s.active else "USD"
    exact = Decimal(repr(value)) if metric.startswith("cost_") else value
    return measures.shown(metric, exact, currency), measures.written(metric, threshold, currency)


def metric_of(s: ScenarioFacts, guard: str) -> str | None:
    """What a guard of the present card watches; None for a guard that it does not have."""
    return next((g.metric for g in s.active.card.guards if g.name == guard), None) if s.active else None


def _quality(s: ScenarioFacts) -> float | None:
    """None until there are enough scores under what governs."""
    if s.active is None or s.now.from_before or s.now.sample("quality") < s.active.card.quality.min_sample:
        return None
    value = s.now.value("quality")
    return None if value is None else float(value)


def _over(s: ScenarioFacts) -> tuple[str, ...]:
    """Legs past the card's line. What was measured before the last change says nothing about now."""
    if s.active is None or s.now.from_before:
        return ()
    shares = measures.shares(s.active.card, s.now)
    if not any(share is not None and share > 1 for share in shares):
        return ()
    proven = {m.leg for m in measures.lines(s.active.card, s.now, {}) if m.proven and m.key in LEGS}
    legs = draw(shares).legs
    return tuple(leg.name for leg in legs if leg.over and leg.name in proven)


LEGS = ("quality", "p95_latency_ms", "cost_per_request")  # the measures that the triangle is drawn from


def _cause(s: ScenarioFacts, people: Mapping[str, str]) -> str | None:
    """Why the scenario is at its level, as the end of a sentence."""
    command = s.proven_by
    if command is None:
        return None
    if s.because_of is not None:
        return _passed(s, s.because_of)
    said = story.lower(command.reason.rstrip("."))
    if story.is_automatic(command.actor):
        return _("it was {said}", said=story.heard(said)) if said.startswith("calm") else story.passed(command.reason)
    return _("{who} asked for it ({said})", who=who(command.actor, people), said=said)


def _passed(s: ScenarioFacts, breach: Breach) -> str:
    metric = metric_of(s, breach.guard)
    if metric is None or breach.value is None:  # silence has passed no limit
        return story.heard(breach.reason)
    told = {"what": _label(metric), "limit": _numbers(s, metric, breach.threshold, breach.threshold)[1]}
    return _("{what} fell below {limit}", **told) if metric in LOWER_IS_WORSE else _("{what} passed {limit}", **told)


def _label(metric: str) -> str:
    """What a guard watches, in the reader's language."""
    return _(MEASURES[metric].label)


def _blamed(s: ScenarioFacts, people: Mapping[str, str]) -> sentence.Blamed | None:
    """The activation that came soon before the breach that is open, where nothing else changed between them."""
    command, first = s.turned, min((b.opened_at for b in s.open), default=None)
    if command is None or command.kind != "activate" or first is None or s.active is None:
        return None
    at = command.effective_at or command.created_at
    since = s.ladder.since if s.ladder else command.created_at
    fresh = command.created_at <= first <= at + BLAMED_WITHIN and since <= at
    if not fresh or command.revision != s.active.number:
        return None
    return sentence.Blamed(command.revision, at, who(command.actor, people))


def _way_back(s: ScenarioFacts, people: Mapping[str, str], now: datetime) -> sentence.WayBack | None:
    command = s.turned
    if command is None or command.kind != "rollback":
        return None
    at = command.effective_at or command.created_at
    if now - at > BACK_TOLD:
        return None
    return sentence.WayBack(
        command.revision, at, _left_why(s, command, people), proven=command.effective_at is not None
    )


def _left_why(s: ScenarioFacts, command: Command, people: Mapping[str, str]) -> str:
    breach = s.left
    metric = metric_of(s, breach.guard) if breach else None
    value = (breach.value if breach.worst_value is None else breach.worst_value) if breach else None
    if breach is None or metric is None or value is None:
        said = story.lower(command.reason.rstrip("."))
        if story.is_automatic(command.actor):
            return story.heard(said)
        return _("{who} asked for it ({said})", who=who(command.actor, people), said=said)
    shown, limit = _numbers(s, metric, value, breach.threshold)
    told = {"n": breach.revision, "what": _label(metric), "value": shown, "limit": limit}
    if metric in LOWER_IS_WORSE:
        return _("revision {n}'s {what} was {value}, under its floor of {limit}", **told)
    return _("revision {n}'s {what} was {value}, over its limit of {limit}", **told)


def who(actor: str, people: Mapping[str, str]) -> str:
    """Who asked, inside a sentence."""
    named = story.person(actor, people)
    return named[:1].lower() + named[1:] if named.startswith("The ") else named


def held(s: ScenarioFacts, people: Mapping[str, str], now: datetime, zone: tzinfo) -> str | None:
    """`Sam Operations until 10:42`: whose hold keeps the ladder off."""
    row = s.ladder
    if row is None or row.held_by is None:
        return None
    if row.held_until is None:
        return who(row.held_by, people)
    return _("{who} until {clock}", who=who(row.held_by, people), clock=say.day_clock(row.held_until, now, zone))
