"""Budgets as pages and the API show them: each with its windows of now, the lines they crossed, and what was done."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from trivet.budget.book import Standing, book
from trivet.budget.lines import Overshoot, overshoot
from trivet.budget.models import Budget, BudgetAct, BudgetLine, BudgetOver, BudgetOverDay, BudgetTerms, BudgetWindow
from trivet.budget.names import Names, names, whose
from trivet.budget.pace import Pace, pace
from trivet.identity.models import ApiKey
from trivet.ingest.models import EndUser
from trivet.kit.interval import Interval
from trivet.rollup.read import one_of

CROSSINGS_MAX = 200


@dataclass(frozen=True, slots=True)
class OneWindow:
    """A window, whose it is in words and by name alone ("" for everyone), and where it ends at this pace."""

    row: BudgetWindow
    whose: str
    subject: str
    pace: Pace


@dataclass(frozen=True, slots=True)
class OneBudget:
    """A budget with the terms that hold now (None before its start and after its end), and how it stands.

    `foremost` is the window of now that is nearest to its limit; `open` counts those of now.
    """

    row: Budget
    standing: Standing | None
    terms: BudgetTerms
    subject: str
    tenant: str
    scenario: str
    open: int
    foremost: OneWindow | None
    over: int


@dataclass(frozen=True, slots=True)
class Crossing:
    """A line that was crossed, in which window, and what was done about it."""

    row: BudgetLine
    budget: str
    window: OneWindow
    overshoot: Overshoot
    acts: tuple[tuple[BudgetAct, str, str], ...]  # with the names of the scenario and the tenant


def visible(tenant_id: int | None) -> ColumnElement[bool]:
    """Budgets that concern a tenant; all of them for the platform."""
    if tenant_id is None:
        return Budget.id == Budget.id
    own_key = select(ApiKey.id).where(ApiKey.tenant_id == tenant_id)
    return or_(
        and_(Budget.scope == "tenant", Budget.subject_id.in_([0, tenant_id])),
        and_(Budget.scope == "key", or_(Budget.subject_id == 0, Budget.subject_id.in_(own_key))),
        and_(Budget.scope.in_(["end_user", "request", "interaction"]), Budget.tenant_id.in_([0, tenant_id])),
    )


def own_windows(tenant_id: int | None) -> ColumnElement[bool]:
    """Windows that concern a tenant, of budgets that it may see."""
    if tenant_id is None:
        return BudgetWindow.id == BudgetWindow.id
    return or_(
        and_(Budget.scope.in_(["tenant", "interaction"]), BudgetWindow.subject_id == tenant_id),
        and_(
            Budget.scope == "key",
            BudgetWindow.subject_id.in_(select(ApiKey.id).where(ApiKey.tenant_id == tenant_id)),
        ),
        and_(
            Budget.scope == "end_user",
            BudgetWindow.subject_id.in_(select(EndUser.id).where(EndUser.tenant_id == tenant_id)),
        ),
    )


def budgets(
    session: Session,
    now: datetime,
    *,
    tenant_id: int | None = None,
    after: str = "",
    limit: int,
    name: str = "",
    scope: str = "",
) -> list[OneBudget]:
    """Budgets by name, those that ended with the terms they had."""
    query = select(Budget).where(visible(tenant_id), Budget.name > after).order_by(Budget.name).limit(limit)
    query = query.where(Budget.scope == scope) if scope else query
    rows = list(session.scalars(query.where(Budget.name == name) if name else query))
    ids = [row.id for row in rows]
    standings = book(session)
    terms = _terms(session, ids, now)
    foremost, counts = _foremost(session, ids, now, tenant_id)
    over = _over(session, ids) if tenant_id is None else {}
    wanted = [(row.scope, row.subject_id) for row in rows] + [("tenant", row.tenant_id) for row in rows]
    wanted += [("scenario", row.scenario_id) for row in rows]
    wanted += [(row.scope, foremost[row.id].subject_id) for row in rows if row.id in foremost]
    found = names(session, wanted)
    return [
        OneBudget(
            row, standings.one(row.id, now), terms[row.id], found.of(row.scope, row.subject_id),
            found.of("tenant", row.tenant_id), found.of("scenario", row.scenario_id), counts.get(row.id, 0),
            _one(row, foremost[row.id], found, now) if row.id in foremost else None, over.get(row.id, 0),
        )
        for row in rows
    ]  # fmt: skip


def _terms(session: Session, ids: Collection[int], now: datetime) -> dict[int, BudgetTerms]:
    """Terms that hold now; of budgets to come, the first."""
    found: dict[int, BudgetTerms] = {}
    query = select(BudgetTerms).where(one_of(BudgetTerms.budget_id, ids)).order_by(BudgetTerms.effective_from)
    for row in session.scalars(query):
        if row.effective_from <= now or row.budget_id not in found:
            found[row.budget_id] = row
    return found


def _foremost(
    session: Session, ids: Collection[int], now: datetime, tenant_id: int | None
) -> tuple[dict[int, BudgetWindow], dict[int, int]]:
    """Of each budget the window of now that is nearest to its limit, and how many there are."""
    now_open = (
        one_of(BudgetWindow.budget_id, ids), BudgetWindow.starts_at <= now, BudgetWindow.ends_at > now,
        own_windows(tenant_id),
    )  # fmt: skip
    share = (BudgetWindow.spent + BudgetWindow.held) / BudgetWindow.limit
    rank = func.row_number().over(partition_by=BudgetWindow.budget_id, order_by=(share.desc(), BudgetWindow.id))
    ranked = (
        select(BudgetWindow.id, rank.label("rank"), func.count().over(partition_by=BudgetWindow.budget_id).label("n"))
        .join(Budget, Budget.id == BudgetWindow.budget_id)
        .where(*now_open)
        .subquery()
    )
    query = select(BudgetWindow, ranked.c.n).join(ranked, ranked.c.id == BudgetWindow.id).where(ranked.c.rank == 1)
    rows = list(session.execute(query))
    return {window.budget_id: window for window, _ in rows}, {window.budget_id: n for window, n in rows}


def _over(session: Session, ids: Collection[int]) -> dict[int, int]:
    query = select(BudgetOverDay.budget_id, func.sum(BudgetOverDay.items)).where(one_of(BudgetOverDay.budget_id, ids))
    return {budget_id: int(count) for budget_id, count in session.execute(query.group_by(BudgetOverDay.budget_id))}


def _one(budget: Budget, row: BudgetWindow, found: Names, now: datetime) -> OneWindow:
    of = whose(budget.scope, found, row.subject_id, row.interaction)
    return OneWindow(
        row, of, found.of(budget.scope, row.subject_id), pace(Interval(row.starts_at, row.ends_at), row.spent, now)
    )


def windows(
    session: Session,
    budget: Budget,
    now: datetime,
    *,
    tenant_id: int | None = None,
    before: int | None = None,
    limit: int,
) -> list[OneWindow]:
    """Windows of one budget, newest first; `before` is the id of the last one seen."""
    query = (
        select(BudgetWindow)
        .join(Budget, Budget.id == BudgetWindow.budget_id)
        .where(BudgetWindow.budget_id == budget.id, own_windows(tenant_id))
    )
    if before is not None:
        query = query.where(BudgetWindow.id < before)
    rows = list(session.scalars(query.order_by(BudgetWindow.id.desc()).limit(limit)))
    found = names(session, [(budget.scope, row.subject_id) for row in rows])
    return [_one(budget, row, found, now) for row in rows]


def current(
    session: Session, now: datetime, scopes: Collection[str], *, tenant_id: int | None = None, limit: int
) -> list[tuple[Budget, OneWindow]]:
    """Windows of now of budgets in money of some scopes, the one nearest to its limit first."""
    share = (BudgetWindow.spent + BudgetWindow.held) / func.nullif(BudgetWindow.limit, 0)
    query = (
        select(Budget, BudgetWindow)
        .join(BudgetWindow, BudgetWindow.budget_id == Budget.id)
        .where(Budget.scope.in_(scopes), Budget.measure == "money", visible(tenant_id), own_windows(tenant_id))
        .where(BudgetWindow.starts_at <= now, BudgetWindow.ends_at > now)
        .order_by(share.desc().nulls_first(), BudgetWindow.id)
        .limit(limit)
    )
    rows = [(budget, window) for budget, window in session.execute(query)]
    found = names(session, [(budget.scope, window.subject_id) for budget, window in rows])
    return [(budget, _one(budget, window, found, now)) for budget, window in rows]


def crossings(
    session: Session,
    now: datetime,
    *,
    budget_id: int | None = None,
    tenant_id: int | None = None,
    telling: bool = False,
    limit: int,
) -> list[Crossing]:
    """Lines that were crossed, newest first, with what was done. `telling`: only those that a message named, or hard."""
    query = (
        select(BudgetLine, BudgetWindow, Budget)
        .join(BudgetWindow, BudgetWindow.id == BudgetLine.window_id)
        .join(Budget, Budget.id == BudgetWindow.budget_id)
        .where(own_windows(tenant_id))
    )
    if budget_id is not None:
        query = query.where(Budget.id == budget_id)
    if telling:
        query = query.where(or_(BudgetLine.told, BudgetLine.hard))
    rows = session.execute(query.order_by(BudgetLine.id.desc()).limit(min(limit, CROSSINGS_MAX))).all()
    acts = _acts(session, [line.id for line, _, _ in rows])
    wanted = [(budget.scope, window.subject_id) for _, window, budget in rows]
    wanted += [("tenant", act.tenant_id) for own in acts.values() for act in own]
    wanted += [("scenario", act.scenario_id) for own in acts.values() for act in own]
    found = names(session, wanted)
    return [
        Crossing(
            line, budget.name, _one(budget, window, found, now),
            overshoot(line.breached_at, line.commanded_at, line.spent, line.limit),
            tuple(
                (act, found.of("scenario", act.scenario_id), found.of("tenant", act.tenant_id))
                for act in acts.get(line.id, ())
            ),
        )
        for line, window, budget in rows
    ]  # fmt: skip


def _acts(session: Session, ids: Collection[int]) -> dict[int, list[BudgetAct]]:
    made: dict[int, list[BudgetAct]] = {}
    for act in session.scalars(select(BudgetAct).where(one_of(BudgetAct.line_id, ids)).order_by(BudgetAct.id)):
        made.setdefault(act.line_id, []).append(act)
    return made


def over(session: Session, budget_id: int, *, tenant_id: int | None = None, limit: int) -> list[tuple[Any, str, str]]:
    """Requests or interactions over a budget, newest first, with the names of their tenant and scenario."""
    query = select(BudgetOver).where(BudgetOver.budget_id == budget_id).order_by(BudgetOver.id.desc()).limit(limit)
    if tenant_id is not None:
        query = query.where(BudgetOver.tenant_id == tenant_id)
    rows = list(session.scalars(query))
    found = names(session, _places(rows))
    return [(row, found.of("tenant", row.tenant_id), found.of("scenario", row.scenario_id)) for row in rows]


def _places(rows: Iterable[BudgetOver]) -> list[tuple[str, int]]:
    return [pair for row in rows for pair in (("tenant", row.tenant_id), ("scenario", row.scenario_id))]
