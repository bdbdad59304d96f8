"""Pictures of costs as rectangles and points, in the units of their own view boxes. Pure; money is drawn from zero."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from trivet.console import format as say

WIDTH, HEIGHT, LEFT, RIGHT, TOP, FOOT = 1000, 240, 64, 8, 26, 22
LINES = 3
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Rect:
    """A rectangle: `kind` is borne, unattributed, apart, provisional or forecast; `says` what it is, on hover."""

    x: float
    y: float
    width: float
    height: float
    kind: str
    says: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A line on an axis with its label: of an amount, a day, or something that happened."""

    at: float
    label: str
    says: str = ""


@dataclass(frozen=True, slots=True)
class Whisker:
    """How far a forecast of a day may be off."""

    x: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Bars:
    """Costs by day. `says` is all of it in words."""

    rects: tuple[Rect, ...]
    whiskers: tuple[Whisker, ...]
    amounts: tuple[Mark, ...]
    days: tuple[Mark, ...]
    flags: tuple[Mark, ...]
    says: str


@dataclass(frozen=True, slots=True)
class Day:
    """One bar: parts from the bottom up by kind; a forecast's range around its own."""

    day: date
    parts: Mapping[str, Decimal]
    low: Decimal | None = None
    high: Decimal | None = None


def bars(days: Sequence[Day], flags: Sequence[tuple[date, str, str]], currency: str) -> Bars:
    """From days, oldest first, and what happened on some as (day, short label, words)."""
    tallest = max([*(_sum(day.parts) for day in days), *(day.high or ZERO for day in days), ZERO])
    top = _nice(tallest)
    slot = (WIDTH - LEFT - RIGHT) / max(len(days), 1)
    places = say.watched_places([tallest])
    rects: list[Rect] = []
    whiskers: list[Whisker] = []
    at = {day.day: LEFT + slot * n for n, day in enumerate(days)}
    for day in days:
        base = ZERO
        for kind, amount in day.parts.items():
            if amount > 0:
                words = f"{day.day:%-d %b}: {say.amount(amount, places)} {currency} {_KINDS[kind]}"
                y, height = _y(base + amount, top), _y(base, top) - _y(base + amount, top)
                rects.append(
                    Rect(_round(at[day.day] + slot * 0.12), y, _round(slot * 0.76), _round(height), kind, words)
                )
                base += amount
        if day.low is not None and day.high is not None:
            whiskers.append(Whisker(_round(at[day.day] + slot / 2), _y(day.low, top), _y(day.high, top)))
    step = max(1, math.ceil(len(days) / 16))
    return Bars(
        tuple(rects),
        tuple(whiskers),
        tuple(Mark(_y(top * n / LINES, top), say.amount(top * n / LINES, _places(top))) for n in range(LINES + 1)),
        tuple(
            Mark(
                _round(at[day.day] + slot / 2), f"{day.day:%-d %b}" if n == 0 or day.day.day == 1 else f"{day.day:%-d}"
            )
            for n, day in enumerate(days)
            if n % step == 0
        ),
        tuple(Mark(_round(at[day] + slot / 2), label, words) for day, label, words in flags if day in at),
        "; ".join(f"{day.day:%-d %b} {say.amount(_sum(day.parts), places)} {currency}" for day in days),
    )


_KINDS = {
    "borne": "posted", "unattributed": "posted, of nobody's cost centre", "apart": "posted, of capacity or cost that nobody bears",
    "provisional": "provisional", "forecast": "forecast",
}  # fmt: skip


def _y(amount: Decimal, top: Decimal) -> float:
    room = HEIGHT - TOP - FOOT
    return _round(TOP + room * (1 - float(amount / top))) if top else float(HEIGHT - FOOT)


def _places(top: Decimal) -> int:
    """Places that every third of the axis can be written with."""
    return max(-int((top / LINES).normalize().as_tuple().exponent), 0)


def _nice(tallest: Decimal) -> Decimal:
    """The next of 1.2, 1.5, 2, 3, 4.5, 6, 9 or 12 times a power of ten, in thirds."""
    if tallest <= 0:
        return Decimal(0)
    power = Decimal(1).scaleb(tallest.adjusted())
    return next(
        power * step
        for step in map(Decimal, ("1.2", "1.5", "2.1", "3", "4.5", "6", "9", "12"))
        if power * step >= tallest
    )


def _sum(parts: Mapping[str, Decimal]) -> Decimal:
    return sum((amount for amount in parts.values() if amount > 0), ZERO)


def _round(value: float) -> float:
    return round(value, 2)


@dataclass(frozen=True, slots=True)
class Fall:
    """One bar of a waterfall: a whole (`before`, `after`) or a part, up or down."""

    rect: Rect
    label: str
    amount: str
    middle: float
    exact: Decimal


@dataclass(frozen=True, slots=True)
class Waterfall:
    """From what it was to what it is, part by part."""

    falls: tuple[Fall, ...]
    zero: float
    says: str


FALL_HEIGHT, FALL_TOP, FALL_FOOT = 190, 22, 24


def waterfall(before: Decimal, after: Decimal, parts: Mapping[str, Decimal], currency: str) -> Waterfall:
    """Parts that are nothing are left out."""
    shown = [(name, part) for name, part in parts.items() if part]
    edges = [ZERO, before, after]
    level = before
    for _, part in shown:
        level += part
        edges.append(level)
    low, high = min(edges), max(edges)
    span = float(high - low) or 1.0
    slot = (WIDTH - LEFT - RIGHT) / (len(shown) + 2)
    room = FALL_HEIGHT - FALL_TOP - FALL_FOOT
    places = say.watched_places([high])

    def y(amount: Decimal) -> float:
        return _round(FALL_TOP + room * float(high - amount) / span)

    def fall(n: int, start: Decimal, end: Decimal, kind: str, label: str) -> Fall:
        top, bottom = y(max(start, end)), y(min(start, end))
        change = end - start
        sign = "" if kind == "whole" or change < 0 else "+"
        words = f"{label}: {sign}{say.amount(change, places)} {currency}"
        rect = Rect(
            _round(LEFT + slot * n + slot * 0.15), top, _round(slot * 0.7), max(_round(bottom - top), 1.0), kind, words
        )
        return Fall(rect, label, f"{sign}{say.amount(change, places)}", _round(LEFT + slot * (n + 0.5)), change)

    falls = [fall(0, ZERO, before, "whole", "before")]
    level = before
    for n, (name, part) in enumerate(shown, 1):
        falls.append(fall(n, level, level + part, "more" if part > 0 else "less", name))
        level += part
    falls.append(fall(len(shown) + 1, ZERO, after, "whole", "now"))
    return Waterfall(tuple(falls), y(ZERO), "; ".join(each.rect.says for each in falls))


@dataclass(frozen=True, slots=True)
class Dot:
    """One point of the quadrants; `says` on hover; `label` beside it where there is room, else ""."""

    x: float
    y: float
    label: str
    says: str
    ends: bool  # the label stands left of it


@dataclass(frozen=True, slots=True)
class Scatter:
    """Volume to the right, unit cost upwards, both by their logarithm; the lines are the medians."""

    dots: tuple[Dot, ...]
    volume_x: float
    cost_y: float
    volume: str
    cost: str
    says: str


SCATTER_W, SCATTER_H, EDGE = 560, 340, 44
LABELS = 12


def scatter(points: Sequence[tuple[str, int, Decimal, str]], volume: Decimal, cost: Decimal, currency: str) -> Scatter:
    """From (name, tokens, cost of a million, quadrant), the most tokens first."""
    drawn = [point for point in points if point[1] > 0 and point[2] > 0]
    xs = [math.log10(tokens) for _, tokens, _, _ in drawn] + [math.log10(max(float(volume), 1))]
    ys = [float(unit.log10()) for _, _, unit, _ in drawn] + ([float(cost.log10())] if cost > 0 else [])

    def place(value: float, values: Sequence[float], room: float) -> float:
        low, high = min(values), max(values)
        return _round(EDGE + (room - 2 * EDGE) * ((value - low) / (high - low) if high > low else 0.5))

    places = say.watched_places([max((unit for _, _, unit, _ in drawn), default=ZERO)])
    dots = []
    for n, (name, tokens, unit, quadrant) in enumerate(drawn):
        x, y = place(xs[n], xs, SCATTER_W), _round(SCATTER_H - place(ys[n], ys, SCATTER_H))
        words = f"{name}: {say.count(tokens)} tokens, {say.amount(unit, places)} {currency} a million; {quadrant}"
        dots.append(Dot(x, y, name[:24] if n < LABELS else "", words, x > SCATTER_W * 0.7))
    return Scatter(
        tuple(dots),
        place(xs[-1], xs, SCATTER_W),
        _round(SCATTER_H - place(float(cost.log10()), ys, SCATTER_H)) if cost > 0 else SCATTER_H / 2,
        say.count(int(volume)),
        say.amount(cost, places),
        "; ".join(dot.says for dot in dots),
    )
