"""Questions about money over REST. Reading only."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, Query
from sqlalchemy.orm import Session

from trivet import db
from trivet.kit.errors import Invalid
from trivet.kit.interval import Interval
from trivet.report import asking, compare, names
from trivet.report import costs as costing
from trivet.report.asking import Read
from trivet.report.costs import CostRow, Costs
from trivet.report.limits import Place
from trivet.report.query import CostsQuery

router = APIRouter(tags=["report"])


@router.get("/costs")
def get_costs(principal: Read, _: Place, query: Annotated[CostsQuery, Query()]) -> dict[str, Any]:
    """Postings up to `as_of`, then the open hours at standard cost: `provisional` says how much of an amount that is.

    `total` is all items and what is kept apart (idle, headroom, down, shared, bill_variance, hidden). Where there are several
    currencies it is null and `by_currency` has each. `as_of=2026-10` tells what was booked when that month was closed.
    `compare=previous` adds the interval before to each item, `compare=budget` its budget and what is left of it.
    """
    by = names.parse(query.group_by, names.COSTS_BY)
    after = asking.after(query.cursor, by, by_bucket=query.grain is not None)
    with db.transaction() as session:
        where = asking.where(session, query.given(), principal)
        found = costing.costs(
            session, Interval(query.from_, query.to), by, where, basis=query.basis, grain=query.grain, as_of=query.as_of,
            cost_centre_depth=query.cost_centre_depth,
        )  # fmt: skip
        beside = _beside(session, query, by, found, where, bound=principal.tenant_id is not None)
    rows = asking.behind(found.rows, after)

    def item(row: CostRow) -> dict[str, Any]:
        return asking.cost_item(by, row) | beside.get((row.key, row.currency), {})

    return asking.page_of(rows, query.limit, item) | asking.totals(found)


def _beside(
    session: Session, query: CostsQuery, by: Sequence[str], found: Costs, where: Mapping[str, Any], *, bound: bool
) -> Mapping[tuple[tuple[Any, ...], str], dict[str, Any]]:
    """What rows are compared with, by key and currency."""
    if query.compare is None:
        return {}
    if query.grain is not None:
        raise Invalid("`compare` is of the whole interval: leave `grain` out.", field="compare")
    interval = Interval(query.from_, query.to)
    keys = [(row.key, row.currency) for row in found.rows]
    if query.compare == "budget":
        if bound and by != ["tenant"]:
            raise Invalid("A key bound to a tenant sees that tenant's budget alone: group by tenant.", field="compare")
        return {key: asking.budget_item(each) for key, each in _budgets(session, interval, by, found).items()}
    before = costing.costs(
        session, compare.previous(interval), by, where, basis=query.basis, as_of=query.as_of,
        cost_centre_depth=query.cost_centre_depth,
    )  # fmt: skip
    was = {(row.key, row.currency): row.amount for row in before.rows}
    amounts = {(row.key, row.currency): row.amount for row in found.rows}
    return {key: asking.previous_item(amounts[key], was.get(key)) for key in keys}


def _budgets(
    session: Session, interval: Interval, by: Sequence[str], found: Costs
) -> dict[tuple[tuple[Any, ...], str], tuple[Decimal, Decimal | None]]:
    """(amount, budget) of each row; `Invalid` unless grouped by one dimension that budgets are of, or by none."""
    dimension = by[0] if len(by) == 1 else ("global" if not by else "")
    if dimension not in compare.SCOPES:
        raise Invalid(
            "Budgets are of a cost centre, tenant or scenario, or of all: group by one of them.", field="compare"
        )
    names_of = [row.key[0] if row.key else "" for row in found.rows]
    limits = compare.budgets(session, interval, dimension, names_of)
    return {
        (row.key, row.currency): (row.amount, limits.get((name, row.currency)))
        for name, row in zip(names_of, found.rows, strict=True)
    }
