"""The readiness checklist of a scenario: each line told from data, with a reason and what to do where it does not hold. Pure.

Lines are a table: another one is another row.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote

from trivet.card.content import Card
from trivet.card.watched import Guard

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
    """One line of the checklist. `to_do` is empty where it holds; `ask` where a call is what there is to do."""

    key: str
    label: str
    holds: bool
    reason: str
    to_do: str
    ask: Ask | None = None


Told = tuple[bool, str, str] | tuple[bool, str, str, Ask]


def lines(facts: Facts) -> tuple[Line, ...]:
    """The whole checklist."""
    if facts.card is None:
        why = "no card is active"
        return tuple(Line(key, label, False, why, WRITE, _draft(facts)) for key, label, _ in CHECKS)
    return tuple(Line(key, label, *check(facts)) for key, label, check in CHECKS)


WRITE = "Draft a card with thresholds from its own data, have it approved, activate it"


def _draft(facts: Facts) -> Ask:
    return Ask(f"/cards/{_at(facts)}/proposal", "{}")


def _at(facts: Facts) -> str:
    return quote(facts.name, safe="")


def _posted(**fields: str | int | bool) -> str:
    return json.dumps(fields).replace("'", "\\u0027")


def _written(facts: Facts) -> Told:
    written = facts.written
    if written is None or written.from_preset:
        return False, "the preset governs as it came", WRITE, _draft(facts)
    if written.owes_review:
        return (
            False,
            f"revision {written.number} was activated by break-glass and owes its review",
            "Review it on its card's page",
        )
    if written.solo:
        return True, f"revision {written.number}, approved by one person in solo mode", ""
    if len(set(written.approvers)) < 2:
        return (
            False,
            f"revision {written.number} was not approved by two people",
            "Have the next one approved for both sides",
        )
    return True, f"revision {written.number}, approved by {' and '.join(written.approvers)}", ""


def _baseline(facts: Facts) -> Told:
    found, number = facts.baseline, facts.written.number if facts.written else 0
    how = f"Run a regression against revision {number} and write what came of it"
    ask = Ask(f"/scenarios/{_at(facts)}/regressions", _posted(passed=True, revision=number, reference="run 1"))
    if found is None:
        return False, "no regression and no comparison was written yet", how, ask
    if found.revision is None:
        return False, f"the newest, {found.reference}, does not say of which revision it is", how, ask
    if found.revision != number:
        return False, f"the newest, {found.reference}, is of revision {found.revision}", how, ask
    if not found.passed:
        return False, f"the newest, {found.reference}, did not pass", how, ask
    return True, f"{found.reference} passed on {found.at:%Y-%m-%d}", ""


def _ladder(facts: Facts) -> Told:
    card = facts.card
    assert card is not None
    names = ", ".join(f"{step.level} {step.name}" for step in card.ladder)
    return True, f"{card.top} level{'s' if card.top > 1 else ''}: {names}", ""


def _raising(card: Card) -> list[Guard]:
    return [guard for guard in card.guards if guard.raises_to and not guard.shadow]


def _triggers(facts: Facts) -> Told:
    card = facts.card
    assert card is not None
    raising = _raising(card)
    shadows = [guard.name for guard in card.guards if guard.raises_to and guard.shadow]
    highest = max((guard.raises_to for guard in raising), default=0)
    if not raising and shadows:
        return (
            False,
            f"all guards that raise are in shadow: {', '.join(shadows)}",
            "Take them out of shadow in a new revision",
        )
    if highest < card.top:
        return False, f"no guard raises beyond level {highest} of {card.top}", f"Have a guard raise to level {card.top}"
    deaf = [guard.name for guard in raising if not _hears(facts, guard)]
    if len(deaf) == len(raising):
        heard = facts.heard.get(deaf[0])
        return (
            False,
            f"no guard that raises has data: {heard.reason if heard else 'not judged yet'}",
            "Send telemetry of it",
        )
    more = f"; without data now: {', '.join(deaf)}" if deaf else ""
    heard_to = max(guard.raises_to for guard in raising if guard.name not in deaf)
    if heard_to < card.top:
        return (
            False,
            f"guards that have data raise to level {heard_to} of {card.top} only{more}",
            "Send telemetry of it",
        )
    raise_ = "guards raise" if len(raising) > 1 else "guard raises"
    return True, f"{len(raising)} {raise_}, up to level {highest}{more}", ""


def _hears(facts: Facts, guard: Guard) -> bool:
    heard = facts.heard.get(guard.name)
    return heard is not None and heard.word != "no_data" and facts.now - heard.at <= RECENT


def _drilled(facts: Facts) -> Told:
    return _by_drill(facts, ("triggered", "acted", "recovered", "no_side_effects"), "triggered, acted and recovered")


def _rolled_back(facts: Facts) -> Told:
    return _by_drill(facts, ("rolled_back",), "was rolled back")


def _by_drill(facts: Facts, wanted: Sequence[str], words: str) -> Told:
    card = facts.card
    assert card is not None
    how = "Drill it, on a backend of its own: trivet drill-backend"
    ask = Ask("/drills", _posted(scenario=facts.name, reason="readiness"))
    lately = [drill for drill in facts.drills if facts.now - drill.at <= timedelta(days=DRILL_DAYS)]
    if not lately:
        return False, f"not drilled in the last {DRILL_DAYS} days", how, ask
    same = [drill for drill in lately if drill.ladder == facts.ladder]
    if not same:
        return False, f"drill {lately[0].id} was of another ladder than the one that governs", how, ask
    # An aborted one says nothing of the ladder; of the others the newest counts, as one that failed is news of it.
    meant = [drill for drill in same if not drill.aborted]
    whole = [drill for drill in meant if len(drill.levels) == card.top]
    newest = next(iter(meant), same[0])
    if not all(newest.facts.get(fact) for fact in wanted):
        return False, f"drill {newest.id}: {newest.outcome}", how, ask
    if not whole:
        return False, f"drill {newest.id} left out levels: it was of {', '.join(map(str, newest.levels))}", how, ask
    if not all(whole[0].facts.get(fact) for fact in wanted):
        return False, f"drill {whole[0].id}: {whole[0].outcome}", how, ask
    return True, f"drill {whole[0].id} {words} on {whole[0].at:%Y-%m-%d}", ""


Check = Callable[[Facts], Told]
CHECKS: tuple[tuple[str, str, Check], ...] = (
    ("card_written", "Card written", _written),
    ("baseline_exists", "Baseline exists", _baseline),
    ("ladder_exists", "Ladder exists", _ladder),
    ("triggers_by_itself", "Triggers by itself", _triggers),
    ("drilled", "Has been drilled", _drilled),
    ("rolled_back", "And rolled back", _rolled_back),
)
