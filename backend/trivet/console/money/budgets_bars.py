"""The picture of budgets: a bar each, from nothing to past the limit. Spent is solid, held hollow, lines are ticks. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from trivet.console.tongue import _
from trivet.kit.money import EXACT

LEFT, FULL_X, WIDTH = 280.0, 820.0, 960.0  # where bars begin, where 100 % lies, where the picture ends
ROW, HEIGHT, TOP = 30.0, 12.0, 20.0
BARS_MAX = 20


@dataclass(frozen=True, slots=True)
class Bar:
    """One budget in the picture's own units. `gone_x` marks how much of the window is over; `says` is the same in words."""

    y: float
    label: str
    percent: str
    spent_width: float
    held_x: float
    held_width: float
    ticks: tuple[float, ...]
    gone_x: float
    over: bool
    says: str


@dataclass(frozen=True, slots=True)
class Shape:
    """What a bar is drawn from. Shares of the limit, and of the window."""

    label: str
    spent: Decimal
    held: Decimal
    limit: Decimal
    gone: Decimal
    lines: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Bars:
    """Bars from top to bottom, the height of them all, and how many more there are than are drawn."""

    bars: tuple[Bar, ...]
    height: float
    left_out: int


def draw(shapes: Sequence[Shape]) -> Bars:
    """The first `BARS_MAX`."""
    shown = shapes[:BARS_MAX]
    bars = tuple(_bar(shape, TOP + n * ROW) for n, shape in enumerate(shown))
    return Bars(bars, TOP + len(shown) * ROW, len(shapes) - len(shown))


def x_of(percent: Decimal) -> float:
    """Where a percentage lies; what is past the picture ends at its edge."""
    return round(min(LEFT + (FULL_X - LEFT) * float(percent) / 100, WIDTH), 2)


def _bar(shape: Shape, y: float) -> Bar:
    spent = _percent(shape.spent, shape.limit)
    committed = _percent(EXACT.add(shape.spent, shape.held), shape.limit)
    end = x_of(max(spent, Decimal(0)))
    words = _(
        "{name}: {spent} % spent, {held} % held, {gone} % of its time gone", name=shape.label, spent=int(spent),
        held=int(committed - spent), gone=int(shape.gone * 100),
    )  # fmt: skip
    return Bar(
        y=y, label=_short(shape.label), percent=f"{int(spent)} %", spent_width=round(end - LEFT, 2), held_x=end,
        held_width=round(x_of(max(committed, spent)) - end, 2), ticks=tuple(x_of(Decimal(line)) for line in shape.lines),
        gone_x=x_of(shape.gone * 100), over=spent >= 100, says=words,
    )  # fmt: skip


def _percent(part: Decimal, whole: Decimal) -> Decimal:
    return EXACT.divide(EXACT.multiply(part, Decimal(100)), whole) if whole else Decimal(0)


def _short(label: str) -> str:
    return label if len(label) <= 38 else f"{label[:37]}…"  # what has room left of the bars
