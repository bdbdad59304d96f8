"""Buckets of a cost report: hours, days or months, all UTC. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func

from trivet.kit.errors import Invalid
from trivet.kit.interval import Interval
from trivet.report.usage import BUCKETS_MAX

HOUR_S, DAY_S, MONTH_S = 3_600, 86_400, 2_419_200  # a month is 28 days at least


@dataclass(frozen=True, slots=True)
class Grain:
    """One width of buckets. `unit` is what PostgreSQL's `date_trunc` calls it; `least_s` its shortest."""

    unit: str
    least_s: int

    def floor(self, at: datetime) -> datetime:
        """Start of the bucket that holds an instant."""
        at = at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        if self.unit == "hour":
            return at
        return at.replace(hour=0) if self.unit == "day" else at.replace(hour=0, day=1)

    def after(self, start: datetime) -> datetime:
        """Start of the bucket after the one that starts here."""
        if self.unit == "month":
            return (start + timedelta(days=31)).replace(day=1)
        return start + timedelta(seconds=self.least_s)

    def sql(self, column: Any) -> Any:
        """The bucket of a column of instants."""
        return func.date_trunc(self.unit, column, "UTC")

    def starts(self, interval: Interval) -> Iterator[datetime]:
        """Starts of all buckets that an interval touches, oldest first."""
        at = self.floor(interval.start)
        while at < interval.end:
            yield at
            at = self.after(at)


HOUR, DAY, MONTH = Grain("hour", HOUR_S), Grain("day", DAY_S), Grain("month", MONTH_S)
GRAINS = {"1h": HOUR, "1d": DAY, "1mo": MONTH}


def parse(interval: Interval, grain: str | None) -> Grain | None:
    """The grain of a name; `Invalid` for an unknown one, and where it would give too many buckets."""
    if grain is None:
        return None
    if grain not in GRAINS:
        raise Invalid(f"Costs are by {', '.join(GRAINS)}.", field="grain")
    if interval.seconds / GRAINS[grain].least_s > BUCKETS_MAX:
        raise Invalid(f"That is more than {BUCKETS_MAX} buckets: choose a coarser grain.", field="grain")
    return GRAINS[grain]
