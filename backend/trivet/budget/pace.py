"""Where a window ends at this pace: what was spent so far, stretched over the whole of it. Pure.

A pace is no forecast: it knows no weekdays and no interval. What `report` forecasts takes its place where there is one.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from trivet.kit.interval import Interval
from trivet.kit.money import EXACT, PICO

LEAST = Decimal("0.05")  # of a window must be gone before its pace says anything


@dataclass(frozen=True, slots=True)
class Pace:
    """How much of the window is gone, 0 to 1, and what it ends at; None where it is too early to say, or it is over."""

    gone: Decimal
    ends_at: Decimal | None


def pace(window: Interval, spent: Decimal, now: datetime) -> Pace:
    """The pace of a window at an instant."""
    whole = Decimal((window.end - window.start).total_seconds())
    past = Decimal((min(max(now, window.start), window.end) - window.start).total_seconds())
    gone = EXACT.divide(past, whole)
    if gone < LEAST or gone >= 1:
        return Pace(gone, None)
    return Pace(gone, EXACT.quantize(EXACT.divide(spent, gone), PICO))
