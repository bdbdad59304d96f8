"""Pictures of what a unit costs: why it moved, and who costs how much of what volume, each in its own view box. Pure."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from trivet.console import format as say
from trivet.console.money.costs_picture import LEFT, RIGHT, WIDTH, Rect
from trivet.console.tongue import _

ZERO = Decimal(0)


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
    for part in (each for __, each in shown):
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

    falls = [fall(0, ZERO, before, "whole", _("before"))]
    level = before
    for n, (name, part) in enumerate(shown, 1):
        falls.append(fall(n, level, level + part, "more" if part > 0 else "less", name))
        level += part
    falls.append(fall(len(shown) + 1, ZERO, after, "whole", _("now")))
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

    across, up = _scale(xs, SCATTER_W), _scale(ys, SCATTER_H)
    places = say.watched_places([max((unit for _, _, unit, _ in drawn), default=ZERO)])
    dots = []
    for n, (name, tokens, unit, quadrant) in enumerate(drawn):
        x, y = across(xs[n]), _round(SCATTER_H - up(ys[n]))
        words = _(
            "{name}: {tokens} tokens, {amount} {currency} a million; {quadrant}",
            name=name, tokens=say.count(tokens), amount=say.amount(unit, places), currency=currency, quadrant=_(quadrant),
        )  # fmt: skip
        dots.append(Dot(x, y, name[:24] if n < LABELS else "", words, x > SCATTER_W * 0.7))
    return Scatter(
        tuple(dots),
        across(xs[-1]),
        _round(SCATTER_H - up(float(cost.log10()))) if cost > 0 else SCATTER_H / 2,
        say.count(int(volume)),
        say.amount(cost, places),
        "; ".join(dot.says for dot in dots),
    )


def _scale(values: Sequence[float], room: float) -> Callable[[float], float]:
    """Where a value stands in a room with edges, the least of `values` at one and the greatest at the other."""
    low, high = min(values, default=0.0), max(values, default=0.0)
    return lambda value: _round(EDGE + (room - 2 * EDGE) * ((value - low) / (high - low) if high > low else 0.5))
