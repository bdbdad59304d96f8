"""What the overview reads, in one transaction and a bounded number of statements; numbers come from the same functions
as the API's. Nothing here decides how it is shown.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, func, or_, select, true, tuple_
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session, aliased

from trivet.archive.facts import NotKept
from trivet.card import service as cards
from trivet.card.service import ActiveCard
from trivet.command import scope as scopes
from trivet.command.models import BackendPoll, Command, DesiredState, PolicyGeneration
from trivet.console.lately import AHEAD_S, BUCKET_S, lately
from trivet.console.measures import Now
from trivet.console.tongue import _
from trivet.fleet.models import Backend
from trivet.guard import service as guards
from trivet.guard.models import Breach, GuardState, LadderState
from trivet.identity.approval import KEY
from trivet.identity.models import User
from trivet.kit.clock import floor
from trivet.kit.interval import Interval
from trivet.pricing.models import Model
from trivet.rollup import read
from trivet.tenant.models import Scenario, Tenant

SCENARIOS_MAX = 250
BACKENDS_MAX = 50
COMMANDS_MAX = 15
BREACHES_MAX = 10
MODELS_NAMED = 5
COMPARED_MIN = 400  # requests on each side before a cost is compared: fewer differ by the mix of their lengths alone
AWAY_AFTER = timedelta(days=1)
LEFT_TOLD = timedelta(hours=1)  # after a roll back, also one that took long to be proven
FLOOR = "quality-floor"
Cause = tuple[Command | None, Breach | None]
NO_CAUSE: Cause = (None, None)
CRITICAL_FIRST = ("core", "auxiliary", "experimental")


@dataclass(frozen=True, slots=True)
class ScenarioFacts:
    """One scenario as it stands."""

    id: int
    name: str
    criticality: str
    active: ActiveCard | None
    generation: int
    ladder: LadderState | None
    desired: DesiredState | None
    states: Mapping[str, GuardState]
    now: Now
    proven_by: Command | None  # the command that brought it to its proven level
    because_of: Breach | None
    present: tuple[scopes.Held | None, ...]  # what each backend in sight was seen to hold, None for nothing
    open: tuple[Breach, ...] = ()  # of the card that governs
    turned: Command | None = None  # the newest that changed its revision
    left: Breach | None = None  # of the revision that was left by a roll back
    last: Command | None = None  # the newest of all that concern it

    @property
    def wanted_level(self) -> int:
        """The level that should hold for everyone."""
        return self.desired.level if self.desired else 0

    @property
    def proven_level(self) -> int:
        """The level that telemetry proves. Where a share of conversations is on its way back, that of the others."""
        level, wanted = proven_level(self.present), self.desired
        return wanted.level if wanted and wanted.arm_share and level == wanted.arm_level else level

    @property
    def proven_policy(self) -> scopes.Held | None:
        """What the backend furthest behind was proven to hold; None while nothing is proven of one."""
        proven = [held for held in self.present if held is not None and held.effective_at is not None]
        return min(proven, key=lambda held: held.effective_generation) if len(proven) == len(self.present) > 0 else None

    @property
    def since(self) -> datetime | None:
        """Since when it is at its proven level."""
        if self.proven_by is not None:
            return self.proven_by.effective_at or self.proven_by.created_at
        return self.ladder.since if self.ladder and not self.proven_level and not self.wanted_level else None


def proven_level(present: Iterable[scopes.Held | None]) -> int:
    """The level that telemetry proves of the backend furthest behind; 0 while nothing is proven."""
    proven = [held for held in present if held is not None and held.effective_at is not None]
    return min(proven, key=lambda held: (held.effective_generation, held.effective_at)).level if proven else 0


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything but money."""

    scenarios: tuple[ScenarioFacts, ...]
    breaches: tuple[Breach, ...]
    commands: tuple[Command, ...]
    backends: tuple[tuple[Backend, datetime | None], ...]
    holdings: Mapping[tuple[int, int], scopes.Held]
    scenario_names: Mapping[int, str]
    tenant_names: Mapping[int, str]
    people: Mapping[str, str]
    scenarios_left_out: int


def load(session: Session, now: datetime, seen_s: float) -> Facts:
    """The facts at `now`."""
    scenarios = _scenarios(session)
    ids = [s.id for s in scenarios]
    commands = tuple(session.scalars(select(Command).order_by(Command.id.desc()).limit(COMMANDS_MAX)))
    breaches = tuple(session.scalars(select(Breach).order_by(Breach.id.desc()).limit(BREACHES_MAX)))
    holdings = scopes.held_alike(session, ids)
    facts = _facts(session, scenarios, holdings, now, seen_s)
    return Facts(
        scenarios=facts,
        breaches=breaches,
        commands=commands,
        backends=_backends(session, now),
        holdings=holdings,
        scenario_names={s.id: s.name for s in scenarios},
        tenant_names=_tenants(session, {c.tenant_id for c in commands if c.tenant_id}),
        people=_people(session, _actors(facts, commands)),
        scenarios_left_out=_left_out(session, len(scenarios)),
    )


def _actors(scenarios: Iterable[ScenarioFacts], commands: Iterable[Command]) -> set[str]:
    """Everybody the page names."""
    actors = {c.actor for c in commands}
    for s in scenarios:
        actors |= {c.actor for c in (s.proven_by, s.turned, s.last) if c is not None}
        actors |= {s.ladder.held_by} if s.ladder and s.ladder.held_by else set()
    return actors


def _scenarios(session: Session) -> list[Scenario]:
    found = session.scalars(
        select(Scenario).order_by(Scenario.registered_at.is_(None), Scenario.id).limit(SCENARIOS_MAX)
    )
    return sorted(found, key=lambda s: (s.registered_at is None, CRITICAL_FIRST.index(s.criticality), s.id))


def _left_out(session: Session, shown: int) -> int:
    """How many scenarios the page has no room for."""
    return (session.scalar(select(func.count(Scenario.id))) or 0) - shown if shown == SCENARIOS_MAX else 0


def _facts(
    session: Session, scenarios: list[Scenario], holdings: scopes.Holdings, now: datetime, seen_s: float
) -> tuple[ScenarioFacts, ...]:
    ids = [s.id for s in scenarios]
    active = cards.active(session, ids)
    ladders = {
        row.scenario_id: row
        for row in session.scalars(select(LadderState).where(read.one_of(LadderState.scenario_id, ids)))
    }
    everyone = select(DesiredState).where(
        read.one_of(DesiredState.scenario_id, ids), DesiredState.tenant_id == 0, DesiredState.backend_id == 0
    )
    desired = {row.scenario_id: row for row in session.scalars(everyone)}
    counters = select(PolicyGeneration.scenario_id, PolicyGeneration.generation)
    generations = dict(session.execute(counters.where(read.one_of(PolicyGeneration.scenario_id, ids))).all())
    states: dict[int, dict[str, GuardState]] = {id_: {} for id_ in ids}
    for state in session.scalars(select(GuardState).where(read.one_of(GuardState.scenario_id, ids))):
        states[state.scenario_id][state.guard] = state
    measured = lately(session, active, ladders, ids, now)
    there = scopes.present(session, now, seen_s)
    present = {id_: tuple(holdings.get((b.id, id_)) for b in there if b.takes(id_, None)) for id_ in ids}
    causes = _causes(session, {id_: proven_level(present[id_]) for id_ in ids})
    opened = _open(session, active)
    turned, last = _turned(session, ids), _last(session, ids)
    left = _left(session, [c for c in turned.values() if c.kind == "rollback" and now - c.created_at <= LEFT_TOLD])
    return tuple(
        ScenarioFacts(
            id=s.id, name=s.name, criticality=s.criticality, active=active.get(s.id), generation=generations.get(s.id, 0),
            ladder=ladders.get(s.id), desired=desired.get(s.id), states=states[s.id], now=measured[s.id],
            proven_by=causes.get(s.id, NO_CAUSE)[0], because_of=causes.get(s.id, NO_CAUSE)[1], present=present[s.id],
            open=opened.get(s.id, ()), turned=turned.get(s.id), left=left.get(s.id), last=last.get(s.id),
        )
        for s in scenarios
    )  # fmt: skip


def _open(session: Session, active: Mapping[int, ActiveCard]) -> dict[int, tuple[Breach, ...]]:
    """Open breaches of the revisions that govern, newest first."""
    found: dict[int, tuple[Breach, ...]] = {}
    for breach in guards.open_breaches(session, list(active)):
        if breach.revision == active[breach.scenario_id].number:
            found[breach.scenario_id] = (*found.get(breach.scenario_id, ()), breach)
    return found


def _turned(session: Session, ids: list[int]) -> dict[int, Command]:
    """The newest command of each scenario that changed its revision."""
    of_kind = select(func.max(Command.id)).where(Command.kind.in_(("activate", "rollback")))
    newest = of_kind.where(read.one_of(Command.scenario_id, ids)).group_by(Command.scenario_id)
    query = select(Command).where(Command.id.in_(newest))
    return {command.scenario_id: command for command in session.scalars(query)}


def _last(session: Session, ids: list[int]) -> dict[int, Command]:
    """The newest command of each scenario: one look into an index each, however many commands there ever were."""
    each = aliased(Command)
    newest = select(each.id).where(each.scenario_id == Scenario.id).order_by(each.generation.desc()).limit(1).lateral()
    query = select(Command).select_from(Scenario).join(newest, true()).join(Command, Command.id == newest.c.id)
    found = session.scalars(query.where(read.one_of(Scenario.id, ids)))
    return {command.scenario_id: command for command in found}


def _left(session: Session, turned: list[Command]) -> dict[int, Breach]:
    """The breach under the revision that a roll back of a moment ago left: the one that caused it, else one open then."""
    named = breaches_of(session, {c.breach_id for c in turned if c.breach_id})
    found = {c.scenario_id: named[c.breach_id] for c in turned if c.breach_id in named}
    then = and_(
        Breach.scenario_id == Command.scenario_id,
        Breach.revision != Command.revision,
        Breach.opened_at <= Command.created_at,
        or_(Breach.closed_at.is_(None), Breach.closed_at >= Command.created_at),
    )
    query = select(Breach).join(Command, then).where(Command.id.in_([c.id for c in turned if c.breach_id is None]))
    query = query.ext(distinct_on(Breach.scenario_id))
    for breach in session.scalars(query.order_by(Breach.scenario_id, Breach.guard != FLOOR, Breach.id.desc())):
        found[breach.scenario_id] = breach
    return found


def breaches_of(session: Session, ids: Iterable[int]) -> dict[int, Breach]:
    """Breaches by id."""
    wanted = list(ids)
    return {b.id: b for b in session.scalars(select(Breach).where(Breach.id.in_(wanted)))} if wanted else {}


def _backends(session: Session, now: datetime) -> tuple[tuple[Backend, datetime | None], ...]:
    """Registered backends, and others that asked within a day."""
    query = (
        select(Backend, BackendPoll.polled_at)
        .outerjoin(BackendPoll, BackendPoll.backend_id == Backend.id)
        .where(or_(Backend.registered_at.is_not(None), BackendPoll.polled_at > now - AWAY_AFTER))
        .order_by(Backend.name)
        .limit(BACKENDS_MAX)
    )
    return tuple((backend, at) for backend, at in session.execute(query))


def _tenants(session: Session, ids: set[int]) -> dict[int, str]:
    return dict(session.execute(select(Tenant.id, Tenant.name).where(Tenant.id.in_(ids))).all()) if ids else {}


def _people(session: Session, actors: set[str]) -> dict[str, str]:
    """Names of people by address, and keys in words."""
    named = dict(session.execute(select(User.email, User.name).where(User.email.in_(actors))).all())
    return named | {
        actor: _("The key {name}", name=actor.removeprefix(KEY)) for actor in actors if actor.startswith(KEY)
    }


def _causes(session: Session, levels: Mapping[int, int]) -> dict[int, Cause]:
    """Of each scenario above level 0, the newest command that asked for its level for everyone, and the breach behind it."""
    above = [(id_, level) for id_, level in levels.items() if level]
    if not above:
        return {}
    query = select(Command).where(tuple_(Command.scenario_id, Command.level).in_(above))
    everyone = query.where(Command.tenant_id.is_(None), Command.backend_id.is_(None)).ext(
        distinct_on(Command.scenario_id)
    )
    found = list(session.scalars(everyone.order_by(Command.scenario_id, Command.id.desc())))
    named = breaches_of(session, {c.breach_id for c in found if c.breach_id})
    return {c.scenario_id: (c, named.get(c.breach_id or 0)) for c in found}


def cost_change(session: Session, scenario: ScenarioFacts, now: datetime) -> float | None:
    """Cost of a request at the present level against the hour before it at level 0, as a fraction; None where unknown."""
    if scenario.active is None or scenario.since is None or not scenario.proven_level:
        return None
    currency = scenario.active.card.cost.currency
    since = floor(scenario.since, BUCKET_S)
    end = floor(now, BUCKET_S) + timedelta(seconds=AHEAD_S)
    before = _priced(session, scenario.id, currency, 0, Interval(since - timedelta(hours=1), since))
    after = _priced(session, scenario.id, currency, scenario.proven_level, Interval(since, end))
    if before is None or after is None or before == 0:
        return None
    return after / before - 1


def _priced(session: Session, scenario_id: int, currency: str, level: int, interval: Interval) -> float | None:
    where: dict[str, list[int | str]] = {"scenario_id": [scenario_id], "currency": [currency], "level": [level]}
    try:
        usage = read.usage(session, interval, ["scenario_id"], where).get((scenario_id,))
    except NotKept:  # the level has held for longer than fine rollups are kept
        return None
    if usage is None:
        return None
    requests = usage.served - usage.unpriced_requests
    return float(usage.cost) / requests if requests >= COMPARED_MIN else None


def unpriced_today(session: Session, now: datetime) -> tuple[int, tuple[str, ...]]:
    """Requests of the UTC day that no price was found for, and the models they went to, most requests first."""
    found = read.counts(session, today(now), ["model_id"], ["unpriced_requests"])
    gaps = sorted(((count, id_) for (id_,), (count,) in found.items() if count), reverse=True)
    ids = [id_ for _, id_ in gaps[:MODELS_NAMED]]
    names = dict(session.execute(select(Model.id, Model.name).where(Model.id.in_(ids))).all()) if ids else {}
    return sum(count for count, _ in gaps), tuple(names.get(id_, "unnamed") for id_ in ids)


def today(now: datetime) -> Interval:
    """The UTC day of `now` up to the running bucket."""
    return Interval(floor(now, 86_400), floor(now, BUCKET_S) + timedelta(seconds=AHEAD_S))


def scenario_id(session: Session, name: str) -> int | None:
    """Id of a scenario by name."""
    return session.scalar(select(Scenario.id).where(Scenario.name == name))


def commands_within(session: Session, scenario: int, interval: Interval) -> list[Command]:
    """Commands of one scenario given in an interval, oldest first: the flags of its charts."""
    query = (
        select(Command)
        .where(Command.scenario_id == scenario, Command.created_at >= interval.start, Command.created_at < interval.end)
        .order_by(Command.id.desc())
        .limit(100)
    )
    return list(session.scalars(query))[::-1]
