"""How a price paid for many months becomes hours that add up to it, to the pico. Pure.

A purchase (price less residual) or a commitment is split evenly over its months, each from the day and hour of its start to
the same of the next month (the last day of a shorter one), and each month evenly over its own hours. What a month costs for
operations is split over the hours of the UTC month. Both by largest remainder: where picos do not divide, the earlier months
and hours have one more.
"""

import calendar
from datetime import datetime, timedelta
from decimal import Decimal

from trivet.kit.money import from_picos, to_picos

HOUR = timedelta(hours=1)


def spread(total: Decimal, start: datetime, months: int, hour: datetime) -> Decimal:
    """The part of a total that the hour which begins at `hour` bears; 0 before the first month and after the last.

    `start` and `hour` fall on whole hours.
    """
    index = _months_between(start, hour)
    if not 0 <= index < months:
        return Decimal(0)
    first, after = later(start, index), later(start, index + 1)
    return from_picos(_part(_part(to_picos(total), months, index), (after - first) // HOUR, (hour - first) // HOUR))


def of_month(amount: Decimal, hour: datetime) -> Decimal:
    """The part of a UTC month's amount that one of its hours bears."""
    first = hour.replace(day=1, hour=0)
    return from_picos(_part(to_picos(amount), hours_of_month(hour), (hour - first) // HOUR))


def hours_of_month(at: datetime) -> int:
    """Hours of the UTC month that an instant lies in."""
    return calendar.monthrange(at.year, at.month)[1] * 24


def later(start: datetime, months: int) -> datetime:
    """The same day and hour some months later; the month's last day where it is shorter."""
    years, month = divmod(start.month - 1 + months, 12)
    year = start.year + years
    return start.replace(year=year, month=month + 1, day=min(start.day, calendar.monthrange(year, month + 1)[1]))


def _months_between(start: datetime, at: datetime) -> int:
    """How many whole months lie between; below 0 where `at` is earlier."""
    months = (at.year - start.year) * 12 + at.month - start.month
    return months if later(start, months) <= at else months - 1


def _part(whole: int, parts: int, index: int) -> int:
    """The part with that index of a whole split evenly by largest remainder."""
    each, left = divmod(whole, parts)
    return each + (1 if index < left else 0)
