"""The strip of months: a bar each, from zero; solid where closed, hollow where open, dashed where asked for. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from trivet.console import format as say
from trivet.console.tongue import _, language

SLOT, HEIGHT, HEAD, FOOT = 80, 148, 20, 24
MONTHS_MAX = 12
GAP = 12


@dataclass(frozen=True, slots=True)
class Bar:
    """One month: a rectangle with its label beneath and its amount above, in the strip's own units."""

    x: float
    y: float
    width: float
    height: float
    state: str
    label: str
    amount: str


@dataclass(frozen=True, slots=True)
class Strip:
    """Bars from the oldest month to the newest, and the same in words."""

    bars: tuple[Bar, ...]
    says: str
    width: int
    height: int = HEIGHT


def draw(months: Sequence[tuple[str, str, Decimal]], currency: str) -> Strip:
    """From (month, state, total), oldest first; the newest twelve are drawn. Zero-based: a credit has no bar."""
    shown = months[-MONTHS_MAX:]
    places = say.watched_places([total for _month, _state, total in shown])
    largest = max((total for _month, _state, total in shown), default=Decimal(0))
    bars = tuple(_bar(n * SLOT, month, state, total, largest, places) for n, (month, state, total) in enumerate(shown))
    words = "; ".join(f"{bar.label} {_(bar.state)}, {bar.amount} {currency}" for bar in bars)
    return Strip(bars, words, SLOT * len(bars))


def _bar(x: int, month: str, state: str, total: Decimal, largest: Decimal, places: int) -> Bar:  # noqa: PLR0917  # a row of a drawing
    room = HEIGHT - HEAD - FOOT
    share = total / largest if largest > 0 and total > 0 else Decimal(0)
    height = max(round(float(share) * room, 2), 2.0)
    year, number = month.split("-")
    name = say.month(date(int(year), int(number), 1))
    short = name if language() == "zh" else name[:3]
    label = f"{year} 年 {short}" if language() == "zh" else f"{short} {year}"
    label = label if number == "01" or x == 0 else short
    y = round(HEAD + room - height, 2)
    return Bar(x + 1, y, SLOT - GAP, height, state, label, say.amount(total, places))
