"""What hard lines command: one command for each scenario and tenant, each in a transaction of its own.

A row of `budget_act` is written with its command, and there is one at most for a line, a scenario and a tenant: two workers,
or one that starts again, give no second command. Where something stands that is no lower, it waits until that ends.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trivet import db
from trivet.budget.book import Book, Standing, book
from trivet.budget.centres import centres
from trivet.budget.models import BudgetAct, BudgetLine, BudgetWindow
from trivet.budget.words import date
from trivet.card import service as cards
from trivet.command import service as commands
from trivet.command.models import DesiredState
from trivet.identity.models import ApiKey
from trivet.kit.errors import TrivetError
from trivet.tenant.models import TenantCostCentre

LINES_MAX = 100  # acted on in one run
SCOPES_MAX = 2_000  # scenarios × tenants that one line commands
GRACE_S = 60.0  # past its window a command ends by itself, should nobody be there to take it back
COMMANDED = "Commanded."
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
    given = sum(_act(each, now) for each in due)
    with db.transaction() as session:
        waited = list(_waited(session, now))
    return given + sum(_command(each, target, now) for each, target in waited)


def _due(session: Session, now: datetime) -> Iterator[Due]:
    budgets = book(session)
    query = (
        select(BudgetLine, BudgetWindow)
        .join(BudgetWindow, BudgetWindow.id == BudgetLine.window_id)
        .where(BudgetLine.hard, BudgetLine.returned_at.is_(None), BudgetLine.acted_at.is_(None))
        .order_by(BudgetLine.id)
        .limit(LINES_MAX)
    )
    for line, window in session.execute(query):
        due = _still(budgets, line, window, now)
        if due is None:
            line.returned_at = now  # it ended before anything was done
        else:
            yield due


def _still(budgets: Book, line: BudgetLine, window: BudgetWindow, now: datetime) -> Due | None:
    """The line with its budget; None where that commands it no more."""
    standing = budgets.one(window.budget_id, now)
    if standing is None or window.ends_at <= now or budgets.ordered_since(standing) != line.terms_id:
        return None
    return Due(line.id, line.reason, window.subject_id, window.ends_at, standing)


def _waited(session: Session, now: datetime) -> Iterator[tuple[Due, Target]]:
    """What waited for something that stood no lower, and that is over."""
    budgets = book(session)
    state = DesiredState
    lower = or_(
        state.command_id.is_(None), ~state.broken & or_(BudgetAct.kind == "break", state.level < BudgetAct.level)
    )
    query = (
        select(BudgetLine, BudgetWindow, BudgetAct.scenario_id, BudgetAct.tenant_id)
        .join(BudgetLine, BudgetLine.id == BudgetAct.line_id)
        .join(BudgetWindow, BudgetWindow.id == BudgetLine.window_id)
        .outerjoin(
            state,
            and_(
                state.scenario_id == BudgetAct.scenario_id,
                state.tenant_id == BudgetAct.tenant_id,
                state.backend_id == 0,
            ),
        )
        .where(BudgetAct.waits, BudgetLine.hard, BudgetLine.returned_at.is_(None), BudgetWindow.ends_at > now, lower)
        .order_by(BudgetAct.id)
        .limit(LINES_MAX)
    )
    rows = session.execute(query).all()
    active = cards.active(session, sorted({scenario_id for _, _, scenario_id, _ in rows})) if rows else {}
    for line, window, scenario_id, tenant_id in rows:
        due = _still(budgets, line, window, now)
        if due is not None and scenario_id in active:
            yield due, Target(scenario_id, tenant_id, active[scenario_id].card.top)


def _act(due: Due, now: datetime) -> int:
    with db.transaction() as session:
        targets = list(_targets(session, due, now))
    given = sum(_command(due, target, now) for target in targets)
    with db.transaction() as session:
        line = session.get_one(BudgetLine, due.line_id, with_for_update=True)
        line.acted_at = now
        mine = select(BudgetAct.id).where(BudgetAct.line_id == due.line_id)
        if session.scalar(mine.where(BudgetAct.waits | BudgetAct.command_id.is_not(None)).limit(1)) is None:
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
            if act_id := _mine(session, due, target):
                _note(session, act_id, waits=False, outcome=f"Refused: {refused.detail}")
        return 0


def _issue(session: Session, due: Due, target: Target, now: datetime) -> int:
    commands.lock_generation(session, target.scenario_id, now, step=0)
    act_id = _mine(session, due, target)
    if act_id is None:
        return 0
    standing = due.standing
    level = _level(due, target)
    held = _held(session, target)
    if held is not None and (held.broken or (standing.terms.action == "degrade" and held.level >= (level or 0))):
        what = "cut off" if held.broken else f"at level {held.level}"
        _note(session, act_id, waits=True, outcome=f"It was {what} already: {held.cause}")
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
    _note(session, act_id, command_id=command.id, waits=False, outcome=COMMANDED)
    first = (BudgetLine.id == due.line_id, BudgetLine.commanded_at.is_(None))
    session.execute(update(BudgetLine).where(*first).values(commanded_at=now))
    return 1


def _level(due: Due, target: Target) -> int | None:
    return min(due.standing.terms.level or 0, target.top) or None


def _mine(session: Session, due: Due, target: Target) -> int | None:
    """The row of this line and place, new or one that waits; None where it was acted on."""
    values = {
        "line_id": due.line_id, "scenario_id": target.scenario_id, "tenant_id": target.tenant_id,
        "kind": due.standing.terms.action, "level": _level(due, target), "outcome": "",
    }  # fmt: skip
    made: int | None = session.scalar(
        insert(BudgetAct).values(values).on_conflict_do_nothing().returning(BudgetAct.id)
    )  # fmt: skip
    if made is not None:
        return made
    own = (getattr(BudgetAct, name) == values[name] for name in ("line_id", "scenario_id", "tenant_id"))
    found: int | None = session.scalar(select(BudgetAct.id).where(*own, BudgetAct.waits).with_for_update())
    return found


def _note(session: Session, act_id: int, **values: object) -> None:
    session.execute(update(BudgetAct).where(BudgetAct.id == act_id).values(**values))


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
