"""The picture of a breach: the guard's value over time, its limit, the breach, and commands as flags. Pure.

Solid is what was measured and proven; a command that no backend has proven is a hollow flag.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from trivet.console import format as say
from trivet.console.tongue import _
from trivet.kit.interval import Interval

WIDTH, HEIGHT, LEFT, RIGHT, TOP, FOOT = 1000, 240, 72, 12, 34, 22
TICKS = 5
HEAD = 1.15  # of the largest value: room above it
FLAG_ROOM = 64.0  # a flag and its label


@dataclass(frozen=True, slots=True)
class Flag:
    """A command on the time axis. `label` is empty where the next one stands in its room."""

    x: float
    label: str
    solid: bool
    says: str


@dataclass(frozen=True, slots=True)
class Tick:
    """An instant on the axis."""

    x: float
    label: str


@dataclass(frozen=True, slots=True)
class Picture:
    """Lines as point lists of polylines (one for each stretch without a gap); the breach as a band from `since_x`."""

    width: int
    height: int
    lines: tuple[str, ...]
    limit_y: float
    limit: str
    top: str
    since_x: float
    until_x: float
    open: bool
    flags: tuple[Flag, ...]
    ticks: tuple[Tick, ...]
    says: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A command: when, its short label, whether it was proven, and all of it in words."""

    at: datetime
    label: str
    solid: bool
    says: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What is drawn: values of steps (None: nothing was measured), within an interval, against a limit."""

    points: Sequence[tuple[datetime, float | None]]
    within: Interval
    limit: float
    opened: datetime
    closed: datetime | None
    marks: Sequence[Mark]


def draw(asked: Asked, written: Callable[[float], str], zone: tzinfo) -> Picture:
    """From the values of a guard's metric; `written` puts one into words."""
    known = [value for _at, value in asked.points if value is not None]
    top = max([asked.limit, *known, 0.0]) * HEAD or 1.0
    x = _across(asked.within)

    def y(value: float) -> float:
        return round(TOP + (HEIGHT - TOP - FOOT) * (1 - value / top), 2)

    until = asked.closed or asked.within.end
    said = {
        "start": say.clock(asked.within.start, zone), "end": say.clock(asked.within.end, zone), "limit": written(asked.limit),
    }  # fmt: skip
    if known:
        words = _("From {start} to {end}, limit {limit}; {low} to {high}", low=written(min(known)), high=written(max(known)), **said)  # fmt: skip
    else:
        words = _("From {start} to {end}, limit {limit}; nothing was measured", **said)
    return Picture(
        WIDTH,
        HEIGHT,
        tuple(_lines(asked.points, x, y)),
        y(asked.limit),
        written(asked.limit),
        written(max(known, default=asked.limit)),
        x(max(asked.opened, asked.within.start)),
        x(min(until, asked.within.end)),
        asked.closed is None,
        tuple(_flags(asked.marks, asked.within, x)),
        tuple(
            Tick(x(at), say.clock(at, zone, seconds=asked.within.seconds < 600)) for at in _instants(asked.within)
        ),
        words,
    )  # fmt: skip


def _across(within: Interval) -> Callable[[datetime], float]:
    return lambda at: round(
        LEFT + (WIDTH - LEFT - RIGHT) * (at - within.start).total_seconds() / within.seconds, 2
    )  # fmt: skip


def _lines(
    points: Sequence[tuple[datetime, float | None]], x: Callable[[datetime], float], y: Callable[[float], float]
) -> list[str]:
    """Stretches without a gap; a single point is a short dash."""
    stretches: list[list[tuple[float, float]]] = [[]]
    for at, value in points:
        if value is None:
            stretches.append([])
        else:
            stretches[-1].append((x(at), y(value)))
    return [
        " ".join(f"{px},{py}" for px, py in (found if len(found) > 1 else [found[0], (found[0][0] + 3, found[0][1])]))
        for found in stretches
        if found
    ]


def _flags(marks: Sequence[Mark], within: Interval, x: Callable[[datetime], float]) -> list[Flag]:
    seen = [(x(mark.at), mark) for mark in sorted(marks, key=lambda each: each.at) if within.contains(mark.at)]
    nexts = [at for at, _mark in seen[1:]] + [float(WIDTH)]
    return [
        Flag(at, mark.label if after - at >= FLAG_ROOM else "", mark.solid, mark.says)
        for (at, mark), after in zip(seen, nexts, strict=False)
    ]


def _instants(within: Interval) -> list[datetime]:
    step = (within.end - within.start) / TICKS
    return [within.start + n * step for n in range(TICKS)]
