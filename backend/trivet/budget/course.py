"""How a window came to what is spent in it, and what it is likely to end at. The counters say it: what the window sums."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy.orm import Session

from trivet.budget import counters
from trivet.budget.book import Standing
from trivet.budget.models import BudgetWindow
from trivet.budget.opening import tree_for
from trivet.budget.sums import Part
from trivet.kit.clock import floor
from trivet.kit.interval import Interval
from trivet.kit.money import EXACT

DAY = timedelta(days=1)
HISTORY_DAYS = 56  # of whole days before today, from which what is left is forecast
SLICES = 12  # of a window of a day
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Course:
    """`points` are what was spent up to an instant, ascending, the last one now. `daily` are whole UTC days, oldest first."""

    points: tuple[tuple[datetime, Decimal], ...]
    daily: tuple[Decimal, ...]
    begun: Decimal  # of today


def course(session: Session, standing: Standing, window: BudgetWindow, now: datetime) -> Course:
    """The course of one window. Foreign currencies, which are converted as a whole, come in with its last point."""
    tree, until = tree_for(session, [standing]), min(now, window.ends_at)

    def between(start: datetime, end: datetime) -> list[Part]:
        if start >= end:
            return []
        of = counters.parts_of(session, standing, [window.subject_id], Interval(start, end), tree)
        return of.get(window.subject_id, [])

    today = floor(now, counters.DAY_S)
    by_day = _by_day(standing, between(min(today - DAY * HISTORY_DAYS, window.starts_at), today + DAY))
    if standing.window == "day":
        step = (window.ends_at - window.starts_at) / SLICES
        starts = [window.starts_at + step * n for n in range(SLICES) if window.starts_at + step * n < until]
        steps = [(min(at + step, until), _total(standing, between(at, min(at + step, until)))) for at in starts]
    else:
        inside = [day for day in sorted(by_day) if window.starts_at - DAY < day < until]
        steps = [(min(day + DAY, until), by_day[day]) for day in inside if day >= window.starts_at]
        first = _total(standing, between(window.starts_at, min(_next_day(window.starts_at), until)))
        if _next_day(window.starts_at) != window.starts_at + DAY and first:
            steps.insert(0, (_next_day(window.starts_at), first))
    oldest = min(by_day, default=today)
    days = int((today - oldest) / DAY)
    daily = tuple(by_day.get(oldest + DAY * n, ZERO) for n in range(days))
    return Course(_added_up(window, steps, until), daily, by_day.get(today, ZERO))


def _next_day(at: datetime) -> datetime:
    return floor(at, counters.DAY_S) + DAY


def _by_day(standing: Standing, parts: Sequence[Part]) -> dict[datetime, Decimal]:
    found: defaultdict[datetime, Decimal] = defaultdict(Decimal)
    for part in parts:
        found[part.day] = EXACT.add(found[part.day], _of(standing, part))
    return found


def _total(standing: Standing, parts: Sequence[Part]) -> Decimal:
    total = ZERO
    for part in parts:
        total = EXACT.add(total, _of(standing, part))
    return total


def _of(standing: Standing, part: Part) -> Decimal:
    if standing.measure == "money":
        return part.cost if part.currency == standing.currency else ZERO
    return Decimal(part.tokens if standing.measure == "tokens" else part.requests)


def _added_up(
    window: BudgetWindow, steps: Sequence[tuple[datetime, Decimal]], until: datetime
) -> tuple[tuple[datetime, Decimal], ...]:
    points, total = [(window.starts_at, ZERO)], ZERO
    for at, amount in steps:
        total = EXACT.add(total, amount)
        points.append((at, total))
    return (*(point for point in points if point[0] < until), (until, window.spent))
