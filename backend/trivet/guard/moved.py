"""Moves of ladders as pages and files list them: bounded, newest first; and where each ladder stood when a range began."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import Row, func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from trivet.guard.models import LadderMove, LadderState
from trivet.kit.interval import Interval
from trivet.tenant.models import Scenario

LOOKED_MAX = 20_000


def newest(
    session: Session, interval: Interval, *, scenario: str = "", limit: int, before_id: int | None = None
) -> Sequence[Row[LadderMove, str]]:
    """Moves in an interval with the names of their scenarios, at most `limit`, before the move `before_id` where it is named."""
    query = select(LadderMove, Scenario.name).join(Scenario, Scenario.id == LadderMove.scenario_id)
    query = query.where(LadderMove.at >= interval.start, LadderMove.at < interval.end)
    if scenario:
        query = query.where(Scenario.name == scenario)
    if before_id is not None:
        query = query.where(LadderMove.id < before_id)
    return session.execute(query.order_by(LadderMove.id.desc()).limit(limit)).all()


def most_lately(session: Session, interval: Interval, limit: int) -> list[tuple[int, int]]:
    """Scenarios that moved in an interval and how often, the one that moved last first; of the newest `LOOKED_MAX` moves."""
    newest_ = select(LadderMove.scenario_id, LadderMove.at).order_by(LadderMove.id.desc()).limit(LOOKED_MAX).subquery()
    query = select(newest_.c.scenario_id, func.count()).where(
        newest_.c.at >= interval.start, newest_.c.at < interval.end
    )
    found = session.execute(query.group_by(newest_.c.scenario_id).order_by(func.max(newest_.c.at).desc()).limit(limit))
    return [(id_, count) for id_, count in found]


def of(session: Session, scenario_ids: Collection[int], interval: Interval, limit: int) -> Sequence[LadderMove]:
    """Moves of some scenarios in an interval, the newest `limit` of them, oldest first."""
    query = select(LadderMove).where(LadderMove.scenario_id.in_(scenario_ids))
    query = query.where(LadderMove.at >= interval.start, LadderMove.at < interval.end)
    return session.scalars(query.order_by(LadderMove.id.desc()).limit(limit)).all()[::-1]


def that_made(session: Session, ladder: LadderState) -> LadderMove | None:
    """The move that brought a ladder to where it stands. Its reason stays, where the ladder's own says by now why it stays."""
    query = select(LadderMove).where(LadderMove.scenario_id == ladder.scenario_id)
    newest_ = session.scalar(query.order_by(LadderMove.id.desc()).limit(1))
    if newest_ is None or (newest_.level_to, newest_.share_to) != (ladder.level, ladder.probe_share):
        return None
    return newest_


def stood(session: Session, scenario_ids: Collection[int], at: datetime) -> dict[int, int]:
    """The level that each was wanted at just before an instant; a scenario that had never moved is not named."""
    query = (
        select(LadderMove.scenario_id, LadderMove.level_to)
        .ext(distinct_on(LadderMove.scenario_id))
        .where(LadderMove.scenario_id.in_(scenario_ids), LadderMove.at < at)
        .order_by(LadderMove.scenario_id, LadderMove.id.desc())
    )
    return dict(session.execute(query).all())
