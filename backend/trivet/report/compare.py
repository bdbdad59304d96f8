"""What an interval's costs are held against: the one before it, or budgets."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet.budget.models import Budget, BudgetTerms
from trivet.budget.windows import window_at, zone_of
from trivet.kit.interval import Interval
from trivet.kit.money import EXACT, PICO
from trivet.report import names
from trivet.report.grain import HOUR, MONTH
from trivet.report.limits import GROUPS_MAX

SCOPES = ("cost_centre", "tenant", "scenario", "global")
WINDOWED = ("day", "week", "month")
WINDOWS_MAX = 1_000  # of one budget in one interval
ZERO = Decimal(0)


def previous(interval: Interval) -> Interval:
    """The interval before: of whole months as many months, of the first days of a month those of the month before.

    Of anything else as long a stretch, right before. An hour that has begun counts whole, as what was is posted. Pure.
    """
    start, end = interval.start, interval.end
    if HOUR.floor(end) != end:
        end = HOUR.after(HOUR.floor(end))
    first = MONTH.floor(start)
    if first != start:
        return Interval(start - (end - start), start)
    if MONTH.floor(end) == end:
        months = sum(1 for _ in MONTH.starts(interval))
        for _ in range(months):
            first = MONTH.floor(first - timedelta(days=1))
        return Interval(first, start)
    if end > MONTH.after(start):
        return Interval(start - (end - start), start)
    before = MONTH.floor(start - timedelta(days=1))
    return Interval(before, min(before + (end - start), start))


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit on a subject (0: each of its scope) from an instant on. `window` is day, week or month in `zone`."""

    scope: str
    subject_id: int
    currency: str
    window: str
    zone: str
    terms: tuple[tuple[datetime, Decimal | None], ...]  # from when on, how much; None: it ended

    def at(self, instant: datetime) -> Decimal | None:
        """What may be spent in the window that holds an instant; None where the budget does not hold."""
        held = [amount for start, amount in self.terms if start <= instant]
        return held[-1] if held else None

    def within(self, interval: Interval) -> Decimal | None:
        """What may be spent in an interval: each window's limit by the share of it that lies inside. Pure and exact."""
        zone, at, total, any_ = zone_of(self.zone), interval.start, ZERO, False
        for _ in range(WINDOWS_MAX):
            if at >= interval.end:
                break
            window = window_at(self.window, zone, at)
            inside = min(window.end, interval.end) - at
            amount = self.at(max(window.start, at))
            if amount is not None:
                whole = window.end - window.start
                part = EXACT.multiply(amount, Decimal(int(inside.total_seconds())))
                total, any_ = EXACT.add(total, EXACT.divide(part, Decimal(int(whole.total_seconds())))), True
            at = window.end
        return EXACT.quantize(total, PICO) if any_ else None


def limits(session: Session) -> list[Limit]:
    """Every budget in money over a window of time whose subject a cost report can show."""
    rows = session.execute(
        select(Budget, BudgetTerms)
        .join(BudgetTerms, BudgetTerms.budget_id == Budget.id)
        .where(Budget.measure == "money", Budget.scope.in_(SCOPES), Budget.window.in_(WINDOWED))
        .where(Budget.tenant_id == 0, Budget.scenario_id == 0)
        .order_by(Budget.id, BudgetTerms.effective_from)
        .limit(GROUPS_MAX)
    )
    found: dict[int, tuple[Any, list[tuple[datetime, Decimal | None]]]] = {}
    for budget, terms in rows:
        found.setdefault(budget.id, (budget, []))[1].append(
            (terms.effective_from, None if terms.ended else terms.limit)
        )
    return [
        Limit(row.scope, row.subject_id, row.currency, row.window, row.zone, tuple(terms))
        for row, terms in found.values()
    ]


def budgets(
    session: Session, interval: Interval, dimension: str, keys: Iterable[str]
) -> dict[tuple[str, str], Decimal]:
    """{(name, currency): budget of an interval} of names of a dimension of `SCOPES`; of several the smallest.

    `global` is under the name "". Names without a budget are not there.
    """
    own = [(limit, limit.within(interval)) for limit in limits(session) if limit.scope == dimension]
    ids = _ids(session, dimension, keys) if own and dimension != "global" else {"": 0}
    found: dict[tuple[str, str], Decimal] = {}
    for limit, amount in own:
        for name, row_id in ids.items():
            if amount is not None and limit.subject_id in (0, row_id):
                key = (name, limit.currency)
                found[key] = min(found.get(key, amount), amount)
    return found


def _ids(session: Session, dimension: str, keys: Iterable[str]) -> Mapping[str, int]:
    _, table = names.TABLES[dimension]
    wanted = sorted(set(keys) - {names.said(dimension, None)})
    return dict(session.execute(select(table.name, table.id).where(table.name.in_(wanted))).all())
