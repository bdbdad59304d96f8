"""Windows of budgets: days, weeks and months of the owner's calendar. Pure.

A window begins at midnight, on Monday or on the first, by the clock of its zone, whatever was used when: a day that changes
clocks has 23 or 25 hours. Windows of one kind and zone follow each other without a gap.
"""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from trivet.kit.body import EARLIEST, LATEST
from trivet.kit.errors import Invalid
from trivet.kit.interval import Interval

CALENDAR = ("day", "week", "month")
ALWAYS = Interval(EARLIEST, LATEST)  # an interaction is one whole, however long it takes
_DAY = timedelta(days=1)


def zone_of(name: str) -> ZoneInfo:
    """An IANA zone by name; `Invalid` for any other."""
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError) as unknown:  # ZoneInfoNotFoundError is a KeyError
        raise Invalid(
            f"There is no time zone {name!r}: write its IANA name, such as Europe/Berlin or UTC.", field="zone"
        ) from unknown


def window_at(kind: str, zone: ZoneInfo, at: datetime) -> Interval:
    """The window of a kind (`day`, `week`, `month`) that holds an instant; of an interaction: all of time."""
    if kind == "interaction":
        return ALWAYS
    first = _first(kind, at.astimezone(zone).date())
    found = _between(zone, first, _after(kind, first))
    # Where clocks go back over midnight, a date is told twice: what is told of it again belongs to what came between.
    return found if found.contains(at) else _between(zone, after := _after(kind, first), _after(kind, after))


def following(kind: str, zone: ZoneInfo, window: Interval) -> Interval:
    """The window after a window."""
    return window_at(kind, zone, window.end)


def _first(kind: str, day: date) -> date:
    if kind == "week":
        return day - _DAY * day.weekday()
    return day.replace(day=1) if kind == "month" else day


def _after(kind: str, first: date) -> date:
    if kind == "month":
        return (first + 31 * _DAY).replace(day=1)
    return first + (7 * _DAY if kind == "week" else _DAY)


def _between(zone: ZoneInfo, first: date, after: date) -> Interval:
    return Interval(_midnight(zone, first), _midnight(zone, after))


def _midnight(zone: ZoneInfo, day: date) -> datetime:
    """When a day begins. Clocks that skip midnight begin it at the jump, which is what its old offset says too."""
    return datetime.combine(day, time(), zone).astimezone(UTC)
