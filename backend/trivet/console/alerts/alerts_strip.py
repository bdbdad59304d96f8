"""The picture of alerts: a bar for each from its beginning to its end; solid where somebody was told, hollow where nobody was."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

SHOWN = timedelta(hours=24)
LEFT, WIDTH, STEP, TOP = 260.0, 690.0, 22.0, 24.0
BARS_MAX = 14
TICKS = 4  # one each six hours


@dataclass(frozen=True, slots=True)
class Stretch:
    """An alert as it is drawn."""

    name: str
    severity: str
    since: datetime
    until: datetime | None
    told: bool


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar, in the units of the drawing."""

    label: str
    says: str
    x: float
    y: float
    width: float
    solid: bool
    open: bool


@dataclass(frozen=True, slots=True)
class Strip:
    """`ticks` are (x, words); `left_out` alerts that there is no room for."""

    bars: tuple[Bar, ...]
    ticks: tuple[tuple[float, str], ...]
    height: float
    left_out: int


def draw(stretches: Sequence[Stretch], now: datetime, zone: tzinfo) -> Strip:
    """The last 24 hours; alerts in the order given."""
    begins = now - SHOWN
    seen = [each for each in stretches if (each.until or now) > begins]
    bars = tuple(_bar(each, TOP + STEP * n, begins, now) for n, each in enumerate(seen[:BARS_MAX]))
    moments = [begins + SHOWN * n / TICKS for n in range(1, TICKS + 1)]
    ticks = tuple((_x(at, begins), f"{at.astimezone(zone):%H:%M}") for at in moments)
    return Strip(bars, ticks, TOP + STEP * len(bars), max(len(seen) - BARS_MAX, 0))


def _bar(each: Stretch, y: float, begins: datetime, now: datetime) -> Bar:
    left = _x(max(each.since, begins), begins)
    right = _x(each.until or now, begins)
    word = "somebody was told" if each.told else "nobody was told"
    state = "fires" if each.until is None else "is over"
    return Bar(
        _short(each.name), f"{each.name} ({each.severity}) {state}; {word}", left, y, max(round(right - left, 2), 3.0),
        each.told, each.until is None,
    )  # fmt: skip


def _x(at: datetime, begins: datetime) -> float:
    return round(LEFT + WIDTH * ((at - begins) / SHOWN), 2)


def _short(name: str) -> str:
    return name if len(name) <= 34 else name[:33] + "…"
