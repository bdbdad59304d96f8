"""What the pages of conversations show."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from trivet.console.address import Address, Link
from trivet.console.requests.receipt import Bar, Line, Under
from trivet.console.requests.views import Field
from trivet.console.views import Reader


@dataclass(frozen=True, slots=True)
class InteractionRow:
    """One conversation or trace with its totals. `failed` counts errors, timeouts and refusals; `cost` is in words."""

    id: str
    url: str
    tenants: str
    models: str
    levels: str
    requests: str
    failed: int
    tokens: int
    cost: str
    lasted: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Dot:
    """One interaction in the picture: when its newest call began, what it cost."""

    x: float
    y: float
    url: str
    words: str


@dataclass(frozen=True, slots=True)
class InteractionsPage:
    """templates/interactions/list.html. `kinds` are the two ways to see them."""

    reader: Reader
    sentence: str
    address: Address
    kinds: tuple[Link, ...]
    ranges: tuple[Link, ...]
    filters: tuple[Link, ...]
    fields: tuple[Field, ...]
    dots: tuple[Dot, ...]
    highest: str
    rows: tuple[InteractionRow, ...]
    older_url: str


@dataclass(frozen=True, slots=True)
class ReceiptPage:
    """templates/interactions/one.html: a receipt. `totals` are exact, by currency."""

    reader: Reader
    kind: str
    id: str
    sentence: str
    tenants: str
    scenarios: str
    started_at: datetime
    ended_at: datetime
    lines: tuple[Line, ...]
    bars: tuple[Bar, ...]
    under: tuple[Under, ...]
    tokens: tuple[int, ...]
    totals: tuple[tuple[str, Decimal], ...]
    unpriced: int
    left_out: bool
    csv_url: str
    trace_url: str
