"""A month's days as bars from zero: solid what is posted, hollow what is provisional. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from trivet.console import format as say
from trivet.console.tongue import _
from trivet.kit.money import EXACT
from trivet.report.files.statement import Day

SLOT, GAP, HEIGHT, HEAD, FOOT = 27, 6, 148, 20, 24
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Bar:
    """One day, in the drawing's own units; `words` say it."""

    x: float
    posted_y: float
    posted_height: float
    open_y: float
    open_height: float
    label: str
    words: str


@dataclass(frozen=True, slots=True)
class Bars:
    """All days of a month, and the same in words."""

    bars: tuple[Bar, ...]
    zero: float
    says: str
    dearest: str
    width: int
    height: int = HEIGHT
    bar_width: int = SLOT - GAP


def draw(days: Sequence[Day], currency: str) -> Bars:
    """From the days of a month, oldest first. A day of credits hangs below the line."""
    top = max((day.amount for day in days), default=ZERO)
    bottom = min((day.amount for day in days), default=ZERO)
    low = min(bottom, ZERO)
    span = EXACT.subtract(max(top, ZERO), low) or Decimal(1)
    room = HEIGHT - HEAD - FOOT

    def units(amount: Decimal) -> float:
        return round(float(EXACT.divide(EXACT.multiply(amount, Decimal(room)), span)), 2)

    zero = HEAD + room + units(low)
    places = say.watched_places([day.amount for day in days])
    bars = []
    for n, day in enumerate(days):
        posted = units(EXACT.subtract(day.amount, day.provisional))
        open_ = units(day.provisional)
        words = f"{say.day(day.start)}: {say.amount(day.amount, places)} {currency}"
        if day.provisional:
            words = _("{said}, {amount} of it provisional", said=words, amount=say.amount(day.provisional, places))
        label = str(day.start.day) if n % 5 == 0 else ""
        bars.append(
            Bar(
                n * SLOT + 1, round(min(zero, zero - posted), 2), abs(posted), round(zero - posted - max(open_, 0.0), 2),
                abs(open_), label, words,
            )
        )  # fmt: skip
    told = [bar.words for bar, day in zip(bars, days, strict=True) if day.amount]
    says = "; ".join(told) if told else _("no cost on any day")
    at = max(range(len(bars)), key=lambda n: days[n].amount, default=None)
    dearest = _("dearest {day}", day=bars[at].words) if at is not None and days[at].amount else ""
    return Bars(tuple(bars), round(zero, 2), says, dearest, SLOT * len(bars))
