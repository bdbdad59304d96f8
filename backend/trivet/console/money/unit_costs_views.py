"""What the page of unit costs shows, one frozen dataclass a page."""

from dataclasses import dataclass
from decimal import Decimal

from trivet.console.address import Link
from trivet.console.money.costs_asked import Asked
from trivet.console.money.costs_views import Menu
from trivet.console.money.unit_costs_line import Course
from trivet.console.money.unit_costs_picture import Scatter, Waterfall
from trivet.console.views import Reader


@dataclass(frozen=True, slots=True)
class MovedLine:
    """One group's change and its parts."""

    name: str
    change: Decimal
    parts: tuple[Decimal, ...]


@dataclass(frozen=True, slots=True)
class MovedPart:
    """Why it moved: a picture of the whole, a line a group. `names` head the parts that moved anything."""

    against: str
    waterfall: Waterfall
    names: tuple[str, ...]
    lines: tuple[MovedLine, ...]
    left_out: int
    places: int
    per_token: str


@dataclass(frozen=True, slots=True)
class Columns:
    """Places of each column, so that a column keeps to one number of them."""

    per_request: int
    per_million: int
    per_gpu_hour: int


@dataclass(frozen=True, slots=True)
class UnitLine:
    """Unit costs of one group; amounts None where there is nothing to divide by."""

    name: str
    url: str
    amount: Decimal
    requests: int
    tokens: int
    per_request: Decimal | None
    per_million: Decimal | None
    per_gpu_hour: Decimal | None
    energy: str
    share: float  # of the dearest million tokens


@dataclass(frozen=True, slots=True)
class UnitTable:
    """The table: groups by cost, the whole at the end."""

    heading: str
    lines: tuple[UnitLine, ...]
    whole: UnitLine | None
    columns: Columns
    left_out: int
    of_pools: bool


@dataclass(frozen=True, slots=True)
class QuadrantPart:
    """The picture of quadrants, and the moves that they call for, each with who is there."""

    of: tuple[Link, ...]
    scatter: Scatter
    moves: tuple[tuple[str, str, str], ...]  # quadrant, the move, who


@dataclass(frozen=True, slots=True)
class FormulaLine:
    """One pool, planned against actual, in words."""

    pool: str
    price: str
    planned_price: str
    utilisation: str
    planned_utilisation: str
    per_million: str
    planned_per_million: str
    per_token: str


@dataclass(frozen=True, slots=True)
class ValueLine:
    """One figure of business value beside its cost."""

    name: str
    value: str
    cost: str
    ratio: str
    note: str


@dataclass(frozen=True, slots=True)
class UnitCostsPage:
    """`/unit-costs`. Why it moved is fetched after it, from `why_url`; "" where it cannot be told."""

    reader: Reader
    address: Asked
    sentence: str
    currency: str
    menus: tuple[Menu, ...]
    course: Course | None
    table: UnitTable | None
    why_url: str
    quadrants: QuadrantPart | None
    formula: tuple[FormulaLine, ...]
    values: tuple[ValueLine, ...]
    month: str


@dataclass(frozen=True, slots=True)
class WhyPart:
    """`/unit-costs/why`: the part that is fetched after the page."""

    currency: str
    moved: MovedPart | None
