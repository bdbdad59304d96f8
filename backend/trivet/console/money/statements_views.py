"""What the template of statements gets."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from trivet.console.money.statements_bars import Bars
from trivet.console.views import Choice, Reader


@dataclass(frozen=True, slots=True)
class Amount:
    """One line of a table: words and an amount; `strong` for a sum."""

    words: str
    amount: Decimal
    strong: bool = False


@dataclass(frozen=True, slots=True)
class LineRow:
    """What a tenant bore of a model."""

    centre: str
    tenant: str
    model: str
    amount: Decimal
    tokens: int
    per_million: Decimal | None


@dataclass(frozen=True, slots=True)
class CurrencyPart:
    """A statement in one currency."""

    currency: str
    bars: Bars
    booked: tuple[Amount, ...]
    why: tuple[Amount, ...]
    change: Decimal
    beside: str
    lines: tuple[LineRow, ...]
    left_out: int


@dataclass(frozen=True, slots=True)
class File:
    """One download."""

    words: str
    url: str


@dataclass(frozen=True, slots=True)
class ScheduleRow:
    """A schedule in words, and what came of it last."""

    id: int
    name: str
    what: str
    when: str
    to: str
    state: str
    last: str


@dataclass(frozen=True, slots=True)
class MessageRow:
    """One message and how it got there. `state` is one of pills, `said` the word for it."""

    subject: str
    to: str
    state: str
    said: str
    why: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ScheduleForm:
    """What was typed, and what is wrong with it."""

    problem: str = ""
    name: str = ""
    kind: str = "statement.pdf"
    every: str = "month"
    at: str = "08:00"
    zone: str = "UTC"
    to: str = ""


@dataclass(frozen=True, slots=True)
class StatementsPage:
    """templates/statements/page.html."""

    reader: Reader
    sentence: str
    standing: str
    csv_url: str
    centres: tuple[Choice, ...]
    months: tuple[Choice, ...]
    parts: tuple[CurrencyPart, ...]
    notes: tuple[str, ...]
    files: tuple[File, ...]
    schedules: tuple[ScheduleRow, ...]
    form: ScheduleForm
    kinds: tuple[tuple[str, str], ...]
    messages: tuple[MessageRow, ...]
    has_channel: bool
