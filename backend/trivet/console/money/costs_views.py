"""What the pages of costs show, one frozen dataclass a page."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from trivet.console.address import Link
from trivet.console.money.costs_asked import Asked
from trivet.console.money.costs_picture import Bars
from trivet.console.money.pivot import Pivot
from trivet.console.views import Reader


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
    has_beside: bool
    by_centre: bool


@dataclass(frozen=True, slots=True)
class PivotTable:
    """Any two dimensions."""

    heading: str
    across: str
    pivot: Pivot
    places: int


@dataclass(frozen=True, slots=True)
class Menu:
    """A choice of several, told by the one that holds."""

    label: str
    links: tuple[Link, ...]

    @property
    def chosen(self) -> str:
        """The words of what holds."""
        return next((link.words for link in self.links if link.chosen), "")


@dataclass(frozen=True, slots=True)
class AnomalyLine:
    """One odd day of a tenant; `words` say what moved it most."""

    day: date
    tenant: str
    amount: Decimal
    expected: Decimal
    currency: str
    places: int
    words: str
    seen: str
    url: str
    acknowledge_url: str


@dataclass(frozen=True, slots=True)
class CostsPage:
    """`/costs`."""

    reader: Reader
    address: Asked
    sentence: str
    currency: str
    menus: tuple[Menu, ...]
    bars: Bars | None
    table: CostTable | None
    pivot: PivotTable | None
    anomalies: tuple[AnomalyLine, ...]


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
    address: Asked
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
