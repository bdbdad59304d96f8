"""The page of breaches: open ones first, then those before, with what each caused and who carries it."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet.card import service as cards
from trivet.card.service import ActiveCard
from trivet.command.models import Command
from trivet.console import story
from trivet.console.address import Address, Times, key_after
from trivet.console.control import commands_words, filters
from trivet.console.control.commands_read import among
from trivet.console.control.lanes import Band, Dot, Lane, Lanes, Scale
from trivet.console.evidence import breach_words
from trivet.console.evidence import breaches_words as words
from trivet.console.evidence.breaches_views import BreachesPage, BreachRow
from trivet.console.tongue import N_, _
from trivet.console.views import Reader
from trivet.evidence import breach_list
from trivet.evidence.breach_list import Listed, Wanted
from trivet.guard.models import Breach
from trivet.guard.telling import again
from trivet.kit.body import Asked
from trivet.kit.page import INT8, to_cursor
from trivet.tenant.models import Scenario

SHOWN, LANES_MAX, DRAWN_MAX, GUARDS_MAX = 20, 12, 600, 100
CARRIERS_A_LOOK = 3  # not known yet that one answer looks for; the page asks for the others one by one
SEVERITIES = {"page": N_("page"), "ticket": N_("ticket"), "info": N_("info")}
STATES = {"open": N_("open"), "closed": N_("over")}
NAMED = {
    "scenario": N_("scenario"), "guard": N_("guard"), "state": N_("state"), "severity": N_("severity"),
    "shadow": N_("in shadow"),
}  # fmt: skip


class Query(Times):
    """The address of the page of breaches."""

    scenario: Asked = ""
    guard: Asked = ""
    state: Annotated[Literal["", "open", "closed"], among(*STATES)] = ""
    severity: Annotated[Literal["", "page", "ticket", "info"], among(*SEVERITIES)] = ""
    shadow: Annotated[Literal["", "yes"], among("yes")] = ""
    cursor: Annotated[str, Field(max_length=40)] = ""


def wanted(query: Query, address: Address) -> Wanted:
    """The address as the list of breaches takes it."""
    shadow = query.shadow == "yes"
    return Wanted(query.scenario, query.guard, query.state, query.severity, shadow, address.interval)


def page(session: Session, looking: Reader, query: Query, address: Address) -> BreachesPage:
    """One page of the list, and the picture of the range."""
    asked, now = wanted(query, address), looking.now
    rows = breach_list.newest(session, asked, limit=SHOWN + 1, after=_after(query.cursor))
    shown = rows[:SHOWN]
    open_, over = breach_list.counts(session, asked)
    governing = cards.active(session, {each.breach.scenario_id for each in shown})
    look(session, shown, now)
    first = shown[0] if shown and shown[0].breach.closed_at is None and not query.cursor else None
    last = shown[-1].breach if shown else None
    return BreachesPage(
        reader=looking,
        address=address,
        sentence=words.sentence(open_, over, _first(first), now, looking.zone),
        live_url=address.url(),
        kept=filters.kept(address),
        fields=_fields(session, query),
        chips=filters.chips(address, {name: _(said) for name, said in NAMED.items()}),
        picture=picture(session, asked, open_ + over, looking, address),
        rows=tuple(_row(each, governing, now) for each in shown),
        next_url=address.url(cursor=_cursor(last)) if last and len(rows) > SHOWN else "",
    )


def look(session: Session, shown: Iterable[Listed], now: datetime) -> None:
    """Look who carries some of those that are not known yet, the open ones first."""
    unknown = [each.breach.id for each in shown if not breach_list.known(each.breach.id, now)[0]]
    for id_ in unknown[:CARRIERS_A_LOOK]:
        breach_list.carrier(session, id_, now)


def picture(session: Session, asked: Wanted, total: int, looking: Reader, address: Address) -> Lanes:
    """A lane a scenario: bands from when to when, dots where a command was given for one. What has no band is counted."""
    scale = Scale(address.interval, looking.zone)
    found = breach_list.drawn(session, asked, DRAWN_MAX)
    by_scenario: dict[str, list[Breach]] = {}
    for breach, name in found:
        by_scenario.setdefault(name, []).append(breach)
    shown = list(by_scenario)[:LANES_MAX]
    ids = {by_scenario[name][0].scenario_id for name in shown}
    commands = _commands(session, ids, address)
    lanes = tuple(
        Lane(
            name, address.url(scenario=name, cursor=""), "",
            tuple(_band(each, scale, looking) for each in by_scenario[name]),
            dots=tuple(_dot(each, scale) for each in commands if each.scenario_id == by_scenario[name][0].scenario_id),
        )
        for name in shown
    )  # fmt: skip
    return Lanes(lanes, scale.ticks, total - sum(len(by_scenario[name]) for name in shown))


def _band(breach: Breach, scale: Scale, looking: Reader) -> Band:
    until = breach.closed_at or looking.now
    x, width = scale.band(breach.opened_at, until)
    style = "shadow" if breach.shadow else "over" if breach.closed_at else "open"
    at = commands_words.span((until - breach.opened_at).total_seconds())
    guard = story.spoken(breach.guard)
    says = (
        _("{guard}, {span}", guard=guard, span=at)
        if breach.closed_at
        else _("{guard}, open for {span}", guard=guard, span=at)
    )
    return Band(x, width, style, says, url=f"/breaches/{breach.id}")


def _dot(command: Command, scale: Scale) -> Dot:
    says = _("{what}, {state}", what=commands_words.what(command), state=_(command.status))
    return Dot(scale.x(command.created_at), 8, command.effective_at is not None, says, f"/commands/{command.id}")


def _commands(session: Session, ids: set[int], address: Address) -> Sequence[Command]:
    within = Command.created_at >= address.interval.start, Command.created_at < address.interval.end
    query = select(Command).where(Command.scenario_id.in_(ids), Command.breach_id.is_not(None), *within)
    return session.scalars(query.order_by(Command.id.desc()).limit(DRAWN_MAX)).all()


def _fields(session: Session, query: Query) -> tuple[filters.Field, ...]:
    names = sorted(session.scalars(select(Scenario.name).limit(filters.LISTED_MAX)))
    guards = [(name, story.spoken(name)) for name in breach_list.guards(session, GUARDS_MAX)]
    return (
        filters.field("scenario", _(NAMED["scenario"]), [(name, name) for name in names], query.scenario),
        filters.field("guard", _(NAMED["guard"]), guards, query.guard),
        filters.field("state", _(NAMED["state"]), [(key, _(said)) for key, said in STATES.items()], query.state),
        filters.field("severity", _(NAMED["severity"]), [(key, _(said)) for key, said in SEVERITIES.items()], query.severity),
        filters.field("shadow", _(NAMED["shadow"]), [("yes", _("only"))], query.shadow),
    )  # fmt: skip


def _first(first: Listed | None) -> tuple[str, str, datetime, str] | None:
    if first is None:
        return None
    return story.spoken(first.breach.guard), first.scenario, first.breach.opened_at, story.heard(first.breach.reason)


def _row(each: Listed, governing: Mapping[int, ActiveCard], now: datetime) -> BreachRow:
    breach, command = each.breach, each.command
    worst = breach.value if breach.worst_value is None else breach.worst_value
    metric, currency = _metric(breach, governing)
    return BreachRow(
        id=breach.id,
        scenario=each.scenario,
        guard=story.spoken(breach.guard),
        severity=_(SEVERITIES[each.severity]) if each.severity in SEVERITIES else "",
        worst=breach_words.value(metric, worst, currency),
        exact="" if worst is None else str(Decimal(repr(worst))),
        threshold=breach_words.value(metric, breach.threshold, currency),
        opened_at=breach.opened_at,
        closed_at=breach.closed_at,
        end=again(breach.closed_reason or "", _),
        reason=again(breach.reason, _),
        command=commands_words.what(command) if command else "",
        command_id=command.id if command else None,
        command_status=command.status if command else "",
        times=words.took(breach.opened_at, command, each.times),
        outcome=words.outcome(each.times),
        carried=words.carried(*breach_list.known(breach.id, now)),
    )


def _metric(breach: Breach, governing: Mapping[int, ActiveCard]) -> tuple[str, str]:
    """The metric of its guard and the currency; "" where the card that governs has no such guard any more: a bare number."""
    active = governing.get(breach.scenario_id)
    found = next((guard.metric for guard in active.card.guards if guard.name == breach.guard), "") if active else ""
    return found, active.card.cost.currency if active else "USD"


def _cursor(breach: Breach) -> str:
    return to_cursor([int(breach.closed_at is not None), breach.id])


def _after(cursor: str) -> tuple[bool, int] | None:
    found = key_after(cursor, range(2), INT8)
    return (bool(found[0]), found[1]) if found else None
