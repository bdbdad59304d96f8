"""What the templates of baselines get."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from trivet.console.address import Address, Link
from trivet.console.views import Choice, Reader


@dataclass(frozen=True, slots=True)
class Cell:
    """A number in words, and exactly ("" where nothing was measured)."""

    words: str
    exact: str


@dataclass(frozen=True, slots=True)
class BaselineRow:
    """One baseline with the numbers that matter most."""

    url: str
    name: str
    scenario: str
    start: datetime
    end: datetime
    requests: int
    quality: Cell
    p95: Cell
    cost: Cell
    actor: str
    reason: str


@dataclass(frozen=True, slots=True)
class Frozen:
    """What was typed into the form, and why it was refused."""

    scenario: str = ""
    name: str = ""
    since: str = ""
    until: str = ""
    reason: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class BaselinesPage:
    """templates/baselines/list.html."""

    reader: Reader
    address: Address
    sentence: str
    rows: tuple[BaselineRow, ...]
    next_url: str
    chosen: tuple[Link, ...]
    scenarios: tuple[Choice, ...]
    typed: Frozen


@dataclass(frozen=True, slots=True)
class MeasureRow:
    """One measure of both times, as a row and as a bar from the middle: to the right more, to the left less."""

    label: str
    leg: str
    before: Cell
    after: Cell
    difference: str
    relative: str
    verdict: str
    sample: str
    x: Decimal
    width: Decimal
    y: int
    says: str


@dataclass(frozen=True, slots=True)
class BaselinePage:
    """templates/baselines/one.html. `mix` are models, revisions and levels with their requests on both sides."""

    reader: Reader
    address: Address
    sentence: str
    name: str
    scenario: str
    scenario_url: str
    start: datetime
    end: datetime
    after_start: datetime
    after_end: datetime
    after_name: str
    made: str
    others: tuple[Link, ...]
    rows: tuple[MeasureRow, ...]
    currency: str
    height: int
    mix: tuple[tuple[str, str, int, int], ...]
    terms: str
