"""The page of backends: how each learns, what it holds of what it should, and what its engines say."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from trivet.card import service as cards
from trivet.command import learning
from trivet.command import scope as scopes
from trivet.command.models import BackendPoll, PolicyGeneration
from trivet.console.address import Address, Times
from trivet.console.control import backends_words as words
from trivet.console.control import filters
from trivet.console.control.commands_read import among
from trivet.console.control.control_views import BackendRow, BackendsPage, ScenarioHeld
from trivet.console.control.lanes import WIDTH, Band, Lane, Lanes
from trivet.console.tongue import _
from trivet.console.views import Reader
from trivet.fleet.models import Backend
from trivet.kit.body import Asked
from trivet.kit.clock import when
from trivet.report import engines
from trivet.report.engines import Engine
from trivet.settings import get_settings

SHOWN, LANES_MAX, BEHIND_NAMED = 100, 12, 3
WAYS = ("listens", "webhook", "polls", "silent")


class Query(Times):
    """The address of the page of backends. `scenario`: those that serve it, and what they hold of it alone."""

    scenario: Asked = ""
    learns: Annotated[Literal["", "listens", "webhook", "polls", "silent"], among(*WAYS)] = ""


@dataclass(frozen=True, slots=True)
class Held:
    """One backend and what it holds of each scenario it serves."""

    name: str
    learns: str
    seen_at: datetime | None
    scenarios: tuple[ScenarioHeld, ...]
    engine: Engine | None

    @property
    def behind(self) -> tuple[ScenarioHeld, ...]:
        return tuple(each for each in self.scenarios if not each.current)


def read(session: Session, query: Query, now: datetime) -> list[Held]:
    """Backends seen last first, at most `SHOWN`, as page and file have them."""
    names = {card.scenario_id: card.scenario for card in cards.active(session).values()}
    names = {id_: name for id_, name in names.items() if query.scenario in ("", name)}
    ways = learning.how(session, now, get_settings().backend_seen_s)
    wanted = dict(session.execute(select(PolicyGeneration.scenario_id, PolicyGeneration.generation)).all())
    asked = (
        select(Backend, BackendPoll.polled_at)
        .outerjoin(BackendPoll, BackendPoll.backend_id == Backend.id)
        .order_by(BackendPoll.polled_at.desc().nulls_last(), Backend.name)
        .limit(SHOWN)
    )
    held = scopes.holdings(session, list(names))
    told = {engine.backend: engine for engine in engines.engines(session, now)}
    found = []
    for row, seen_at in session.execute(asked):
        served = [id_ for id_ in names if not row.scenario_ids or id_ in row.scenario_ids]
        one = tuple(
            _held(names[id_], held.get((row.id, id_)), wanted.get(id_, 0))
            for id_ in sorted(served, key=lambda i: names[i])
        )
        way = ways.get(row.id, "silent")
        if query.learns in ("", way) and (served or not query.scenario):
            found.append(Held(row.name, way, seen_at, one, told.get(row.name)))
    return found


def page(session: Session, looking: Reader, query: Query, address: Address) -> BackendsPage:
    """The page, and the picture of what is held."""
    found = read(session, query, looking.now)
    there = [each for each in found if each.learns != "silent"]
    total = session.scalar(select(func.count()).select_from(Backend)) or 0
    listed = sorted(card.scenario for card in cards.active(session).values())
    fields = (
        filters.field("scenario", _("scenario"), [(name, name) for name in listed], query.scenario),
        filters.field("learns", _("learns"), [(way, _(words.WAYS[way])) for way in WAYS], query.learns),
    )
    return BackendsPage(
        reader=looking,
        address=address,
        sentence=words.sentence([each.learns for each in found], sum(1 for each in there if each.behind)),
        live_url=address.url(),
        kept=(),
        fields=fields,
        chips=filters.chips(address, {"scenario": _("scenario"), "learns": _("learns")}),
        picture=_picture(there),
        backends=tuple(map(_row, found)),
        left_out=max(0, total - SHOWN),
    )


def _held(scenario: str, holding: scopes.Held | None, wanted: int) -> ScenarioHeld:
    has = max(holding.observed_generation, holding.effective_generation) if holding else -1
    return ScenarioHeld(scenario, max(has, 0), wanted, holding.level if holding else 0, has >= wanted)


def _picture(found: list[Held]) -> Lanes:
    lanes = tuple(_lane(each) for each in found[:LANES_MAX] if each.scenarios)
    return Lanes(lanes, ("0 %", "25 %", "50 %", "75 %", "100 %"), max(0, len(found) - LANES_MAX))


def _lane(each: Held) -> Lane:
    """Solid as far as it holds what it should, hollow for the rest."""
    whole = len(each.scenarios)
    has = whole - len(each.behind)
    x = round(WIDTH * has / whole, 2)
    solid = Band(0, x, "held", words.holds(has, whole))
    hollow = Band(x, round(WIDTH - x, 2), "wanted", words.lacks([one.scenario for one in each.behind]))
    return Lane(each.name, "", words.holds(has, whole), tuple(band for band in (solid, hollow) if band.width))


def _row(each: Held) -> BackendRow:
    engine = each.engine
    return BackendRow(
        name=each.name,
        learns=_(words.WAYS[each.learns]),
        words=_(words.WHEN[each.learns]),
        mark={"listens": "effective", "silent": "missing"}.get(each.learns, "observed"),
        seen_at=each.seen_at,
        current=len(each.scenarios) - len(each.behind),
        scenarios=len(each.scenarios),
        behind=each.behind[:BEHIND_NAMED],
        behind_more=max(0, len(each.behind) - BEHIND_NAMED),
        level=_highest(each.scenarios),
        running=engine.running if engine else None,
        waiting=engine.waiting if engine else None,
        kv=engine.kv_cache_usage if engine else None,
    )


def _highest(held: Iterable[ScenarioHeld]) -> int | None:
    """The highest level that it was proven to run at; None where it serves nothing."""
    return max((each.level for each in held), default=None)


def lines(found: Iterable[Held]) -> list[tuple[object, ...]]:
    """A row for each scenario of each backend, as the file has them."""
    return [
        (
            each.name,
            each.learns,
            when(each.seen_at),
            one.scenario,
            one.held,
            one.wanted,
            one.level,
            *_engine(each.engine),
        )
        for each in found
        for one in each.scenarios
    ]


def _engine(engine: Engine | None) -> tuple[object, ...]:
    return (engine.running, engine.waiting, engine.kv_cache_usage) if engine else (None, None, None)
