"""How what hard lines commanded is taken back: where its window, its limit or its budget is over, or by a person."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from trivet import db
from trivet.budget.book import Standing, book
from trivet.budget.models import Budget, BudgetAct, BudgetLine, BudgetTerms, BudgetWindow
from trivet.command import service as commands
from trivet.command.models import Command, DesiredState

LEFT_ALONE = "Another command came after it, so it was left alone."
TAKEN_BACK = "Taken back."
LINES_MAX = 100  # of one budget, taken back at once


def come_back(now: datetime) -> int:
    """Take back what standing lines commanded, where their time is over; how many lines."""
    with db.transaction() as session:
        over = [(line_id, why) for line_id, _, why in _over(session, now)]
    for line_id, why in over:
        take_back(line_id, actor_of=None, why=why, now=now)
    return len(over)


def _over(session: Session, now: datetime) -> Iterator[tuple[int, str, str]]:
    """Standing lines whose commands are over, each with the budget's name and why."""
    budgets = book(session)
    query = (
        select(BudgetLine, BudgetWindow, Budget.name, _newest_way_back())
        .join(BudgetWindow, BudgetWindow.id == BudgetLine.window_id)
        .join(Budget, Budget.id == BudgetWindow.budget_id)
        .where(BudgetLine.hard, BudgetLine.returned_at.is_(None), BudgetLine.acted_at.is_not(None))
        .order_by(BudgetLine.id)
    )
    for line, window, name, way_back in session.execute(query):
        standing = budgets.one(window.budget_id, now)
        if standing is None:
            yield line.id, name, f"Budget {name} has ended"
        elif way_back == "next_window" and window.ends_at <= now:
            yield line.id, name, f"Budget {name}: a new window began"
        elif window.limit > line.limit and window.spent < window.limit:
            yield line.id, name, f"Budget {name}: its limit was raised"
        elif _orders_another(budgets.terms(window.budget_id, line.terms_id), standing):
            yield line.id, name, f"Budget {name}: its terms changed"


def _orders_another(before: Standing | None, now: Standing) -> bool:
    """Whether it commands something else now, or nothing; another limit alone is another line."""
    return before is None or (before.terms.action, before.terms.level) != (now.terms.action, now.terms.level)


def _newest_way_back() -> Any:
    newest = select(BudgetTerms.way_back).where(BudgetTerms.budget_id == Budget.id)
    return newest.order_by(BudgetTerms.effective_from.desc()).limit(1).scalar_subquery()


def take_back(line_id: int, *, actor_of: str | None, why: str, now: datetime) -> int:
    """Restore what one line commanded and nobody has changed since; how many scopes. By the budget, or by a person."""
    with db.transaction() as session:
        query = select(BudgetAct.id).where(BudgetAct.line_id == line_id, BudgetAct.command_id.is_not(None))
        acts = list(session.scalars(query.where(BudgetAct.returned_by.is_(None)).order_by(BudgetAct.id)))
    restored = sum(_restore(act_id, actor_of, why, now) for act_id in acts)
    with db.transaction() as session:
        session.execute(
            update(BudgetLine).where(BudgetLine.id == line_id, BudgetLine.returned_at.is_(None)).values(returned_at=now)
        )
    return restored


def _restore(act_id: int, actor_of: str | None, why: str, now: datetime) -> int:
    with db.transaction() as session:
        act_ = session.get_one(BudgetAct, act_id)
        commands.lock_generation(session, act_.scenario_id, now, step=0)
        session.refresh(act_, with_for_update=True)
        if act_.returned_by is not None:
            return 0
        held = session.get(DesiredState, (act_.scenario_id, act_.tenant_id, 0), populate_existing=True)
        if held is None or held.command_id != act_.command_id:
            act_.outcome = LEFT_ALONE
            return 0
        given = session.get_one(Command, act_.command_id)
        command = commands.issue(
            session, kind="restore", scenario_id=act_.scenario_id, tenant_id=act_.tenant_id or None, reason=why,
            actor=actor_of or given.actor, now=now,
        )  # fmt: skip
        act_.returned_by, act_.outcome = command.id, TAKEN_BACK
        _wake(session, act_, given)
        return 1


def _wake(session: Session, act_: BudgetAct, given: Command) -> None:
    """What other lines had commanded here before, and this had come on top of, is commanded again."""
    standing = select(BudgetLine.id).where(BudgetLine.hard, BudgetLine.returned_at.is_(None))
    below = (
        BudgetAct.scenario_id == act_.scenario_id, BudgetAct.tenant_id == act_.tenant_id,
        BudgetAct.command_id < given.id, BudgetAct.returned_by.is_(None), BudgetAct.line_id.in_(standing),
        BudgetAct.line_id != act_.line_id,
    )  # fmt: skip
    session.execute(update(BudgetAct).where(*below).values(waits=True))


def standing_lines(session: Session, budget_id: int) -> list[int]:
    """Hard lines of a budget whose commands were not taken back."""
    query = (
        select(BudgetLine.id)
        .join(BudgetWindow, BudgetWindow.id == BudgetLine.window_id)
        .where(BudgetWindow.budget_id == budget_id, BudgetLine.hard, BudgetLine.acted_at.is_not(None))
        .where(BudgetLine.returned_at.is_(None))
        .order_by(BudgetLine.id)
        .limit(LINES_MAX)
    )
    return list(session.scalars(query))
