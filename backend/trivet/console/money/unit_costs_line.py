"""What a million tokens cost, day by day, as points of a line. Pure; money is drawn from zero."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from trivet.console import format as say
from trivet.console.money.costs_flags import Flag
from trivet.console.money.costs_picture import LEFT, LINES, RIGHT, WIDTH, Mark, axis, nice, places_of, up
from trivet.console.tongue import _

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Told:
    """One day: cost of a million tokens (None where none were served). `proven`: the day is posted whole."""

    day: date
    per_million: Decimal | None
    tokens: int
    proven: bool = True


@dataclass(frozen=True, slots=True)
class Point:
    """One day in the picture; `exact` what it is."""

    x: float
    y: float
    says: str
    url: str
    proven: bool
    exact: Decimal


@dataclass(frozen=True, slots=True)
class Course:
    """The line: proven days joined by one path, what is provisional by another. `says` is all of it in words."""

    points: tuple[Point, ...]
    solid: str
    dashed: str
    amounts: tuple[Mark, ...]
    days: tuple[Mark, ...]
    flags: tuple[Mark, ...]
    says: str


def course(told: Sequence[Told], flags: Sequence[Flag], currency: str, url: Callable[[str], str]) -> Course | None:
    """From days, oldest first; None where no day has a unit cost. `url` is the address of a day."""
    amounts = [day.per_million for day in told if day.per_million is not None]
    if not amounts:
        return None
    top = nice(max([*amounts, ZERO]))
    slot = (WIDTH - LEFT - RIGHT) / len(told)
    places = say.watched_places(amounts)
    points = tuple(
        Point(
            round(LEFT + slot * (n + 0.5), 2), up(day.per_million, top), _words(day, day.per_million, places, currency),
            url(day.day.isoformat()), day.proven, day.per_million,
        )
        for n, day in enumerate(told)
        if day.per_million is not None
    )  # fmt: skip
    proven = [point for point in points if point.proven]
    at = {day.day: round(LEFT + slot * (n + 0.5), 2) for n, day in enumerate(told)}
    return Course(
        points,
        _path(proven),
        _path([*proven[-1:], *(point for point in points if not point.proven)]),
        tuple(Mark(up(top * n / LINES, top), say.amount(top * n / LINES, places_of(top))) for n in range(LINES + 1)),
        axis([day.day for day in told], slot),
        tuple(Mark(at[flag.day], flag.label, flag.says) for flag in flags if flag.day in at),
        "; ".join(point.says for point in points),
    )


def _words(day: Told, amount: Decimal, places: int, currency: str) -> str:
    said = {
        "day": say.day(day.day),
        "amount": f"{say.amount(amount, places)} {currency}",
        "tokens": say.count(day.tokens),
    }
    if day.proven:
        return _("{day}: {amount} a million tokens, {tokens} tokens", **said)
    return _("{day}: {amount} a million tokens so far, {tokens} tokens, provisional", **said)


def _path(points: Sequence[Point]) -> str:
    return f"M{'L'.join(f'{point.x} {point.y}' for point in points)}" if len(points) > 1 else ""
