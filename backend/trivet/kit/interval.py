"""Half-open stretches of time, [start, end), aware UTC."""

from dataclasses import dataclass
from datetime import UTC, datetime

from trivet.kit.errors import Invalid


@dataclass(frozen=True, slots=True)
class Interval:
    """[start, end). Any stretch of time that is not a finance period."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise Invalid("A time needs its zone: write 2026-11-21T07:00:00Z.", field="from")
        if self.end <= self.start:
            raise Invalid("`to` must be later than `from`; the interval is half-open.", field="to")

    def contains(self, at: datetime) -> bool:
        return self.start <= at < self.end

    @property
    def seconds(self) -> float:
        return (self.end - self.start).total_seconds()


def month_of(at: datetime) -> str:
    """The finance period (UTC month) of an instant: `2026-11`."""
    return at.astimezone(UTC).strftime("%Y-%m")
