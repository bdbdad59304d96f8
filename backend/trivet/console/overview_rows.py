"""Facts into the overview's rows. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import quote

from trivet.command.models import Command, DesiredState
from trivet.console import format as say
from trivet.console import measures, sentence, story
from trivet.console.address import Address
from trivet.console.queries import Facts, ScenarioFacts
from trivet.console.standing import BROKEN, held
from trivet.console.tongue import _
from trivet.console.triangle import draw
from trivet.console.views import (
    BackendRow,
    Brief,
    BudgetShare,
    CommandRow,
    Event,
    Holding,
    Level,
    Money,
    Policy,
    Reader,
    ScenarioRow,
)
from trivet.fleet.models import Backend
from trivet.guard import probe

LARGE: Final[dict[str, Any]] = {"centre": (102, 101), "radius": 72}
SMALL: Final[dict[str, Any]] = {"centre": (10, 12), "radius": 8.5}
HOLDINGS_MAX: Final = 40


@dataclass(frozen=True, slots=True)
class Around:
    """What every row is made with. `today` and `budgets` are by the scenario's name."""

    facts: Facts
    standings: Mapping[int, sentence.Standing]
    reader: Reader
    address: Address
    today: Mapping[str, tuple[Money, ...]]
    budgets: Mapping[str, BudgetShare]


def full(s: ScenarioFacts, around: Around, *, asked: bool) -> ScenarioRow:
    """A scenario opened out; `asked`: because the address says so."""
    card = s.active.card if s.active else None
    shares = measures.shares(card, s.now)
    brief_ = brief(s, around)
    return ScenarioRow(
        name=s.name,
        title=brief_.title,
        criticality=s.criticality,
        level=brief_.level,
        top_level=card.top if card else 0,
        policy=policy(s),
        triangle=draw(shares, **LARGE),
        glyph=brief_.glyph,
        measures=measures.lines(card, s.now, s.states),
        from_before=s.now.from_before,
        requests_per_s=s.now.requests_per_s,
        series_url=series_url(around.address, s.name),
        can_roll_back_to=s.active.previous_number if s.active else None,
        brief=brief_,
        close_url=around.address.url(open="") if asked else "",
    )


def brief(s: ScenarioFacts, around: Around) -> Brief:
    """A scenario in one line."""
    card, reader = s.active.card if s.active else None, around.reader
    return Brief(
        id=s.id,
        name=s.name,
        title=say.title(s.name),
        criticality=s.criticality,
        level=Level(
            s.proven_level, s.wanted_level, s.since, held(s, around.facts.people, reader.now, reader.zone),
            probed(s.desired),
        ),
        glyph=draw(measures.shares(card, s.now), **SMALL),
        burning=burning(s),
        requests_per_s=s.now.requests_per_s,
        today=around.today.get(s.name, ()),
        budget=around.budgets.get(s.name),
        changed=changed(s, around.facts),
        troubled=sentence.is_troubled(around.standings[s.id]),
        open_url=around.address.url(open=s.name) + f"#brief-{s.id}",
    )  # fmt: skip


def burning(s: ScenarioFacts) -> tuple[str, ...]:
    """Guards that are broken, in words: by their newest verdict, or open and not seen since."""
    names = [name for name, state in s.states.items() if state.verdict in BROKEN and not state.shadow]
    names += [breach.guard for breach in s.open if breach.guard not in names and not breach.shadow]
    return tuple(story.spoken(name) for name in names)


def changed(s: ScenarioFacts, facts: Facts) -> Event | None:
    """What happened to it last: a command, or a guard that broke."""
    events = [story.of_breach(s.open[0], "")[0]] if s.open else []
    if s.last is not None:
        tenant = facts.tenant_names.get(s.last.tenant_id or 0)
        events.append(story.of_command(s.last, "", tenant, story.person(s.last.actor, facts.people)))
    return max(events, key=lambda event: event.at, default=None)


def probed(desired: DesiredState | None) -> str | None:
    """In words, the share of conversations that are at the level below by way of trial; None where nobody is."""
    if desired is None or not desired.arm_share:
        return None
    some = probe.said(desired.arm_share)
    return _("{share} of conversations back at level {n}", share=some, n=desired.arm_level)


def policy(s: ScenarioFacts) -> Policy:
    """What is wanted beside what is proven. Where no backend is in sight, nothing has to be proven."""
    wanted, proven = Policy(s.active.number if s.active else None, s.generation), s.proven_policy
    if not s.present or not s.generation:
        return wanted
    if proven is None:
        return replace(wanted, proven_revision=None, proven_generation=None, settled=False)
    return replace(
        wanted, proven_revision=proven.revision, proven_generation=proven.effective_generation,
        settled=proven.effective_generation >= s.generation,
    )  # fmt: skip


def series_url(address: Address, name: str) -> str:
    """Where a scenario's charts come from: the same stretch of time, none of the filters."""
    path = f"/scenarios/{quote(name, safe='')}/series.json"
    return address.url(path, q="", criticality="", trouble="", open="", all="")


def events(facts: Facts) -> list[Event]:
    """Everything that happened, as the strip tells it."""
    found = [e for b in facts.breaches for e in story.of_breach(b, facts.scenario_names.get(b.scenario_id, ""))]
    for each in facts.commands:
        tenant = facts.tenant_names.get(each.tenant_id or 0)
        who = story.person(each.actor, facts.people)
        found.append(story.of_command(each, facts.scenario_names.get(each.scenario_id, ""), tenant, who))
    return found


def command(each: Command, facts: Facts) -> CommandRow:
    """One line of the command log."""
    return CommandRow(
        id=each.id,
        at=each.created_at,
        what=story.what(each),
        scenario=facts.scenario_names.get(each.scenario_id, ""),
        tenant=facts.tenant_names.get(each.tenant_id or 0),
        generation=each.generation,
        actor=story.person(each.actor, facts.people),
        automatic=story.is_automatic(each.actor),
        reason=story.why(each.actor, each.reason),
        status=each.status,
        status_at=story.status_at(each),
        outcome=each.outcome or "",
    )


def backends(
    facts: Facts, reader: Reader, seen_s: float, limit: int = HOLDINGS_MAX
) -> tuple[tuple[BackendRow, ...], int]:
    """Backends with what they hold, and how many lines of it are left out: where there are more than `limit`, what is
    not yet proven comes first. Only of what is shown more is made than its number.
    """
    serving = [s for s in facts.scenarios if s.active]
    serves = [(backend, at, _served(backend, serving)) for backend, at in facts.backends]
    all_shown = sum(max(len(served), 1) for _, _, served in serves) <= limit
    kept, left, out = [], limit, 0
    for backend, at, served in serves:
        shown: tuple[Holding, ...] = ()
        if left > 0:
            holdings = [_holding(s, facts, backend.id) for s in served]
            shown = tuple(holdings if all_shown else sorted(holdings, key=_unproven_first)[:left])
        if shown or (not served and left > 0):
            present = at is not None and (reader.now - at).total_seconds() <= seen_s
            kept.append(BackendRow(name=backend.name, present=present, polled_at=at, holdings=shown))
        out += len(served) - len(shown)
        left -= len(shown)
    return tuple(kept), out


def _served(backend: Backend, scenarios: Sequence[ScenarioFacts]) -> Sequence[ScenarioFacts]:
    """The scenarios that a backend serves; one that names none serves all."""
    own = frozenset(backend.scenario_ids)
    return [s for s in scenarios if s.id in own] if own else scenarios


def _unproven_first(holding: Holding) -> tuple[bool, bool]:
    return holding.state == "effective", holding.state == "observed"


def _holding(s: ScenarioFacts, facts: Facts, backend_id: int) -> Holding:
    held_ = facts.holdings.get((backend_id, s.id))
    if held_ is None:
        return Holding(s.name, None, s.generation, "missing", None)
    newest = max(held_.observed_generation, held_.effective_generation)
    state = "missing"
    if newest >= s.generation:
        state = "effective" if held_.effective_generation >= s.generation else "observed"
    return Holding(s.name, newest, s.generation, state, held_.level if held_.effective_at else None)
