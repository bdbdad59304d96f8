"""Pictures of costs as rectangles and points, in the units of their own view boxes. Pure; money is drawn from zero."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from trivet.console import format as say
from trivet.console.money.costs_flags import Flag
from trivet.console.tongue import N_, _

WIDTH, HEIGHT, LEFT, RIGHT, TOP, FOOT = 1000, 240, 64, 8, 26, 22
LINES = 3
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Rect:
    """A rectangle: `kind` is borne, top0 …, others, apart, provisional or forecast; `says` what it is, on hover."""

    x: float
    y: float
    width: float
    height: float
    kind: str
    says: str
    url: str = ""


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
class Key:
    """What a shade is, and where it leads."""

    kind: str
    words: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Bars:
    """Costs by day. `says` is all of it in words."""

    rects: tuple[Rect, ...]
    whiskers: tuple[Whisker, ...]
    amounts: tuple[Mark, ...]
    days: tuple[Mark, ...]
    flags: tuple[Mark, ...]
    keys: tuple[Key, ...]
    says: str


@dataclass(frozen=True, slots=True)
class Part:
    """Some of a bar: of whom, where it is somebody's, and where it leads."""

    kind: str
    amount: Decimal
    name: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Day:
    """One bar: parts from the bottom up; a forecast's range around its own."""

    day: date
    parts: tuple[Part, ...]
    low: Decimal | None = None
    high: Decimal | None = None


def bars(days: Sequence[Day], flags: Sequence[Flag], keys: Sequence[Key], currency: str) -> Bars:
    """From days, oldest first, what happened on some of them, and what each shade is."""
    tallest = max([*(_sum(day.parts) for day in days), *(day.high or ZERO for day in days), ZERO])
    top = nice(tallest)
    slot = (WIDTH - LEFT - RIGHT) / max(len(days), 1)
    places = say.watched_places([tallest])
    rects: list[Rect] = []
    whiskers: list[Whisker] = []
    at = {day.day: LEFT + slot * n for n, day in enumerate(days)}
    for day in days:
        base = ZERO
        for part in day.parts:
            if part.amount > 0:
                words = _words(day.day, part, f"{say.amount(part.amount, places)} {currency}")
                y, height = up(base + part.amount, top), up(base, top) - up(base + part.amount, top)
                box = _round(at[day.day] + slot * 0.12), y, _round(slot * 0.76), _round(height)
                rects.append(Rect(*box, part.kind, words, part.url))
                base += part.amount
        if day.low is not None and day.high is not None:
            whiskers.append(Whisker(_round(at[day.day] + slot / 2), up(day.low, top), up(day.high, top)))
    return Bars(
        tuple(rects),
        tuple(whiskers),
        tuple(Mark(up(top * n / LINES, top), say.amount(top * n / LINES, places_of(top))) for n in range(LINES + 1)),
        axis([day.day for day in days], slot),
        tuple(Mark(_round(at[flag.day] + slot / 2), flag.label, flag.says) for flag in flags if flag.day in at),
        tuple(keys),
        "; ".join(f"{say.day(day.day)} {say.amount(_sum(day.parts), places)} {currency}" for day in days),
    )


def axis(days: Sequence[date], slot: float) -> tuple[Mark, ...]:
    """Days along the foot, as many as there is room for."""
    step = max(1, math.ceil(len(days) / 16))
    return tuple(
        Mark(_round(LEFT + slot * (n + 0.5)), say.day(day) if n == 0 or day.day == 1 else str(day.day))
        for n, day in enumerate(days)
        if n % step == 0
    )


_KINDS = {
    "apart": N_("{day}: {amount} posted, of capacity or cost that nobody bears"),
    "provisional": N_("{day}: {amount} provisional"), "forecast": N_("{day}: {amount} forecast"),
}  # fmt: skip


def _words(day: date, part: Part, amount: str) -> str:
    if part.name:
        return _("{day}: {amount} of {name}, posted", day=say.day(day), amount=amount, name=part.name)
    return _(_KINDS.get(part.kind, N_("{day}: {amount} posted")), day=say.day(day), amount=amount)


def up(amount: Decimal, top: Decimal) -> float:
    """Where an amount stands above the foot, of an axis that ends at `top`."""
    room = HEIGHT - TOP - FOOT
    return _round(TOP + room * (1 - float(amount / top))) if top else float(HEIGHT - FOOT)


def places_of(top: Decimal) -> int:
    """Places that every third of the axis can be written with."""
    return max(-int((top / LINES).normalize().as_tuple().exponent), 0)


def nice(tallest: Decimal) -> Decimal:
    """The next of 1.2, 1.5, 2, 3, 4.5, 6, 9 or 12 times a power of ten, in thirds."""
    if tallest <= 0:
        return Decimal(0)
    power = Decimal(1).scaleb(tallest.adjusted())
    return next(
        power * step
        for step in map(Decimal, ("1.2", "1.5", "2.1", "3", "4.5", "6", "9", "12"))
        if power * step >= tallest
    )


def _sum(parts: Sequence[Part]) -> Decimal:
    return sum((part.amount for part in parts if part.amount > 0), ZERO)


def _round(value: float) -> float:
    return round(value, 2)
