"""What the pages of prices show."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from trivet.console.address import Address, Link
from trivet.console.views import Reader


@dataclass(frozen=True, slots=True)
class GapRow:
    """One gap: what it is of, why, how much is in no cost, and what closes it."""

    what: str
    note: str
    why: str
    requests: int | None
    amount: str
    to_do: str
    url: str = ""  # of the form that enters its price


@dataclass(frozen=True, slots=True)
class PriceRow:
    """One price that holds: amounts per million tokens, in words; `off` is a contract's discount on it."""

    provider: str
    model: str
    note: str
    input: str
    output: str
    cache_read: str
    cache_write: str
    reasoning: str
    off: str
    since: datetime
    source: str
    override: bool
    url: str


@dataclass(frozen=True, slots=True)
class PriceTable:
    """Prices of one currency."""

    currency: str
    rows: tuple[PriceRow, ...]


@dataclass(frozen=True, slots=True)
class DatedTable:
    """Dated rows of another kind of price, in words; empty, it teaches the body of the call that enters the first."""

    key: str
    title: str
    heads: tuple[str, ...]
    numbers: tuple[int, ...]
    rows: tuple[tuple[str, ...], ...]
    more: int
    empty: str
    body: str


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """A price that begins to hold. `coming`: not yet."""

    at: datetime
    coming: bool
    model: str
    provider: str
    note: str
    rates: str
    currency: str
    source: str
    author: str
    url: str


@dataclass(frozen=True, slots=True)
class ChangeMark:
    """One day in the picture's own units; `solid`: it has come."""

    x: float
    y: float
    height: float
    words: str
    url: str
    solid: bool


@dataclass(frozen=True, slots=True)
class Timeline:
    """Marks from the oldest to the newest; `now_x` is where now lies. `says` is the same in words."""

    width: int
    height: int
    floor_y: float
    bar: float
    marks: tuple[ChangeMark, ...]
    now_x: float
    start: str
    end: str
    says: str


@dataclass(frozen=True, slots=True)
class PricesPage:
    """`q` is what was searched for, `on` the day asked for; of `count` prices those of the page are in `tables`."""

    reader: Reader
    sentence: str
    address: Address
    q: str
    on: str
    chips: tuple[Link, ...]
    gaps: tuple[GapRow, ...]
    whole: bool
    picture: Timeline | None
    changes: tuple[ChangeRow, ...]
    tables: tuple[PriceTable, ...]
    count: int
    next_url: str
    others: tuple[DatedTable, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """One rate over time as the points of a step: solid as far as it is, dashed where it is still to come."""

    kind: str
    solid: str
    dashed: str
    label: str
    label_y: Decimal


@dataclass(frozen=True, slots=True)
class Mark:
    """A change on the time axis."""

    x: Decimal
    words: str
    solid: bool


@dataclass(frozen=True, slots=True)
class StepPicture:
    """A price over time. Zero-based; `ticks` are (y, words)."""

    width: int
    height: int
    lines: tuple[Line, ...]
    marks: tuple[Mark, ...]
    ticks: tuple[tuple[Decimal, str], ...]
    start: str
    end: str
    says: str


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """One dated row of a price: `state` is a key of `prices_words.STATES`."""

    at: datetime
    state: str
    rates: str
    source: str
    author: str


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """One price over time, newest row first."""

    reader: Reader
    sentence: str
    picture: StepPicture | None
    currency: str
    csv: str
    rows: tuple[HistoryRow, ...]
    next_price: str  # the address of the form that enters the next one


@dataclass(frozen=True, slots=True)
class MoveRow:
    """One price that an import would enter."""

    what: str
    note: str
    state: str
    moves: tuple[str, ...]
    overridden: bool


@dataclass(frozen=True, slots=True)
class ImportPage:
    """A price list held against the book; without `seen` only the way to choose one. `packed` is the file, for Apply."""

    reader: Reader
    sentence: str
    seen: bool
    rows: tuple[MoveRow, ...]
    more: int
    left_out: tuple[tuple[str, str], ...]
    more_left_out: int
    source: str
    packed: str
    effective_from: str
    may_apply: bool
    problem: str


@dataclass(frozen=True, slots=True)
class RateField:
    """The price of one kind of token, as it was written."""

    name: str
    words: str
    text: str
    hint: str
    needed: bool


@dataclass(frozen=True, slots=True)
class EnterPage:
    """The form that enters a price: what was said so far, and what it would change. `problems` by field."""

    reader: Reader
    sentence: str
    preview: str
    provider: str
    model: str
    pool: str
    tier: str
    rates: tuple[RateField, ...]
    currency: str
    begins: str
    source: str
    problems: dict[str, str]
