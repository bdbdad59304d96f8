"""What hard lines command, and how it is taken back: one command for each scenario and tenant, each in a transaction of its own.

A row of `budget_act` is written with its command, and there is one at most for a line, a scenario and a tenant: two workers,
or one that starts again, give no second command.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trivet import db
from trivet.budget.book import Standing, book
from trivet.budget.centres import centres
from trivet.budget.models import Budget, BudgetAct, BudgetLine, BudgetTerms, BudgetWindow
from trivet.budget.words import date
from trivet.card import service as cards
from trivet.command import service as commands
from trivet.command.models import Command, DesiredState
from trivet.identity.models import ApiKey
from trivet.kit.errors import TrivetError
from trivet.tenant.models import TenantCostCentre

LINES_MAX = 100  # acted on in one run
SCOPES_MAX = 2_000  # scenarios × tenants that one line commands
GRACE_S = 60.0  # past its window a command ends by itself, should nobody be there to take it back
NOTHING = "nothing to command: no scenario has an active card"


@dataclass(frozen=True, slots=True)
class Due:
    """A hard line that was crossed, its window and the budget as it holds now."""

    line_id: int
    reason: str
    subject_id: int
    ends_at: datetime
    standing: Standing


@dataclass(frozen=True, slots=True)
class Target:
    """What is commanded: a scenario, for one tenant or (0) for everyone, by its ladder's levels."""

    scenario_id: int
    tenant_id: int
    top: int


def act(now: datetime) -> int:
    """Command what hard lines say; how many commands were given."""
    with db.transaction() as session:
        due = list(_due(session, now))
    return sum(_act(each, now) for each in due)


def _due(session: Session, now: datetime) -> Iterator[Due]:
    budgets = book(session)
    query = (
        select(BudgetLine, BudgetWindow)
        .join(BudgetWindow, BudgetWindow.id == BudgetLine.window_id)
        .where(BudgetLine.hard, BudgetLine.returned_at.is_(None), BudgetLine.commanded_at.is_(None))
        .order_by(BudgetLine.id)
        .limit(LINES_MAX)
    )
    for line, window in session.execute(query):
        standing = budgets.one(window.budget_id, now)
        if standing is None or window.ends_at <= now:
            line.returned_at = now  # it ended before anything was done
        else:
            yield Due(line.id, line.reason, window.subject_id, window.ends_at, standing)


def _act(due: Due, now: datetime) -> int:
    with db.transaction() as session:
        targets = list(_targets(session, due, now))
    given = sum(_command(due, target, now) for target in targets)
    with db.transaction() as session:
        line = session.get_one(BudgetLine, due.line_id, with_for_update=True)
        first = (
            select(Command.created_at)
            .join(BudgetAct, BudgetAct.command_id == Command.id)
            .where(BudgetAct.line_id == due.line_id)
            .order_by(Command.id)
            .limit(1)
        )
        line.commanded_at = session.scalar(first)
        if line.commanded_at is None:
            line.returned_at = now
            line.reason = f"{line.reason}; {NOTHING}" if not targets else line.reason
    return given


def _targets(session: Session, due: Due, now: datetime) -> Iterator[Target]:
    """Every scenario that a card governs, for the tenants it concerns; a scenario's own budget concerns that one."""
    standing = due.standing
    active = cards.active(session, [due.subject_id] if standing.scope == "scenario" else None)
    tenants = [0] if standing.scope in ("scenario", "global") else _tenants(session, due, now)
    count = 0
    for scenario_id, card in sorted(active.items()):
        for tenant_id in tenants:
            if count == SCOPES_MAX:
                return
            count += 1
            yield Target(scenario_id, tenant_id, card.card.top)


def _tenants(session: Session, due: Due, now: datetime) -> list[int]:
    if due.standing.scope == "key":
        bound = session.scalar(select(ApiKey.tenant_id).where(ApiKey.id == due.subject_id))
        return [bound] if bound else []
    if due.standing.scope == "cost_centre":
        tree = centres(session)
        mapped = session.scalars(select(TenantCostCentre.tenant_id).distinct().order_by(TenantCostCentre.tenant_id))
        return [tenant_id for tenant_id in mapped if due.subject_id in tree.of_tenant(tenant_id, now)]
    return [due.subject_id] if due.subject_id else []


def _command(due: Due, target: Target, now: datetime) -> int:
    """One command, once; 1 where it was given. A refusal is kept in words, and is not tried again."""
    try:
        with db.transaction() as session:
            return _issue(session, due, target, now)
    except TrivetError as refused:
        with db.transaction() as session:
            _once(session, due, target, f"Refused: {refused.detail}")
        return 0


def _issue(session: Session, due: Due, target: Target, now: datetime) -> int:
    commands.lock_generation(session, target.scenario_id, now, step=0)
    act_id = _once(session, due, target, "")
    if act_id is None:
        return 0
    standing = due.standing
    level = min(standing.terms.level or 0, target.top) or None
    held = _held(session, target)
    if held is not None and (held.broken or (standing.terms.action == "degrade" and held.level >= (level or 0))):
        what = "cut off" if held.broken else f"at level {held.level}"
        _outcome(session, act_id, f"It was {what} already: {held.cause}")
        return 0
    breaks = standing.terms.action == "break"
    command = commands.issue(
        session,
        kind=standing.terms.action,
        scenario_id=target.scenario_id,
        tenant_id=target.tenant_id or None,
        level=None if breaks else level,
        reason=due.reason,
        actor=actor(standing.name),
        expires_in_s=_ends_in_s(due, now),
        message=_message(due) if breaks else None,
        now=now,
    )
    session.execute(update(BudgetAct).where(BudgetAct.id == act_id).values(command_id=command.id, outcome="Commanded."))
    return 1


def _once(session: Session, due: Due, target: Target, outcome: str) -> int | None:
    terms = due.standing.terms
    values = {
        "line_id": due.line_id, "scenario_id": target.scenario_id, "tenant_id": target.tenant_id, "kind": terms.action,
        "level": terms.level, "outcome": outcome,
    }  # fmt: skip
    made: int | None = session.scalar(
        insert(BudgetAct).values(values).on_conflict_do_nothing().returning(BudgetAct.id)
    )  # fmt: skip
    return made


def _outcome(session: Session, act_id: int, words: str) -> None:
    session.execute(update(BudgetAct).where(BudgetAct.id == act_id).values(outcome=words))


def _held(session: Session, target: Target) -> DesiredState | None:
    return session.get(DesiredState, (target.scenario_id, target.tenant_id, 0))


def _ends_in_s(due: Due, now: datetime) -> float:
    """A command ends by itself a little after its window; one that people take back, after as long as any may last."""
    if due.standing.terms.way_back == "manual":
        return float(commands.EXPIRES_MAX_S)
    return min((due.ends_at - now).total_seconds() + GRACE_S, float(commands.EXPIRES_MAX_S))


def _message(due: Due) -> str:
    until = "" if due.standing.terms.way_back == "manual" else f" until {date(due.ends_at, due.standing.zone)}"
    return f"The budget {due.standing.name} is spent{until}. Please contact your administrator."


def actor(budget: str) -> str:
    """Under which name a budget commands."""
    return f"budget:{budget}"


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
        select(BudgetLine.id, BudgetLine.limit, BudgetWindow.limit, BudgetWindow.spent, BudgetWindow.ends_at)
        .add_columns(Budget.id, Budget.name, _newest_way_back())
        .join(BudgetWindow, BudgetWindow.id == BudgetLine.window_id)
        .join(Budget, Budget.id == BudgetWindow.budget_id)
        .where(BudgetLine.hard, BudgetLine.returned_at.is_(None), BudgetLine.commanded_at.is_not(None))
        .order_by(BudgetLine.id)
    )
    for line_id, drawn_at, limit, spent, ends_at, budget_id, name, way_back in session.execute(query):
        if budgets.one(budget_id, now) is None:
            yield line_id, name, f"Budget {name} has ended"
        elif way_back == "next_window" and ends_at <= now:
            yield line_id, name, f"Budget {name}: a new window began"
        elif limit > drawn_at and spent < limit:
            yield line_id, name, f"Budget {name}: its limit was raised"


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
            act_.outcome = "Another command came after it, so it was left alone."
            return 0
        given = session.get_one(Command, act_.command_id)
        command = commands.issue(
            session, kind="restore", scenario_id=act_.scenario_id, tenant_id=act_.tenant_id or None, reason=why,
            actor=actor_of or given.actor, now=now,
        )  # fmt: skip
        act_.returned_by, act_.outcome = command.id, "Taken back."
        return 1


def standing_lines(session: Session, budget_id: int) -> list[int]:
    """Hard lines of a budget whose commands were not taken back."""
    query = (
        select(BudgetLine.id)
        .join(BudgetWindow, BudgetWindow.id == BudgetLine.window_id)
        .where(BudgetWindow.budget_id == budget_id, BudgetLine.hard, BudgetLine.commanded_at.is_not(None))
        .where(BudgetLine.returned_at.is_(None))
        .order_by(BudgetLine.id)
        .limit(LINES_MAX)
    )
    return list(session.scalars(query))
