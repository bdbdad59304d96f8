"""Maintenance windows: the same each week, by the clock of a zone. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

MINUTES_MAX = 7 * 24 * 60
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True, slots=True)
class Window:
    """Begins at `starts` on each of `weekdays` (Monday is 0) and lasts `minutes`."""

    name: str
    matchers: tuple[str, ...]
    weekdays: tuple[int, ...]
    starts: time
    minutes: int
    zone: str
    reason: str = ""

    @property
    def words(self) -> str:
        days = ", ".join(DAYS[day] for day in sorted(self.weekdays))
        return f"{days} {self.starts:%H:%M} {self.zone} for {self.minutes} min"


def in_force(window: Window, now: datetime) -> datetime | None:
    """When the window that holds `now` ends; None where none does.

    The length is real time: where clocks change meanwhile it is as long as on other days. An hour that a change of clocks
    leaves out begins the window an hour later.
    """
    zone = ZoneInfo(window.zone)
    today = now.astimezone(zone).date()
    for back in range(window.minutes // 1440 + 2):
        day = today - timedelta(days=back)
        if day.weekday() in window.weekdays:
            begins = datetime.combine(day, window.starts, zone).astimezone(UTC)
            ends = begins + timedelta(minutes=window.minutes)
            if begins <= now < ends:
                return ends
    return None


def ends_of(windows: Sequence[Window], now: datetime) -> list[tuple[Window, datetime]]:
    """Those in force, each with its end."""
    return [(window, end) for window in windows if (end := in_force(window, now)) is not None]


def times(window: Window, since: datetime, until: datetime) -> list[tuple[datetime, datetime]]:
    """Each time of it that lies in part within [since, until), from when to when, the oldest first."""
    zone, length = ZoneInfo(window.zone), timedelta(minutes=window.minutes)
    first, last = (since - length).astimezone(zone).date(), until.astimezone(zone).date()
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    begins = [
        datetime.combine(day, window.starts, zone).astimezone(UTC) for day in days if day.weekday() in window.weekdays
    ]
    return [(begin, begin + length) for begin in begins if begin < until and begin + length > since]
