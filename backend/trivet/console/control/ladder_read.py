"""The page of ladders: where each stands, how it came there, and why; bounded however many scenarios there are."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Annotated

from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet.command import proven
from trivet.command.models import Command
from trivet.console import format as say
from trivet.console import story
from trivet.console.address import Address, Times, number_after
from trivet.console.control import filters, ladder_picture, ladder_words
from trivet.console.control.control_views import AtLevel, LadderPage, MoveRow
from trivet.console.control.ladder_picture import Course, Flag, Trial
from trivet.console.control.lanes import Lanes, Scale
from trivet.console.tongue import _
from trivet.console.views import Reader
from trivet.guard import moved
from trivet.guard.models import Breach, LadderMove, LadderState
from trivet.identity.models import User
from trivet.kit.body import Asked
from trivet.kit.interval import Interval
from trivet.kit.page import to_cursor
from trivet.tenant.models import Scenario

SHOWN, LANES_MAX, SCENARIOS_MAX = 50, 12, 1_000
CHANGES_MAX, FLAGS_MAX = 2_000, 300  # of all lanes together, the newest
RANGES = ("1h", "6h", "24h", "7d", "30d")


class Query(Times):
    """The address of the page of ladders."""

    scenario: Asked = ""
    cursor: Annotated[str, Field(max_length=40)] = ""


def page(session: Session, looking: Reader, query: Query, address: Address) -> LadderPage:
    """Scenarios that moved last come first; those that stand above level 0 are never left out before others."""
    interval = address.interval
    states = {row.scenario_id: row for row in session.scalars(select(LadderState).limit(SCENARIOS_MAX))}
    names = dict(session.execute(select(Scenario.id, Scenario.name).limit(SCENARIOS_MAX)).all())
    counts = dict(moved.most_lately(session, interval, SCENARIOS_MAX))
    order = _order(states, names, counts, query.scenario)
    shown = order[:LANES_MAX]
    courses = _courses(session, shown, names, looking, address)
    rows = moved.newest(
        session, interval, scenario=query.scenario, limit=SHOWN + 1, before_id=number_after(query.cursor)
    )
    people = _people(session, [row for row, _name in rows])
    end = min(interval.end, looking.now)
    stays = {id_: ladder_picture.stays(courses[id_].proven, end) for id_ in shown}
    away = [(names[id_], row.level, row.since) for id_, row in states.items() if row.level and id_ in names]
    return LadderPage(
        reader=looking,
        address=address,
        sentence=ladder_words.sentence(
            away, len(names), {names[id_]: stay for id_, stay in stays.items()}, looking.now, looking.zone
        ),
        live_url=address.url(),
        kept=filters.kept(address),
        fields=(filters.field("scenario", _("scenario"), [(n, n) for n in sorted(names.values())], query.scenario),),
        chips=filters.chips(address, {"scenario": _("scenario")}),
        picture=Lanes(
            tuple(ladder_picture.lane(courses[id_], Scale(interval, looking.zone), looking.now) for id_ in shown),
            Scale(interval, looking.zone).ticks,
        ),
        standing=tuple(_standing(names[id_], states.get(id_), stays[id_], counts.get(id_, 0)) for id_ in shown),
        left_out=len(order) - len(shown),
        moves=tuple(_move(row, name, people) for row, name in rows[:SHOWN]),
        next_url=address.url(cursor=to_cursor([rows[SHOWN - 1][0].id])) if len(rows) > SHOWN else "",
    )


def _order(
    states: Mapping[int, LadderState], names: Mapping[int, str], counts: Mapping[int, int], scenario: str
) -> list[int]:
    """Above level 0 first, then those that moved (the latest first, as `counts` has them), then by name."""
    place = {id_: number for number, id_ in enumerate(counts)}
    wanted = [id_ for id_, name in names.items() if not scenario or name == scenario]
    level = {id_: row.level for id_, row in states.items()}
    return sorted(wanted, key=lambda id_: (-level.get(id_, 0), place.get(id_, len(place)), names[id_]))


def _standing(name: str, state: LadderState | None, stay: dict[int, float], count: int) -> AtLevel:
    words = ladder_picture.in_words(stay)
    level, since, reason = (state.level, state.since, state.reason) if state else (0, None, "")
    return AtLevel(name, level, since, reason, words, count)


def _courses(
    session: Session, ids: Collection[int], names: Mapping[int, str], looking: Reader, address: Address
) -> dict[int, Course]:
    interval = address.interval
    held = proven.steps(session, ids, interval, CHANGES_MAX)
    stood, moves = moved.stood(session, ids, interval.start), moved.of(session, ids, interval, CHANGES_MAX)
    flags = _flags(session, ids, interval)
    end = min(interval.end, looking.now)
    found = {}
    for id_ in ids:
        own = [row for row in moves if row.scenario_id == id_]
        wanted = [(interval.start, stood.get(id_, 0)), *((row.at, row.level_to) for row in own)]
        url = address.url(scenario=names[id_], cursor="")
        found[id_] = Course(names[id_], url, held[id_], wanted, trials(own, end), flags.get(id_, ()))
    return found


def trials(moves: Sequence[LadderMove], end: datetime) -> list[Trial]:
    """Shares of conversations that were at the level below, from each move to the next."""
    until = [*(row.at for row in moves[1:]), end][: len(moves)]
    return [
        Trial(row.at, after, row.share_to, max(row.level_to - 1, 0))
        for row, after in zip(moves, until, strict=True)
        if row.share_to and after > row.at
    ]


def _flags(session: Session, ids: Collection[int], interval: Interval) -> dict[int, list[Flag]]:
    within = Command.created_at >= interval.start, Command.created_at < interval.end
    commands = select(Command).where(Command.scenario_id.in_(ids), *within, Command.share.is_(None))
    breaches = select(Breach).where(Breach.scenario_id.in_(ids), Breach.shadow.is_(False))
    breaches = breaches.where(Breach.opened_at >= interval.start, Breach.opened_at < interval.end)
    found: dict[int, list[Flag]] = {}
    for row in session.scalars(commands.order_by(Command.id.desc()).limit(FLAGS_MAX)):
        flag = Flag(row.created_at, row.effective_at is not None, ladder_words.of_command(row), f"/commands/{row.id}")
        found.setdefault(row.scenario_id, []).append(flag)
    for breach in session.scalars(breaches.order_by(Breach.id.desc()).limit(FLAGS_MAX)):
        says = _("{guard} broke", guard=story.spoken(breach.guard))
        flag = Flag(breach.opened_at, True, says, f"/breaches/{breach.id}", breach=True)
        found.setdefault(breach.scenario_id, []).append(flag)
    return found


def _people(session: Session, rows: Sequence[LadderMove]) -> dict[str, str]:
    actors = {row.actor for row in rows}
    return dict(session.execute(select(User.email, User.name).where(User.email.in_(actors))).all())


def _move(row: LadderMove, scenario: str, people: Mapping[str, str]) -> MoveRow:
    share = say.share(row.share_to) if row.share_to else ""
    what = ladder_words.move(row.level_from, row.level_to, share)
    by, why = ladder_words.who(row.actor, people), story.why(row.actor, row.reason)
    return MoveRow(row.id, scenario, row.at, what, row.level_to, by, why, row.breach_id)
