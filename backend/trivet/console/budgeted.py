"""What is spent of budgets, as the budget context counts it."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final
from urllib.parse import quote

from sqlalchemy.orm import Session

from trivet.budget import reading
from trivet.console.views import BudgetShare

SCOPES: Final = ("scenario", "cost_centre", "tenant", "global")
READ_MAX: Final = 500
SHOWN_MAX: Final = 8


def budgets(session: Session, now: datetime, tenant_id: int | None = None) -> tuple[BudgetShare, ...]:
    """Budgets in money in their window of now, the one nearest to its limit first: `SHOWN_MAX`, then others of scenarios."""
    nearest = reading.current(session, now, SCOPES, tenant_id=tenant_id, limit=SHOWN_MAX)
    of_scenarios = reading.current(session, now, ("scenario",), tenant_id=tenant_id, limit=READ_MAX)
    shown = {one.row.id for _, one in nearest}
    found = [*nearest, *((budget, one) for budget, one in of_scenarios if one.row.id not in shown)]
    return tuple(
        BudgetShare(
            name=budget.name, scope=budget.scope, whose=one.subject, spent=one.row.spent, limit=one.row.limit,
            currency=budget.currency, window=budget.window, url=f"/budgets?name={quote(budget.name, safe='')}",
        )
        for budget, one in found
    )  # fmt: skip


def by_scenario(found: Iterable[BudgetShare]) -> Mapping[str, BudgetShare]:
    """Of each scenario the budget that is nearest to its limit. Pure."""
    nearest: dict[str, BudgetShare] = {}
    for each in found:
        if each.scope == "scenario":
            nearest.setdefault(each.whose, each)
    return nearest
