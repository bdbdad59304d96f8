"""The triangle: a scenario's quality, latency and cost against its card, as points to draw. Values in, points out.

Quality is up, latency lower right, cost lower left. The outer triangle is the card's allowance; a leg's *share* is how
much of it is used: 1 lies on the line. The three tips span the fill. Rays from the centre to the corners and to the
edges' middles cut it into six slivers, each of which meets exactly one edge of the outer triangle: what a sliver has
inside that edge is fill, what it has outside has broken out, if its leg has. y grows downwards, as in SVG.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from trivet.console.tongue import N_, _

LEGS = (N_("quality"), N_("latency"), N_("cost"))
SHARE_DRAWN_MAX = 1.35
Point = tuple[float, float]
Path = tuple[Point, ...]
_ORIGIN = (0.0, 0.0)
_HALF_HEIGHT = 0.5  # distance of each edge from the centre, where the corners are at distance 1
_CORNERS = tuple((math.cos(math.radians(a)), math.sin(math.radians(a))) for a in (-90, 30, 150))


@dataclass(frozen=True, slots=True)
class Leg:
    """One corner: `share` is None where nothing was measured; `fill` its third of the fill; `breakout` what lies outside."""

    name: str
    share: float | None
    vertex: Point
    tip: Point
    fill: Path
    breakout: Path

    @property
    def over(self) -> bool:
        """Past the card's line."""
        return self.share is not None and self.share > 1


@dataclass(frozen=True, slots=True)
class Triangle:
    """What to draw, and the words that say the same."""

    outer: Path
    legs: tuple[Leg, ...]
    words: str


def used_share(measured: float | None, allowed: float | None, *, floor: bool = False) -> float | None:
    """Share of an allowance used: measured / target, or floor / measured for a leg that must stay above a floor.

    None where either is missing; infinity where nothing is allowed and something is measured.
    """
    if measured is None or allowed is None:
        return None
    over, under = (allowed, measured) if floor else (measured, allowed)
    if under == 0:
        return 0.0 if over == 0 else math.inf
    return over / under


def draw(shares: Sequence[float | None], *, centre: Point = _ORIGIN, radius: float = 1.0) -> Triangle:
    """Place the shares of `LEGS` around a centre; a share past `SHARE_DRAWN_MAX` is drawn there and said in full."""
    lengths = [min(share or 0.0, SHARE_DRAWN_MAX) for share in shares]

    def place(path: Sequence[Point]) -> Path:
        return tuple((round(centre[0] + radius * x, 2), round(centre[1] + radius * y, 2)) for x, y in path)

    legs = tuple(
        Leg(
            name=name,
            share=shares[i],
            vertex=place([_CORNERS[i]])[0],
            tip=place([_tip(i, lengths)])[0],
            fill=place(_fill(i, lengths)),
            breakout=place(_breakout(i, lengths)),
        )
        for i, name in enumerate(LEGS)
    )
    return Triangle(outer=place(_CORNERS), legs=legs, words=in_words(shares))


def in_words(shares: Sequence[float | None]) -> str:
    """`quality 98 % of its allowance, latency 121 % of its allowance (past the line), cost: no data`."""
    return _(", ").join(_leg_in_words(name, share) for name, share in zip(LEGS, shares, strict=True))


def _leg_in_words(name: str, share: float | None) -> str:
    if share is None:
        return _("{leg}: no data", leg=_(name))
    if share > 1:
        return _("{leg} {share} of its allowance (past the line)", leg=_(name), share=percent(share))
    return _("{leg} {share} of its allowance", leg=_(name), share=percent(share))


def percent(share: float) -> str:
    """`98 %`. What is past the line never rounds down onto it, what is within never up past it."""
    if share >= 10:
        return "> 999 %"
    return f"{math.ceil(share * 100 - 1e-9) if share > 1 else math.floor(share * 100 + 0.5)} %"


def svg_points(path: Path) -> str:
    """The `points` attribute of an SVG polygon."""
    return " ".join(f"{x:g},{y:g}" for x, y in path)


def _fill(i: int, lengths: Sequence[float]) -> list[Point]:
    """Leg i's two slivers inside the outer triangle, joined along the ray to its corner."""
    one, other = (_cut(_sliver(i, j, lengths), _normal(i, j), inside=True) for j in _neighbours(i))
    return one + other[::-1][1:-1]


def _breakout(i: int, lengths: Sequence[float]) -> list[Point]:
    """Leg i's two slivers outside the outer triangle, joined along the ray through its corner; empty within the line."""
    if lengths[i] <= 1:
        return []
    one, other = (_cut(_sliver(i, j, lengths), _normal(i, j), inside=False) for j in _neighbours(i))
    return one[:-1] + other[::-1][2:] + [_CORNERS[i]]


def _sliver(i: int, j: int, lengths: Sequence[float]) -> list[Point]:
    """Centre, where the line between the tips of i and j meets the ray half-way between their corners, tip of i."""
    total = lengths[i] + lengths[j]
    weight = lengths[i] * lengths[j] / total if total else 0.0
    between = ((_CORNERS[i][0] + _CORNERS[j][0]) * weight, (_CORNERS[i][1] + _CORNERS[j][1]) * weight)
    return [_ORIGIN, between, _tip(i, lengths)]


def _cut(path: list[Point], normal: Point, *, inside: bool) -> list[Point]:
    """The part of a convex path on one side of an edge (Sutherland and Hodgman's clip by one line)."""
    sign = 1 if inside else -1
    depth = [round(sign * (_HALF_HEIGHT - p[0] * normal[0] - p[1] * normal[1]), 12) for p in path]
    kept: list[Point] = []
    for k, (p, d) in enumerate(zip(path, depth, strict=True)):
        q, e = path[(k + 1) % len(path)], depth[(k + 1) % len(path)]
        if d >= 0:
            kept.append(p)
        if d * e < 0:
            t = d / (d - e)
            kept.append((p[0] + t * (q[0] - p[0]), p[1] + t * (q[1] - p[1])))
    return kept


def _tip(i: int, lengths: Sequence[float]) -> Point:
    return (_CORNERS[i][0] * lengths[i], _CORNERS[i][1] * lengths[i])


def _neighbours(i: int) -> tuple[int, int]:
    return ((i - 1) % 3, (i + 1) % 3)


def _normal(i: int, j: int) -> Point:
    """Unit normal of the edge between corners i and j: the direction half-way between them, outwards."""
    return (_CORNERS[i][0] + _CORNERS[j][0], _CORNERS[i][1] + _CORNERS[j][1])
