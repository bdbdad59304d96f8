"""Questions about money over REST. Reading only."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from trivet import db
from trivet.kit.interval import Interval
from trivet.report import asking, names
from trivet.report import costs as costing
from trivet.report.asking import Read
from trivet.report.limits import Place
from trivet.report.query import CostsQuery

router = APIRouter(tags=["report"])


@router.get("/costs")
def get_costs(principal: Read, _: Place, query: Annotated[CostsQuery, Query()]) -> dict[str, Any]:
    """Postings up to `as_of`, then the open hours at standard cost: `provisional` says how much of an amount that is.

    `total` is all items and what is kept apart (idle, headroom, down, shared, bill_variance, hidden). Where there are several
    currencies it is null and `by_currency` has each. `as_of=2026-10` tells what was booked when that month was closed.
    """
    by = names.parse(query.group_by, names.COSTS_BY)
    after = asking.after(query.cursor, by, by_bucket=query.grain is not None)
    with db.transaction() as session:
        where = asking.where(session, query.given(), principal)
        found = costing.costs(
            session, Interval(query.from_, query.to), by, where, basis=query.basis, grain=query.grain, as_of=query.as_of,
            cost_centre_depth=query.cost_centre_depth,
        )  # fmt: skip
    rows = asking.behind(found.rows, after)
    return asking.page_of(rows, query.limit, lambda row: asking.cost_item(by, row)) | asking.totals(found)
