"""What the templates of periods and of cost centres get."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from trivet.console.address import Address, Link
from trivet.console.money.periods_strip import Strip
from trivet.console.views import Reader


@dataclass(frozen=True, slots=True)
class MonthRow:
    """One month in one currency. `by` says in words who closed it, or who asked."""

    month: str
    words: str
    state: str
    total: Decimal
    unattributed: Decimal
    adjustments: Decimal
    by: str
    chosen: bool
    url: str


@dataclass(frozen=True, slots=True)
class MonthTable:
    """All months in one currency, with the strip drawn from them."""

    currency: str
    strip: Strip
    rows: tuple[MonthRow, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that stands in the way of a close, or that is only said."""

    name: str
    detail: str
    url: str


@dataclass(frozen=True, slots=True)
class Step:
    """What the reader can do about a month: a preview that says what will be, then one button. No `verb`: nothing."""

    name: str
    verb: str
    preview: str
    needs_reason: bool


@dataclass(frozen=True, slots=True)
class Chosen:
    """The month that the lower half of the page is about."""

    month: str
    words: str
    state: str
    asked: str
    obstacles: tuple[Finding, ...]
    warnings: tuple[Finding, ...]
    steps: tuple[Step, ...]
    hint: str
    hash: str
    reason: str
    problem: str


@dataclass(frozen=True, slots=True)
class AdjustmentRow:
    """Postings of a closed month booked in a later one, in one currency."""

    adjusts: str
    period: str
    postings: int
    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class PeriodsPage:
    """templates/periods/page.html."""

    reader: Reader
    sentence: str
    address: Address
    states: tuple[Link, ...]
    chips: tuple[Link, ...]
    tables: tuple[MonthTable, ...]
    next_url: str
    chosen: Chosen
    adjustments: tuple[AdjustmentRow, ...]


@dataclass(frozen=True, slots=True)
class CentreRow:
    """One cost centre in its tree: `depth` 1 is a top; `tenants` are those it is charged for now."""

    name: str
    depth: int
    above: str
    code: str
    owners: str
    tenants: str
    tenants_left_out: int


@dataclass(frozen=True, slots=True)
class UnmappedRow:
    """A tenant without a cost centre, and when it was first met."""

    name: str
    since: datetime


@dataclass(frozen=True, slots=True)
class SharedRow:
    """A shared cost as it stands now: how much in words, how it is split."""

    name: str
    amount: Decimal
    currency: str
    spread: str
    rule: str
    note: str


@dataclass(frozen=True, slots=True)
class Upload:
    """A file of mappings as it was given: what it would do, row by row, or what is wrong with it."""

    text: str
    preview: tuple[str, ...]
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CentresPage:
    """templates/periods/centres.html. `problem` is why the last change was refused."""

    reader: Reader
    sentence: str
    centres: tuple[CentreRow, ...]
    names: tuple[str, ...]
    unmapped: tuple[UnmappedRow, ...]
    unmapped_left_out: int
    shared: tuple[SharedRow, ...]
    upload: Upload
    problem: str
