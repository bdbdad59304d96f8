"""What the template of scores gets."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from trivet.console.address import Address, Link
from trivet.console.views import Reader


@dataclass(frozen=True, slots=True)
class Dot:
    """The mean of one stretch of time: solid with enough scores, hollow with few."""

    x: Decimal
    y: Decimal
    enough: bool
    low: bool
    says: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A revision that began to govern, as a flag; or a day's beginning."""

    x: Decimal
    label: str
    says: str


@dataclass(frozen=True, slots=True)
class Line:
    """Means over time as a line in their band (between the tenth and the ninetieth of a hundred), and the floor."""

    width: int
    height: int
    band: str
    line: str
    dots: tuple[Dot, ...]
    floor_y: Decimal | None
    floor: str
    flags: tuple[Mark, ...]
    ticks: tuple[Mark, ...]
    scale: tuple[tuple[Decimal, str], ...]
    says: str


@dataclass(frozen=True, slots=True)
class OfMetric:
    """The scores of one metric from one evaluator."""

    metric: str
    source: str
    mean: float
    scores: int
    low: int
    last: datetime
    url: str


@dataclass(frozen=True, slots=True)
class LowOne:
    """A score under the floor. `url` leads to its request, "" where it names none."""

    at: datetime
    metric: str
    value: float
    source: str
    tenant: str
    revision: int
    level: int
    url: str


@dataclass(frozen=True, slots=True)
class ScoresPage:
    """templates/scores/page.html."""

    reader: Reader
    address: Address
    sentence: str
    scenarios: tuple[Link, ...]
    chosen: tuple[Link, ...]
    name: str
    picture: Line | None
    metrics: tuple[OfMetric, ...]
    metrics_more: bool
    low: tuple[LowOne, ...]
    floor: float | None
