"""What the template of budgets gets."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from trivet.console.address import Address, Link
from trivet.console.money.budgets_bars import Bars
from trivet.console.money.budgets_course import Picture
from trivet.console.views import Choice, Reader


@dataclass(frozen=True, slots=True)
class BudgetRow:
    """A budget by its nearest window. `state` is `spent`, `near` or `fine`, or `off`: not in force."""

    name: str
    of: str
    rule: str
    spent: Decimal
    held: Decimal
    limit: Decimal
    percent: str
    pace: str
    ends_at: datetime | None
    state: str
    state_words: str
    at_least: bool
    hard: str
    more: int
    url: str


@dataclass(frozen=True, slots=True)
class BudgetTable:
    """Budgets of one unit: a currency, tokens or requests."""

    unit: str
    places: int
    rows: tuple[BudgetRow, ...]


@dataclass(frozen=True, slots=True)
class CrossingRow:
    """A line that was crossed, and what was done."""

    at: datetime
    budget: str
    of: str
    line: int
    hard: bool
    spent: str
    done: str
    over: str
    reason: str


@dataclass(frozen=True, slots=True)
class OverRow:
    """A request or interaction over its budget."""

    at: datetime
    budget: str
    what: str
    tenant: str
    scenario: str
    amount: str
    done: str


@dataclass(frozen=True, slots=True)
class BudgetForm:
    """The form that makes one: what was said so far, and what it would be. `errors` by field."""

    name: str
    scopes: tuple[Choice, ...]
    subject: str
    tenant: str
    scenario: str
    measures: tuple[Choice, ...]
    currency: str
    limit: str
    windows: tuple[Choice, ...]
    zone: str
    begins: str
    actions: tuple[Choice, ...]
    ways_back: tuple[Choice, ...]
    owners: str
    reason: str
    preview: str
    errors: dict[str, str]


@dataclass(frozen=True, slots=True)
class BudgetsPage:
    """`course` is the picture of `course_of`. `chosen` is the budget whose history is shown, '' for all. `unheard` says why nobody gets mail. `form` None: the reader
    may not make any.
    """

    reader: Reader
    sentence: str
    address: Address
    scopes: tuple[Link, ...]
    chips: tuple[Link, ...]
    course: Picture | None
    course_of: str
    bars: Bars
    tables: tuple[BudgetTable, ...]
    next_url: str
    crossings: tuple[CrossingRow, ...]
    over: tuple[OverRow, ...]
    chosen: str
    unheard: str
    form: BudgetForm | None
