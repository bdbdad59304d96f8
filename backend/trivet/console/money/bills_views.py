"""What the template of bills gets."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from trivet.console.address import Address, Link
from trivet.console.money.bills_draw import Waterfall
from trivet.console.views import Reader


@dataclass(frozen=True, slots=True)
class BillRow:
    """One bill of the list. `difference` is billed less measured; `share` says it in words."""

    id: int
    provider: str
    days: str
    state: str
    currency: str
    total: Decimal
    measured: Decimal
    difference: Decimal
    unexplained: Decimal
    chosen: bool
    url: str
    provider_url: str


@dataclass(frozen=True, slots=True)
class CauseRow:
    """One cause in words, and what it is."""

    words: str
    meaning: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class DayRow:
    """One day and model, pool or name; `causes` in words, the largest first."""

    day: date
    name: str
    billed: Decimal
    measured: Decimal
    difference: Decimal
    tokens: str
    causes: str


@dataclass(frozen=True, slots=True)
class NameRow:
    """A name on the bill. `is_` the model or pool it is taken for, "" where nobody knows; `rule` how it was guessed."""

    name: str
    is_: str
    rule: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class PostForm:
    """The button, with what it will do for each way to bear it: (value, words, preview)."""

    verb: str
    ways: tuple[tuple[str, str, str], ...]
    spread: str


@dataclass(frozen=True, slots=True)
class Chosen:
    """The bill that the page is about."""

    id: int
    title: str
    state: str
    currency: str
    about: str
    waterfall: Waterfall
    causes: tuple[CauseRow, ...]
    days: tuple[DayRow, ...]
    days_left_out: int
    places: int
    unknown: tuple[NameRow, ...]
    guessed: tuple[NameRow, ...]
    models: tuple[str, ...]
    post: PostForm | None


@dataclass(frozen=True, slots=True)
class BillsPage:
    """templates/bills/page.html. `states` and `chips` are the filters of the list; `next_url` leads to older ones."""

    reader: Reader
    sentence: str
    address: Address
    states: tuple[Link, ...]
    chips: tuple[Link, ...]
    bills: tuple[BillRow, ...]
    next_url: str
    list_url: str
    chosen: Chosen | None
    problem: str
    providers: tuple[str, ...]
