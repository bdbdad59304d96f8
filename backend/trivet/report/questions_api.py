"""Questions about costs over REST: per unit, planned and actual, why it moved, where it leads, what stands out."""

from datetime import date, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from pydantic import Field

from trivet import db
from trivet.identity.auth import Principal, platform
from trivet.kit.answer import answers
from trivet.kit.body import Body, Currency
from trivet.kit.clock import utc_now
from trivet.kit.errors import Invalid
from trivet.kit.interval import Interval, month_of
from trivet.kit.page import INT4, from_cursor, page
from trivet.report import anomalies, asking, compare, forecast, names, outlook, pools, saying, unit, value
from trivet.report import money_answers as shapes
from trivet.report import moved as moving
from trivet.report.asking import Read
from trivet.report.limits import Place
from trivet.report.plotted import plotted
from trivet.report.query import (
    AnomaliesQuery,
    ForecastQuery,
    FormulaQuery,
    QuadrantsQuery,
    UnitQuery,
    WhyQuery,
)

router = APIRouter(tags=["report"])
Write = Annotated[Principal, Depends(platform("admin", "finance"))]
SHOWN_DAYS = 28


class Acknowledged(Body):
    reason: str = Field(min_length=1, max_length=500)


@router.get("/costs/unit", response_model=None, responses=answers(shapes.Units))
def get_unit_costs(principal: Read, _: Place, query: Annotated[UnitQuery, Query()]) -> dict[str, Any]:
    """What a request and a million tokens cost, by group; by pool also a GPU hour and the energy of a million tokens.

    A key that is bound to a tenant is told nothing of whole pools.
    """
    by = names.parse(query.group_by, unit.GROUP_BY)
    with db.transaction() as session:
        where = asking.where(session, query.given(), principal)
        found = unit.units(
            session, Interval(query.from_, query.to), by, where, basis=query.basis,
            cost_centre_depth=query.cost_centre_depth, whole_pools=principal.tenant_id is None,
        )  # fmt: skip
    return {"items": [saying.unit(by, row) for row in found], "next_cursor": None}


@router.get("/costs/formula", response_model=None, responses=answers(shapes.Formula))
def get_formula(
    _: Annotated[Principal, Depends(platform("read"))], __: Place, query: Annotated[FormulaQuery, Query()]
) -> dict[str, Any]:
    """Cost per token of each pool, planned and actual, over the posted hours.

    Planned: price of a GPU hour / (load-test tokens per GPU hour × planned utilisation). Actual: capacity cost / tokens
    served; it never multiplies by a utilisation again. Utilisation is in work units.
    """
    with db.transaction() as session:
        where = names.where(session, {"pool": query.pool})
        found = pools.figures(session, Interval(query.from_, query.to), where)
        labels = names.labels(session, ["pool"], [{"pool_id": each.pool_id} for each in found])
    items = [saying.formula(labels.key(["pool"], {"pool_id": each.pool_id})[0], each) for each in found]
    return {"items": items, "next_cursor": None}


@router.get("/costs/why", response_model=None, responses=answers(shapes.Why))
def get_why(principal: Read, _: Place, query: Annotated[WhyQuery, Query()]) -> dict[str, Any]:
    """Why costs moved between two intervals: an exact split into volume, price, mix, efficiency and idle.

    The parts add up to the change, to the last pico (logarithmic mean Divisia weights). `shared` and `bill` are shared costs
    and what invoices said beyond what was measured. Cost per token of pools splits into price, efficiency, utilisation, mix.
    """
    by = names.parse(query.group_by, moving.GROUP_BY)
    after = Interval(query.from_, query.to)
    before = _against(query, after)
    with db.transaction() as session:
        where = asking.where(session, query.given(), principal)
        rows, tokens = moving.why(session, before, after, by, where, cost_centre_depth=query.cost_centre_depth)
    return {
        "items": [saying.moved(by, row) for row in rows if row.key is not None],
        "whole": [saying.moved(by, row) for row in rows if row.key is None],
        "per_million_tokens": [] if principal.tenant_id else [saying.per_token(row) for row in tokens],
        "before": saying.stretch(before),
        "after": saying.stretch(after),
        "next_cursor": None,
    }


def _against(query: WhyQuery, after: Interval) -> Interval:
    if query.against_from is None and query.against_to is None:
        return compare.previous(after)
    if query.against_from is None or query.against_to is None:
        raise Invalid("Give both `against_from` and `against_to`, or neither.", field="against_from")
    return Interval(query.against_from, query.against_to)


@router.get("/costs/forecast", response_model=None, responses=answers(shapes.Forecasts))
def get_forecast(principal: Read, _: Place, query: Annotated[ForecastQuery, Query()]) -> dict[str, Any]:
    """What a month comes to, with an interval: the running one where none is named. `spent` is a fact, the rest a forecast."""
    now = utc_now()
    month = query.month or month_of(now)
    by = names.parse(query.group_by, unit.GROUP_BY)
    with db.transaction() as session:
        where = asking.where(session, query.given(), principal)
        found = outlook.outlook(session, value.month(month), now, by, where, cost_centre_depth=query.cost_centre_depth)
    items = [saying.outlook(by, row) for row in found]
    about = {"month": month, "method": forecast.METHOD, "interval": forecast.INTERVAL}
    return {"items": items, "next_cursor": None} | about


@router.get("/costs/anomalies", response_model=None, responses=answers(shapes.Anomalies))
def get_anomalies(principal: Read, _: Place, query: Annotated[AnomaliesQuery, Query()]) -> dict[str, Any]:
    """Days on which a tenant cost otherwise than its days usually do, newest first, each with what drove it."""
    until = query.to or utc_now().date()
    since = query.from_ or until - timedelta(days=SHOWN_DAYS)
    with db.transaction() as session:
        where = asking.where(session, {"tenant": query.tenant}, principal)
        rows = anomalies.standing(session, since, until, where, limit=query.limit + 1, after=_after(query.cursor))
        labels = names.labels(session, ["tenant"], [{"tenant_id": row.tenant_id} for row in rows])
    items = [saying.anomaly(labels.key(["tenant"], {"tenant_id": row.tenant_id})[0], row) for row in rows]
    return page(items, query.limit, lambda item: [item["day"], item["tenant_id"], item["currency"]])


def _after(cursor: str | None) -> tuple[Any, ...] | None:
    if cursor is None:
        return None
    day, tenant_id, currency = from_cursor(cursor, str, INT4, str)
    try:
        return date.fromisoformat(day), tenant_id, currency
    except ValueError as foreign:
        raise Invalid("This cursor is not one of ours: start again without it.", field="cursor") from foreign


@router.post("/costs/anomalies/{day}/{tenant_id}/{currency}/acknowledge")
def acknowledge_anomaly(
    day: date, tenant_id: Annotated[int, Path(ge=0, lt=2**31)], currency: Currency, body: Acknowledged, principal: Write
) -> dict[str, Any]:
    """Say that it was seen, and why it is as it is."""
    with db.transaction() as session:
        row = anomalies.acknowledge(
            session, day, tenant_id, currency, actor=principal.actor, reason=body.reason, now=utc_now()
        )
        labels = names.labels(session, ["tenant"], [{"tenant_id": tenant_id}])
        return saying.anomaly(labels.key(["tenant"], {"tenant_id": tenant_id})[0], row)


@router.get("/costs/quadrants", response_model=None, responses=answers(shapes.Quadrants))
def get_quadrants(principal: Read, _: Place, query: Annotated[QuadrantsQuery, Query()]) -> dict[str, Any]:
    """Models, scenarios or tenants by tokens and cost of a million tokens: medians as lines, each with its move."""
    with db.transaction() as session:
        where = asking.where(session, query.given(), principal)
        found = plotted(session, Interval(query.from_, query.to), query.of, where)
    return {"items": [saying.quadrants(currency, each) for currency, each in found.items()], "next_cursor": None}
