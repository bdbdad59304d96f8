"""A picture of time, a lane for each thing: bands from when to when, steps, dots. Pure.

Names stand beside the drawing as text of the page, so that they keep their size on a phone; only the drawing is stretched.
Its units are `WIDTH` across, whatever the range; lines and dots keep their thickness (`vector-effect`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from babel.dates import format_skeleton

from trivet.console import tongue
from trivet.kit.interval import Interval

WIDTH = 1000.0
BAND_LEAST = 4.0  # what is shorter is drawn so wide, or nobody would see it
TICKS = 4
BY_DAY = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Band:
    """A stretch of a lane. `style` is the end of its class, `says` its title; `url` leads to what it stands for."""

    x: float
    width: float
    style: str
    says: str
    y: float = 2
    height: float = 12
    url: str = ""


@dataclass(frozen=True, slots=True)
class Dot:
    """An instant: solid for what is proven, hollow for what is only wanted."""

    x: float
    y: float
    solid: bool
    says: str
    url: str = ""
    style: str = "command"


@dataclass(frozen=True, slots=True)
class Line:
    """Steps, as the `points` of a polyline."""

    points: str
    style: str


@dataclass(frozen=True, slots=True)
class Lane:
    """One row of the picture. `aside` stands after its name, fainter."""

    name: str
    url: str = ""
    aside: str = ""
    bands: tuple[Band, ...] = ()
    lines: tuple[Line, ...] = ()
    dots: tuple[Dot, ...] = ()
    height: float = 16


@dataclass(frozen=True, slots=True)
class Lanes:
    """The picture. `ticks` are spread evenly from its beginning to its end; `left_out` things it has no lane for."""

    lanes: tuple[Lane, ...]
    ticks: tuple[str, ...]
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Scale:
    """Time on the drawing."""

    interval: Interval
    zone: tzinfo

    def x(self, at: datetime) -> float:
        """Where an instant lies; what is outside lies on the edge."""
        share = (at - self.interval.start) / (self.interval.end - self.interval.start)
        return round(WIDTH * min(max(share, 0.0), 1.0), 2)

    def band(self, since: datetime, until: datetime) -> tuple[float, float]:
        """Left edge and width of a stretch, wide enough to be seen and inside the drawing."""
        left, right = self.x(since), self.x(until)
        width = max(right - left, BAND_LEAST)
        return round(min(left, WIDTH - width), 2), round(width, 2)

    def holds(self, since: datetime, until: datetime) -> bool:
        """Whether any of a stretch lies inside."""
        return since < self.interval.end and until >= self.interval.start

    @property
    def ticks(self) -> tuple[str, ...]:
        """Words at even distances, both ends with them: clock times, or days where the range is long."""
        span = self.interval.end - self.interval.start
        return tuple(self._tick(self.interval.start + span * n / TICKS, span) for n in range(TICKS + 1))

    def _tick(self, at: datetime, span: timedelta) -> str:
        there = at.astimezone(self.zone)
        return format_skeleton("MMMd", there, locale=tongue.language()) if span > BY_DAY else f"{there:%H:%M}"


def points(pairs: Sequence[tuple[float, float]]) -> str:
    """The `points` attribute of a polyline."""
    return " ".join(f"{x:g},{y:g}" for x, y in pairs)
