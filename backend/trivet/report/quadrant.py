"""Quadrants of volume × unit cost, with the medians as lines, and the move that each calls for. Pure.

The four moves are those of practice: what is used much and costs much per token is where optimising pays.
"""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from decimal import Decimal

from trivet.kit.money import EXACT, PICO, of_million

# (much volume?, high unit cost?) -> name, the move
MOVES = {
    (True, True): (
        "high volume, high cost",
        "Optimise first: shorten context, cache, then route simple requests to a smaller model.",
    ),
    (True, False): (
        "high volume, low cost",
        "Keep it efficient: guard its cache hit rate and utilisation, and commit capacity for it.",
    ),
    (False, True): (
        "low volume, high cost",
        "Question its value: move it to shared or metered capacity, batch it, or agree a price with its owner.",
    ),
    (False, False): ("low volume, low cost", "Leave it, with a budget line; consolidate what stands idle."),
}


@dataclass(frozen=True, slots=True)
class Point:
    """One model, scenario or tenant: its tokens, its cost in one currency."""

    key: Hashable
    tokens: int
    amount: Decimal

    @property
    def unit_cost(self) -> Decimal:
        """Of a million tokens."""
        return of_million(self.amount, self.tokens)


@dataclass(frozen=True, slots=True)
class Placed:
    """A point and where it lies."""

    point: Point
    quadrant: str
    move: str


@dataclass(frozen=True, slots=True)
class Quadrants:
    """Points by volume, largest first, and the two lines; `left_out` had no tokens, so that they have no unit cost."""

    points: tuple[Placed, ...]
    volume: Decimal
    unit_cost: Decimal
    left_out: int


def quadrants(points: Iterable[Point]) -> Quadrants | None:
    """Above a median is much; on it, or below, is little. Of fewer than two points there are no quadrants: None."""
    given = list(points)
    known = sorted((p for p in given if p.tokens > 0), key=lambda p: (-p.tokens, repr(p.key)))
    if len(known) < 2:
        return None
    volume = _median([Decimal(p.tokens) for p in known])
    unit_cost = _median([p.unit_cost for p in known])
    placed = [Placed(p, *MOVES[p.tokens > volume, p.unit_cost > unit_cost]) for p in known]
    return Quadrants(tuple(placed), volume, unit_cost, len(given) - len(known))


def _median(values: list[Decimal]) -> Decimal:
    ordered, half = sorted(values), len(values) // 2
    if len(ordered) % 2:
        return ordered[half]
    return EXACT.quantize(EXACT.divide(EXACT.add(ordered[half - 1], ordered[half]), Decimal(2)), PICO)
