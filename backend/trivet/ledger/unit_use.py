"""How much of each unit was used: what was told, and what telemetry counts. Only reads."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from trivet.fleet.models import Pool
from trivet.kit.interval import Interval
from trivet.ledger.line import User
from trivet.pricing.models import Model, Quantity
from trivet.pricing.unit import REQUESTS, RETRIEVAL_CALLS, TOOL_CALLS, Of
from trivet.rollup import signals
from trivet.rollup.read import usage
from trivet_collectors import semconv as sc

HOUR_S = 3600
METRICS = {sc.TRIVET_TOOL_CALLS.name: TOOL_CALLS, sc.TRIVET_RETRIEVAL_CALLS.name: RETRIEVAL_CALLS}
_USER = ("tenant_id", "scenario_id", "model_id")


@dataclass(frozen=True, slots=True)
class Use:
    """An amount of one unit in one hour, by whom and of what."""

    hour: datetime
    user: User
    pool_id: int
    of: Of
    amount: Decimal


def read(session: Session, interval: Interval, *, by_user: bool = True, requests: bool = False) -> list[Use]:
    """Uses in an interval of whole hours, without whose they are where that is not asked; `requests` too where asked."""
    found = [*_told(session, interval, by_user), *_seen(session, interval, by_user)]
    if requests:
        found += _requests(session, interval, by_user)
    models = _models(session, {use[1].model_id for use in found})
    pools = _pools(session, {use[2] for use in found})
    return [
        Use(hour, user, pool_id, _of(unit, name, models.get(user.model_id, ("", "")), pools.get(pool_id, "")), amount)
        for hour, user, pool_id, unit, name, amount in found
    ]


_Found = tuple[datetime, User, int, str, str, Decimal]


def _of(unit: str, name: str, model: tuple[str, str], pool: str) -> Of:
    provider, model_name = model
    return Of(unit, model_name if unit == REQUESTS else name, provider, pool)


def _told(session: Session, interval: Interval, by_user: bool) -> Iterator[_Found]:
    own = (Quantity.tenant_id, Quantity.scenario_id) if by_user else ()
    keys = (Quantity.hour, *own, Quantity.model_id, Quantity.pool_id, Quantity.unit, Quantity.name)
    query = select(*keys, func.sum(Quantity.amount)).where(
        Quantity.hour >= interval.start, Quantity.hour < interval.end
    )
    for hour, *whose, model_id, pool_id, unit, name, amount in session.execute(query.group_by(*keys)):
        yield hour, _user([*whose, model_id]), pool_id, unit, name, amount


def _seen(session: Session, interval: Interval, by_user: bool) -> Iterator[_Found]:
    own = _USER if by_user else _USER[2:]
    by = ("bucket", *own, "pool_id", "metric", "detail")
    found = signals.read(session, interval, by, {"metric": list(METRICS)}, grain_s=HOUR_S)
    for (hour, *whose, pool_id, metric, detail), counted in found.items():
        yield hour, _user(whose), pool_id, METRICS[metric], detail, Decimal(round(counted.total))


def _requests(session: Session, interval: Interval, by_user: bool) -> Iterator[_Found]:
    own = _USER if by_user else _USER[2:]
    found = usage(session, interval, ("bucket", *own, "pool_id"), grain_s=HOUR_S)
    for (hour, *whose, pool_id), counted in found.items():
        yield hour, _user(whose), pool_id, REQUESTS, "", Decimal(counted.requests - counted.rejections)


def _user(whose: list[int]) -> User:
    """Out of (tenant, scenario, model), or the model alone."""
    tenant_id, scenario_id, model_id = whose if len(whose) == len(_USER) else (0, 0, *whose)
    return User(tenant_id, scenario_id, model_id)


def _models(session: Session, ids: Collection[int]) -> dict[int, tuple[str, str]]:
    found = session.execute(select(Model.id, Model.provider, Model.name).where(Model.id.in_(sorted(ids))))
    return {row_id: (provider, name) for row_id, provider, name in found}


def _pools(session: Session, ids: Collection[int]) -> dict[int, str]:
    found = session.execute(select(Pool.id, Pool.name).where(Pool.id.in_(sorted(ids))))
    return {row_id: name for row_id, name in found}  # noqa: C416  # rows are no pairs to the type checker
