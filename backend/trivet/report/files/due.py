"""When a schedule is due, and which stretch of time its file is of. Pure."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from trivet.budget.windows import window_at, zone_of
from trivet.kit.errors import Invalid
from trivet.kit.interval import Interval

GRACE = timedelta(minutes=10)  # after the end of what a file is of, so that its last hour is posted
MISSED_MAX = 1_000
_AT = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")


@dataclass(frozen=True, slots=True)
class Rhythm:
    """Every day, every Monday, or every first of a month, at a time of a zone."""

    every: str
    at: str
    zone: str


@dataclass(frozen=True, slots=True)
class Due:
    """A time at which a file is due, and what it is of: the UTC day, week or month before."""

    at: datetime
    covers: Interval


def check(rhythm: Rhythm) -> None:
    """`Invalid` for a time of day or a zone that is none."""
    zone_of(rhythm.zone)
    if not _AT.fullmatch(rhythm.at):
        raise Invalid(f"{rhythm.at[:20]!r} is no time of day: write one such as 08:00.", field="at")


def newest(rhythm: Rhythm, now: datetime) -> Due:
    """The newest time that has come."""
    zone = zone_of(rhythm.zone)
    window = window_at(rhythm.every, zone, now)
    for _ in range(3):
        due = _due(rhythm, window.start.astimezone(zone).date())
        if due.at <= now:
            return due
        window = window_at(rhythm.every, zone, window.start - timedelta(hours=1))
    raise AssertionError("a time of day comes within two windows")


def following(rhythm: Rhythm, now: datetime) -> Due:
    """The next time that has not come."""
    zone = zone_of(rhythm.zone)
    window = window_at(rhythm.every, zone, now)
    for _ in range(3):
        due = _due(rhythm, window.start.astimezone(zone).date())
        if due.at > now:
            return due
        window = window_at(rhythm.every, zone, window.end + timedelta(hours=1))
    raise AssertionError("a time of day comes within two windows")


def missed(rhythm: Rhythm, after: datetime, due: Due) -> int:
    """How many times lie after an instant and before this one, up to `MISSED_MAX`."""
    count, at = 0, due.at
    while count < MISSED_MAX:
        before = newest(rhythm, at - timedelta(microseconds=1))
        if before.at <= after:
            return count
        count, at = count + 1, before.at
    return count


def of_month(rhythm: Rhythm, month: Interval) -> Due:
    """When a month's file is due: on the first day after it, at the time of day."""
    return _due(rhythm, month.end.date(), month)


def _due(rhythm: Rhythm, first: date, covers: Interval | None = None) -> Due:
    zone = zone_of(rhythm.zone)
    hours, minutes = (int(part) for part in rhythm.at.split(":"))
    covered = covers or _before(rhythm.every, first)
    told = datetime.combine(first, time(hours, minutes), zone).astimezone(UTC)
    return Due(max(told, covered.end + GRACE), covered)


def _before(every: str, first: date) -> Interval:
    """The UTC day, week or month that ends where this day begins."""
    end = datetime.combine(first, time(), UTC)
    if every == "month":
        return Interval((end - timedelta(days=1)).replace(day=1), end)
    return Interval(end - timedelta(days=7 if every == "week" else 1), end)
