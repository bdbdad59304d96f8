"""What the pages of requests show."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from trivet.console.address import Address, Link
from trivet.console.requests.parts import Priced
from trivet.console.requests.picture import Picture
from trivet.console.views import Reader


@dataclass(frozen=True, slots=True)
class RequestRow:
    """One request of a list. `cost` None: it has no price, and `unpriced` says why; `repeats`: it counts nowhere."""

    url: str
    at: datetime
    tenant: str
    scenario: str
    model: str
    outcome: str
    tokens: int
    latency_ms: float
    ttft_ms: float | None
    cost: Decimal | None
    currency: str
    unpriced: str
    level: int
    repeats: bool


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the search form, or one line of what was kept."""

    name: str
    words: str
    value: str
    choices: tuple[str, ...] = ()
    numeric: bool = False


@dataclass(frozen=True, slots=True)
class RequestsPage:
    """templates/requests/list.html. `currency` empty: the rows have several, and each says its own."""

    reader: Reader
    sentence: str
    address: Address
    ranges: tuple[Link, ...]
    filters: tuple[Link, ...]
    fields: tuple[Field, ...]
    picture: Picture | None
    rows: tuple[RequestRow, ...]
    currency: str
    places: int
    looked_back_to: datetime | None
    older_url: str
    wider_url: str


@dataclass(frozen=True, slots=True)
class RequestPage:
    """templates/requests/one.html. `priced` None: no price made its cost."""

    reader: Reader
    sentence: str
    row: RequestRow
    started_at: datetime
    ended_at: datetime
    received_at: datetime
    first_token_at: datetime | None
    priced: Priced | None
    price_url: str
    price_words: str
    policy: tuple[Field, ...]
    kept: tuple[Field, ...]
    trace_url: str
    conversation_url: str


@dataclass(frozen=True, slots=True)
class TraceRow:
    """One request of a trace. `left`, `width` in hundredths of the whole trace; `depth` beneath the one it was part of."""

    row: RequestRow
    depth: int
    left: float
    width: float
    first: float | None


@dataclass(frozen=True, slots=True)
class TracePage:
    """templates/requests/trace.html."""

    reader: Reader
    id: str
    sentence: str
    rows: tuple[TraceRow, ...]
    left_out: int
    currency: str
    receipt_url: str
