"""What ladders learn of budgets: that everyone's is spent, so that scenarios give way by criticality, and whose midnight
begins a scenario's budget day. Written to rows of `guard`, which comes earlier and cannot ask.
"""

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from trivet import db
from trivet.budget.book import book
from trivet.budget.models import Budget, BudgetLine, BudgetWindow
from trivet.card import service as cards
from trivet.guard import shortages
from trivet.guard.models import LadderState, Shortage

LINES_MAX = 100


def tell(now: datetime) -> None:
    """Say which global budgets are spent and which are no longer, and in whose zone each scenario's budget day begins."""
    with db.transaction() as session:
        _short(session, now)
        _zones(session, now)


def _short(session: Session, now: datetime) -> None:
    crossed = dict(
        session.execute(
            select(Budget.name, BudgetLine.reason)
            .join(BudgetWindow, BudgetWindow.id == BudgetLine.window_id)
            .join(Budget, Budget.id == BudgetWindow.budget_id)
            .where(BudgetLine.hard, Budget.scope == "global", BudgetWindow.starts_at <= now, BudgetWindow.ends_at > now)
            .where(BudgetWindow.spent >= BudgetWindow.limit)  # a limit that was raised since ends it
            .order_by(BudgetLine.id)
            .limit(LINES_MAX)
        ).all()
    )
    standing = select(Shortage.subject).where(Shortage.kind == shortages.BUDGET, Shortage.ended_at.is_(None))
    known = set(session.scalars(standing))
    if not crossed and not known:
        return
    ids = list(cards.active(session))
    for name in sorted({*crossed, *known}):
        said = f"budget {name} is spent: {crossed[name]}" if name in crossed else ""
        shortages.tell(
            session, shortages.BUDGET, name, short=name in crossed, scenario_ids=ids, reason=said, now=now
        )  # fmt: skip


def _zones(session: Session, now: datetime) -> None:
    """A scenario's own budget by the day says whose midnight; the first, where it has several."""
    zones: dict[int, str] = {}
    for standing in book(session).at(now):
        if standing.scope == "scenario" and standing.window == "day" and standing.subject_id:
            zones.setdefault(standing.subject_id, standing.zone.key)
    named = select(LadderState.scenario_id, LadderState.budget_zone).where(
        LadderState.budget_zone.is_not(None) | LadderState.scenario_id.in_(zones)
    )
    for scenario_id, zone in session.execute(named):
        if zone != zones.get(scenario_id):
            session.execute(
                update(LadderState)
                .where(LadderState.scenario_id == scenario_id)
                .values(budget_zone=zones.get(scenario_id))
            )
