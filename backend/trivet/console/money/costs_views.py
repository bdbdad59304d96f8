"""What the pages of costs show, one frozen dataclass a page."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from trivet.console.money.costs_picture import Bars, Scatter, Waterfall
from trivet.console.views import Reader


@dataclass(frozen=True, slots=True)
class Link:
    """One choice, and where it leads."""

    words: str
    url: str
    chosen: bool = False


@dataclass(frozen=True, slots=True)
class CostLine:
    """One row: `kind` is payer, unattributed or apart. `beside` is the interval before or the budget, None where there is none."""

    name: str
    kind: str
    posted: Decimal
    provisional: Decimal
    total: Decimal
    beside: Decimal | None
    change: str
    url: str
    postings_url: str


@dataclass(frozen=True, slots=True)
class CostTable:
    """Rows with their total. `places` hold for the whole column, `scale` is the longest bar."""

    heading: str
    beside: str
    rows: tuple[CostLine, ...]
    left_out: int
    total: Decimal
    provisional: Decimal
    places: int
    scale: Decimal


@dataclass(frozen=True, slots=True)
class MovedLine:
    """One group's change and its parts, in words; `exact` each part."""

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
    places: int
    per_token: str


@dataclass(frozen=True, slots=True)
class AnomalyLine:
    """One odd day of a tenant. `driver` says what moved it most."""

    day: date
    tenant: str
    amount: str
    expected: str
    words: str
    driver: str
    seen: str
    url: str
    acknowledge_url: str


@dataclass(frozen=True, slots=True)
class UnitLine:
    """Unit costs of one group, in words."""

    name: str
    requests: int
    tokens: int
    per_request: str
    per_million: str
    per_gpu_hour: str
    energy: str


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
class CostsPage:
    """`/costs`."""

    reader: Reader
    sentence: str
    currency: str
    ranges: tuple[Link, ...]
    groups: tuple[Link, ...]
    bases: tuple[Link, ...]
    compares: tuple[Link, ...]
    closes: tuple[Link, ...]
    currencies: tuple[Link, ...]
    filters: tuple[Link, ...]
    bars: Bars | None
    table: CostTable | None
    moved: MovedPart | None
    anomalies: tuple[AnomalyLine, ...]
    units: tuple[UnitLine, ...]
    quadrants: QuadrantPart | None
    formula: tuple[FormulaLine, ...]
    values: tuple[ValueLine, ...]
    month: str


@dataclass(frozen=True, slots=True)
class EntryLine:
    """One entry behind a row: its posting's hour, source, method and reason."""

    posting: int
    hour: datetime
    source: str
    period: str
    account: str
    whose: str
    amount: Decimal
    method: str
    reason: str
    requests_url: str


@dataclass(frozen=True, slots=True)
class PostingsPage:
    """`/costs/postings`: the entries that a figure is the sum of."""

    reader: Reader
    sentence: str
    currency: str
    currencies: tuple[Link, ...]
    back_url: str
    entries: tuple[EntryLine, ...]
    older_url: str | None


@dataclass(frozen=True, slots=True)
class BehindRow:
    """One request behind an entry."""

    at: datetime
    model: str
    tenant: str
    outcome: str
    tokens: int
    cost: str


@dataclass(frozen=True, slots=True)
class RequestsPage:
    """`/costs/requests`: the requests of an hour, as far as they are kept."""

    reader: Reader
    sentence: str
    back_url: str
    requests: tuple[BehindRow, ...]
