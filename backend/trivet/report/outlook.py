"""What a month comes to, by group: the costs of its days so far, those of the weeks before, and a forecast of the rest."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy.orm import Session

from trivet.kit.clock import floor
from trivet.kit.errors import Invalid
from trivet.kit.interval import Interval
from trivet.kit.money import EXACT
from trivet.ledger.service import posted_until
from trivet.report.costs import Costs, costs
from trivet.report.forecast import MonthEnd, month_end
from trivet.report.grain import DAY

WEEKS_BACK = 12
ZERO = Decimal(0)
TEN_S = 10  # open hours are read from rollups of so many seconds

Group = tuple[tuple[Any, ...], str]  # key, currency


@dataclass(frozen=True, slots=True)
class Outlook:
    """One group's month in one currency."""

    key: tuple[Any, ...]
    currency: str
    month: MonthEnd


def outlook(
    session: Session,
    month: Interval,
    now: datetime,
    group_by: Sequence[str],
    where: Mapping[str, Collection[Any]],
    *,
    cost_centre_depth: int | None = None,
) -> list[Outlook]:
    """Each group's forecast for a month that has begun; without a group of the whole, with what nobody bears.

    `Invalid` for a month that has not begun.
    """
    if now <= month.start:
        raise Invalid("That month has not begun: a forecast is made from its days so far.", field="month")
    today = min(DAY.floor(now), month.end)
    end = min(floor(now, TEN_S), month.end)
    first = month.start - timedelta(weeks=WEEKS_BACK)

    def ask(interval: Interval, grain: str | None = None) -> Costs:
        return costs(
            session, interval, group_by, where, grain=grain, cost_centre_depth=cost_centre_depth, groups_max=GROUPS_MAX
        )  # fmt: skip

    daily = by_day(ask(Interval(first, today), "1d"), whole=not group_by)
    if (until := posted_until(session)) is not None and today < end <= until:
        end = floor(end, 3600)  # posted hours are whole
    so_far = by_group(ask(Interval(today, end)), whole=not group_by) if today < end else {}
    days_left = round((month.end - today) / timedelta(days=1))
    return [
        Outlook(key, currency, _told(daily.get((key, currency), {}), month, today, days_left, so_far.get((key, currency))))
        for key, currency in sorted(daily.keys() | so_far.keys())
    ]  # fmt: skip


GROUPS_MAX = 500_000  # days × groups


def by_group(found: Costs, *, whole: bool) -> dict[Group, Decimal]:
    """Amounts by group; of the `whole` with what nobody bears. Pure."""
    if whole:
        return {((), currency): totals.total for currency, totals in found.totals.items()}
    return {(row.key, row.currency): row.amount for row in found.rows}


def by_day(found: Costs, *, whole: bool) -> dict[Group, dict[date, Decimal]]:
    """Amounts by group and day; of the `whole` with what nobody bears. Pure."""
    daily: dict[Group, dict[date, Decimal]] = {}
    rows = [(row.key, row.currency, row.amount) for row in found.rows]
    rows += [(row.key, row.currency, row.amount) for row in found.apart] if whole else []
    for (*key, bucket), currency, amount in rows:
        own = daily.setdefault((tuple(key), currency), {})
        day = datetime.fromisoformat(bucket).astimezone(UTC).date()
        own[day] = EXACT.add(own.get(day, ZERO), amount)
    return daily


def _told(
    daily: Mapping[date, Decimal], month: Interval, today: datetime, days_left: int, begun: Decimal | None
) -> MonthEnd:
    start, last = min(daily, default=today.date()), today.date()
    days = [start + timedelta(days=n) for n in range((last - start).days)]
    amounts = [daily.get(day, ZERO) for day in days]
    spent = begun or ZERO
    for day, amount in zip(days, amounts, strict=True):
        if day >= month.start.date():
            spent = EXACT.add(spent, amount)
    return month_end(amounts, spent, last, days_left, begun or ZERO)
