"""The readiness checklist of a scenario: each line told from data, with a reason and what to do where it does not hold. Pure.

Lines are a table: another one is another row. Whoever says them in another language hands in what translates: each text is whole.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote

from trivet.card.content import Card
from trivet.card.watched import Guard
from trivet.guard.telling import again
from trivet.kit.marked import N_, Say, english

DRILL_DAYS = 90
RECENT = timedelta(minutes=5)  # a verdict that is older says nothing of now


@dataclass(frozen=True, slots=True)
class Written:
    """The revision that governs: how it came to be."""

    number: int
    from_preset: bool
    approvers: tuple[str, ...]
    solo: bool
    owes_review: bool


@dataclass(frozen=True, slots=True)
class Baseline:
    """A regression test, or a comparison, that says how the scenario fares: `revision` None where it names none."""

    passed: bool
    revision: int | None
    at: datetime
    reference: str


@dataclass(frozen=True, slots=True)
class Heard:
    """The newest verdict of a guard."""

    word: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Drilled:
    """A drill that is over."""

    id: int
    ladder: str
    levels: tuple[int, ...]
    at: datetime
    facts: dict[str, bool]
    outcome: str
    aborted: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """All that the lines are told from. `card` None: none is active. `drills` newest first."""

    name: str
    card: Card | None
    written: Written | None
    ladder: str
    baseline: Baseline | None
    heard: dict[str, Heard]
    drills: Sequence[Drilled]
    now: datetime


@dataclass(frozen=True, slots=True)
class Ask:
    """A call of the API that goes on with it: a path under /api/v1, and the JSON posted, fit for a shell's single quotes."""

    path: str
    body: str


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the checklist. `label` is in English, for the catalogues; `to_do` is empty where it holds; `ask` where a call is what there is to do."""

    key: str
    label: str
    holds: bool
    reason: str
    to_do: str
    ask: Ask | None = None


Told = tuple[bool, str, str] | tuple[bool, str, str, Ask]


def lines(facts: Facts, _: Say = english) -> tuple[Line, ...]:
    """The whole checklist."""
    if facts.card is None:
        why = _("no card is active")
        return tuple(Line(key, label, False, why, _(WRITE), _draft(facts)) for key, label, _check in CHECKS)
    return tuple(Line(key, label, *check(facts, _)) for key, label, check in CHECKS)


WRITE = N_("Draft a card with thresholds from its own data, have it approved, activate it")


def _draft(facts: Facts) -> Ask:
    return Ask(f"/cards/{_at(facts)}/proposal", "{}")


def _at(facts: Facts) -> str:
    return quote(facts.name, safe="")


def _posted(**fields: str | int | bool) -> str:
    return json.dumps(fields).replace("'", "\\u0027")


def _written(facts: Facts, _: Say) -> Told:
    written = facts.written
    if written is None or written.from_preset:
        return False, _("the preset governs as it came"), _(WRITE), _draft(facts)
    number = written.number
    if written.owes_review:
        reason = _("revision {n} was activated by break-glass and owes its review", n=number)
        return False, reason, _("Review it on its card's page")
    if written.solo:
        return True, _("revision {n}, approved by one person in solo mode", n=number), ""
    if len(set(written.approvers)) < 2:
        reason = _("revision {n} was not approved by two people", n=number)
        return False, reason, _("Have the next one approved for both sides")
    *first, last = written.approvers
    approvers = _("{some} and {last}", some=_(", ").join(first), last=last)
    return True, _("revision {n}, approved by {approvers}", n=number, approvers=approvers), ""


def _baseline(facts: Facts, _: Say) -> Told:
    found, number = facts.baseline, facts.written.number if facts.written else 0
    how = _("Run a regression against revision {n} and write what came of it", n=number)
    ask = Ask(f"/scenarios/{_at(facts)}/regressions", _posted(passed=True, revision=number, reference="run 1"))
    if found is None:
        return False, _("no regression and no comparison was written yet"), how, ask
    newest = found.reference
    if found.revision is None:
        return False, _("the newest, {newest}, does not say of which revision it is", newest=newest), how, ask
    if found.revision != number:
        return False, _("the newest, {newest}, is of revision {n}", newest=newest, n=found.revision), how, ask
    if not found.passed:
        return False, _("the newest, {newest}, did not pass", newest=newest), how, ask
    return True, _("{newest} passed on {date}", newest=newest, date=f"{found.at:%Y-%m-%d}"), ""


def _ladder(facts: Facts, _: Say) -> Told:
    card = facts.card
    assert card is not None
    names = _(", ").join(f"{step.level} {step.name}" for step in card.ladder)
    said = N_("{n} levels: {names}") if card.top > 1 else N_("{n} level: {names}")
    return True, _(said, n=card.top, names=names), ""


def _raising(card: Card) -> list[Guard]:
    return [guard for guard in card.guards if guard.raises_to and not guard.shadow]


def _triggers(facts: Facts, _: Say) -> Told:
    card = facts.card
    assert card is not None
    raising = _raising(card)
    shadows = [guard.name for guard in card.guards if guard.raises_to and guard.shadow]
    highest = max((guard.raises_to for guard in raising), default=0)
    if not raising and shadows:
        reason = _("all guards that raise are in shadow: {names}", names=_(", ").join(shadows))
        return False, reason, _("Take them out of shadow in a new revision")
    if highest < card.top:
        reason = _("no guard raises beyond level {n} of {top}", n=highest, top=card.top)
        return False, reason, _("Have a guard raise to level {n}", n=card.top)
    deaf = [guard.name for guard in raising if not _hears(facts, guard)]
    if len(deaf) == len(raising):
        return False, _unheard(facts.heard.get(deaf[0]), _), _(SEND)
    more = _("; without data now: {names}", names=_(", ").join(deaf)) if deaf else ""
    heard_to = max(guard.raises_to for guard in raising if guard.name not in deaf)
    if heard_to < card.top:
        text = N_("guards that have data raise to level {n} of {top} only{more}")
        return False, _(text, n=heard_to, top=card.top, more=more), _(SEND)
    text = N_("{n} guards raise, up to level {level}{more}")
    if len(raising) == 1:
        text = N_("{n} guard raises, up to level {level}{more}")
    return True, _(text, n=len(raising), level=highest, more=more), ""


SEND = N_("Send telemetry of it")


def _unheard(heard: Heard | None, _: Say) -> str:
    if heard is None:
        return _("no guard that raises has data: not judged yet")
    return _("no guard that raises has data: {reason}", reason=again(heard.reason, _))


def _hears(facts: Facts, guard: Guard) -> bool:
    heard = facts.heard.get(guard.name)
    return heard is not None and heard.word != "no_data" and facts.now - heard.at <= RECENT


def _drilled(facts: Facts, _: Say) -> Told:
    words = N_("drill {id} triggered, acted and recovered on {date}")
    return _by_drill(facts, ("triggered", "acted", "recovered", "no_side_effects"), words, _)


def _rolled_back(facts: Facts, _: Say) -> Told:
    return _by_drill(facts, ("rolled_back",), N_("drill {id} was rolled back on {date}"), _)


def _by_drill(facts: Facts, wanted: Sequence[str], words: str, _: Say) -> Told:
    card = facts.card
    assert card is not None
    how = _("Drill it, on a backend of its own: trivet drill-backend")
    ask = Ask("/drills", _posted(scenario=facts.name, reason="readiness"))
    lately = [drill for drill in facts.drills if facts.now - drill.at <= timedelta(days=DRILL_DAYS)]
    if not lately:
        return False, _("not drilled in the last {n} days", n=DRILL_DAYS), how, ask
    same = [drill for drill in lately if drill.ladder == facts.ladder]
    if not same:
        return False, _("drill {id} was of another ladder than the one that governs", id=lately[0].id), how, ask
    # An aborted one says nothing of the ladder; of the others the newest counts, as one that failed is news of it.
    meant = [drill for drill in same if not drill.aborted]
    whole = [drill for drill in meant if len(drill.levels) == card.top]
    newest = next(iter(meant), same[0])
    if not all(newest.facts.get(fact) for fact in wanted):
        return False, _failed(newest, _), how, ask
    if not whole:
        levels = _(", ").join(map(str, newest.levels))
        return False, _("drill {id} left out levels: it was of {levels}", id=newest.id, levels=levels), how, ask
    if not all(whole[0].facts.get(fact) for fact in wanted):
        return False, _failed(whole[0], _), how, ask
    return True, _(words, id=whole[0].id, date=f"{whole[0].at:%Y-%m-%d}"), ""


def _failed(drill: Drilled, _: Say) -> str:
    return _("drill {id}: {outcome}", id=drill.id, outcome=drill.outcome)


Check = Callable[[Facts, Say], Told]
CHECKS: tuple[tuple[str, str, Check], ...] = (
    ("card_written", N_("Card written"), _written),
    ("baseline_exists", N_("Baseline exists"), _baseline),
    ("ladder_exists", N_("Ladder exists"), _ladder),
    ("triggers_by_itself", N_("Triggers by itself"), _triggers),
    ("drilled", N_("Has been drilled"), _drilled),
    ("rolled_back", N_("And rolled back"), _rolled_back),
)
