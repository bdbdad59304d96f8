"""Reads the buckets that a card is simulated over, and what the scenario's ladder really did meanwhile."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from trivet.archive import facts
from trivet.card.content import Card
from trivet.guard import burn
from trivet.guard.models import LadderMove, LadderState
from trivet.guard.past import DAY_S, HOUR_S, Past
from trivet.guard.simulate import Simulated, simulate
from trivet.guard.window import Slice
from trivet.kit.clock import floor
from trivet.kit.errors import Invalid
from trivet.kit.interval import Interval
from trivet.rollup import read
from trivet.rollup.models import GRAINS_S, ROLLUPS

DAYS = 7
MINUTE_S = 60
ROWS_MAX = 250_000  # of a rollup, of all scenarios, that are looked through; beyond, a coarser one is read
MOVES_MAX = 2_000


@dataclass(frozen=True, slots=True)
class Held:
    """The level that the scenario's ladder really held from an instant on."""

    at: datetime
    level: int


@dataclass(frozen=True, slots=True)
class Beside:
    """A simulation and what really happened in the same time, oldest first."""

    run: Simulated
    held: tuple[Held, ...]


def over_past(
    session: Session, scenario_id: int, card: Card, now: datetime, *, since: datetime | None = None,
    until: datetime | None = None,
) -> Beside:  # fmt: skip
    """A card over the last seven days, or a part of them."""
    asked = _interval(now, since, until)
    finest = _grain(session, asked)
    for grain_s in GRAINS_S[GRAINS_S.index(finest) :]:
        run = _over(session, scenario_id, card, asked, grain_s)
        if run.complete or grain_s == MINUTE_S:
            break
    return Beside(run, _held(session, scenario_id, run.start, run.end))


def _over(session: Session, scenario_id: int, card: Card, asked: Interval, grain_s: int) -> Simulated:
    start, end = floor(asked.start, grain_s), floor(asked.end, grain_s)
    if start >= end:
        raise Invalid(f"What is kept of that time comes in buckets of {grain_s} s: ask for a longer one.", field="to")
    back_s = max([HOUR_S, *(max(burn.lookbacks(guard.burn)) for guard in card.guards if guard.burn)])
    daily = any(guard.metric == "cost_per_day" for guard in card.guards)
    first = floor(start - timedelta(seconds=back_s), grain_s)
    first = min(first, floor(start, DAY_S)) if daily else first
    within = Interval(max(first, facts.since(session).get(grain_s) or first), end)
    found = read.usage(session, within, ["bucket", "currency"], {"scenario_id": [scenario_id]}, grain_s)
    # Whatever they ran under: they say nothing of the levels of a card that did not govern.
    slices = [Slice(bucket, 0, 0, currency, usage) for (bucket, currency), usage in found.items()]
    return simulate(card, Past(slices, start, end, grain_s))


def _interval(now: datetime, since: datetime | None, until: datetime | None) -> Interval:
    end = min(until or now, now)
    start = since or end - timedelta(days=DAYS)
    if end - start > timedelta(days=DAYS):
        raise Invalid(f"A card is simulated over {DAYS} days at most.", field="from")
    return Interval(start, end)


def _grain(session: Session, asked: Interval) -> int:
    """The finest rollup that is kept for all of it and is not too long to look through."""
    kept = facts.since(session)
    for grain_s in GRAINS_S[:-1]:
        table: Any = ROLLUPS[grain_s]
        rows = select(1).where(table.bucket >= asked.start, table.bucket < asked.end).limit(ROWS_MAX + 1).subquery()
        whole = grain_s not in kept or kept[grain_s] <= floor(asked.start, grain_s)
        if whole and (session.scalar(select(func.count()).select_from(rows)) or 0) <= ROWS_MAX:
            return grain_s
    return GRAINS_S[-1]


def _held(session: Session, scenario_id: int, start: datetime, end: datetime) -> tuple[Held, ...]:
    own = LadderMove.scenario_id == scenario_id
    before = session.scalar(
        select(LadderMove.level_to).where(own, LadderMove.at <= start).order_by(LadderMove.id.desc()).limit(1)
    )
    query = select(LadderMove.at, LadderMove.level_from, LadderMove.level_to).where(
        own, LadderMove.at > start, LadderMove.at < end, LadderMove.level_from != LadderMove.level_to
    )
    moves = session.execute(query.order_by(LadderMove.id).limit(MOVES_MAX)).all()
    first = before if before is not None else moves[0].level_from if moves else None
    if first is None:
        stands = select(LadderState.level).where(LadderState.scenario_id == scenario_id, LadderState.since < end)
        first = session.scalar(stands) or 0
    return (Held(start, first), *(Held(move.at, move.level_to) for move in moves))
