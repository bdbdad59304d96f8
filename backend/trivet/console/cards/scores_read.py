"""Scores of one scenario, as the page and its file read them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, literal, select
from sqlalchemy.orm import Session

from trivet.card.models import Activation
from trivet.ingest.models import Score
from trivet.kit.interval import Interval
from trivet.tenant.models import Scenario, Tenant

SCENARIOS_MAX, LOOKED_AT_MAX = 200, 1_000
METRICS_MAX = 50
LOW_MAX = 20
FLAGS_MAX = 40
STEPS_S = (10, 60, 300, 900, 3600, 4 * 3600, 86_400)
POINTS_MAX = 120


@dataclass(frozen=True, slots=True)
class Asked:
    """Which scores: of a scenario, in a time, of a metric and from an evaluator where they are named."""

    scenario_id: int
    interval: Interval
    metric: str = ""
    source: str = ""

    def of(self, query: Any) -> Any:
        """The query, of these scores alone."""
        query = query.where(
            Score.scenario_id == self.scenario_id, Score.scored_at >= self.interval.start, Score.scored_at < self.interval.end
        )  # fmt: skip
        query = query.where(Score.metric == self.metric) if self.metric else query
        return query.where(Score.source == self.source) if self.source else query


@dataclass(frozen=True, slots=True)
class Stretch:
    """The scores of one stretch of time."""

    at: datetime
    scores: int
    mean: float
    low: float
    high: float


def step_s(interval: Interval) -> int:
    """The shortest stretches of which no more than `POINTS_MAX` make up the time."""
    return next((step for step in STEPS_S if interval.seconds / step <= POINTS_MAX), STEPS_S[-1])


def scenarios(session: Session, interval: Interval) -> list[tuple[int, str]]:
    """(id, name) of the scenarios that were scored, the one scored last first: one look into the index for each."""
    newest = (
        select(Score.scored_at)
        .where(Score.scenario_id == Scenario.id, Score.scored_at >= interval.start, Score.scored_at < interval.end)
        .order_by(Score.scored_at.desc())
        .limit(1)
        .scalar_subquery()
    )
    scored = select(Scenario.id, Scenario.name, newest.label("newest")).limit(LOOKED_AT_MAX).subquery()
    query = select(scored.c.id, scored.c.name).where(scored.c.newest.is_not(None)).order_by(scored.c.newest.desc())
    return [(id_, name) for id_, name in session.execute(query.limit(SCENARIOS_MAX))]


def stretches(session: Session, asked: Asked) -> list[Stretch]:
    """Mean and band of each stretch in which anything was scored, oldest first."""
    width = func.make_interval(0, 0, 0, 0, 0, 0, literal(step_s(asked.interval)))
    at = func.date_bin(width, Score.scored_at, func.to_timestamp(0)).label("at")
    share = [func.percentile_cont(q).within_group(Score.value) for q in (0.1, 0.9)]
    query = asked.of(select(at, func.count(), func.avg(Score.value), *share)).group_by(at).order_by(at)
    return [Stretch(*row) for row in session.execute(query)]


def metrics(
    session: Session, asked: Asked, floor: float | None
) -> Sequence[tuple[str, str, int, float, int, datetime]]:
    """(metric, evaluator, scores, mean, under the floor, newest) of each, most first."""
    low = func.count().filter(Score.value < floor) if floor is not None else literal(0)
    query = asked.of(
        select(Score.metric, Score.source, func.count(), func.avg(Score.value), low, func.max(Score.scored_at))
    )
    query = query.group_by(Score.metric, Score.source).order_by(func.count().desc(), Score.metric, Score.source)
    return [tuple(row) for row in session.execute(query.limit(METRICS_MAX + 1))]


def lowest(session: Session, asked: Asked, floor: float) -> list[tuple[Score, str]]:
    """The newest under the floor, with their tenants."""
    query = asked.of(select(Score, Tenant.name)).outerjoin(Tenant, Tenant.id == Score.tenant_id)
    query = query.where(Score.value < floor).order_by(Score.scored_at.desc()).limit(LOW_MAX)
    return [(score, tenant or "") for score, tenant in session.execute(query)]


def revisions(session: Session, asked: Asked) -> list[tuple[int, datetime]]:
    """(revision, from when) of what began to govern in the time, oldest first."""
    query = select(Activation.number, Activation.active_from).where(
        Activation.scenario_id == asked.scenario_id, Activation.active_from >= asked.interval.start,
        Activation.active_from < asked.interval.end,
    )  # fmt: skip
    newest = session.execute(query.order_by(Activation.id.desc()).limit(FLAGS_MAX)).all()
    return [(number, at) for number, at in newest][::-1]
