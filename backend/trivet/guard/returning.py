"""What the ways up and back rest on. While all ladders stand at level 0 it is asked only what is short."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from trivet.card.service import ActiveCard
from trivet.guard import shortages, stations
from trivet.guard.models import LadderState, Regression
from trivet.guard.ways import NOTHING, Passed, Way


def ways(
    session: Session, active: Mapping[int, ActiveCard], ladders: Mapping[int, LadderState], now: datetime
) -> dict[int, Way]:
    """What each scenario's way back rests on."""
    first = shortages.others_first(session, active)
    away = {id_: ladders[id_] for id_ in active if ladders[id_].level}
    if not away:
        return {id_: Way(others_first=first[id_]) if id_ in first else NOTHING for id_ in active}
    passed = _passed(session, (id_ for id_, row in away.items() if _waits_for(active[id_], row, "regression_passed")))
    loads = stations.loads(session, {id_: (active[id_], row) for id_, row in away.items() if _is_calm(row)}, now)
    return {
        id_: Way(
            loads=tuple(loads.get(id_, ())), zone=ladders[id_].budget_zone or "UTC", passed=passed.get(id_),
            others_first=first.get(id_, ""),
        )
        for id_ in active
    }  # fmt: skip


def _waits_for(card: ActiveCard, row: LadderState, way_back: str) -> bool:
    here = card.card.level(row.level)
    return here is not None and here.way_back == way_back


def _is_calm(row: LadderState) -> bool:
    """Whether a share may go back now: only then is it asked where there is room."""
    return row.calm_since is not None or row.probe_share is not None


def _passed(session: Session, scenario_ids: Iterable[int]) -> dict[int, Passed]:
    wanted = sorted(scenario_ids)
    if not wanted:
        return {}
    rows = session.execute(
        select(Regression.scenario_id, Regression.created_at, Regression.reference)
        .ext(distinct_on(Regression.scenario_id))
        .where(Regression.scenario_id.in_(wanted), Regression.passed)
        .order_by(Regression.scenario_id, Regression.id.desc())
    )
    return {id_: Passed(at, reference) for id_, at, reference in rows}
