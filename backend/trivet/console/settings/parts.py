"""What pages of settings share: a list of names with a search, forms, acts of a row, and what came of one."""

from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from decimal import Decimal, InvalidOperation
from typing import Annotated

from pydantic import BaseModel, Field

from trivet.console.address import Address, Link, Name, Times, instant
from trivet.console.views import Reader
from trivet.kit.body import Name as StoredName
from trivet.kit.errors import Invalid

__all__ = ["StoredName"]  # what names in forms are held to, as the API holds them
SHOWN, FILE_MAX = 50, 10_000
DIGITS, AMOUNT_MAX = 10, Decimal(10) ** 15
Words = Annotated[str, Field(max_length=256, pattern=r"^[^\x00]*$")]


class Query(Times):
    """A part of a name, and where the page begins."""

    q: Name = ""
    cursor: Name = ""


class Signed(BaseModel):
    """Every form carries its session's token."""

    csrf_token: str = Field(max_length=200)


@dataclass(frozen=True, slots=True)
class Entry:
    """One field of a form. `choices` are (value, words); with `free` they are only offered. `words` are translated when shown."""

    name: str
    words: str
    hint: str = ""
    value: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    free: bool = False
    required: bool = False
    kind: str = "text"


@dataclass(frozen=True, slots=True)
class Form:
    """What can be made here."""

    key: str
    action: str
    title: str
    button: str
    entries: tuple[Entry, ...]
    open: bool = False


@dataclass(frozen=True, slots=True)
class Act:
    """One button of a row, posted with the row's name; `sure` asks again in a sentence first."""

    action: str
    words: str
    name: str
    sure: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """`kind` is text, number, mono, soft, time or strong; `said`: words of ours, translated when shown."""

    text: str
    kind: str = "text"
    at: datetime | None = None
    url: str = ""
    said: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One line, with its buttons."""

    cells: tuple[Cell, ...]
    acts: tuple[Act, ...] = ()


@dataclass(frozen=True, slots=True)
class Listing:
    """The table: `heads` are words, `older_url` leads on; `left_out` says what is not here."""

    heads: tuple[str, ...]
    numbers: tuple[int, ...]
    rows: tuple[Row, ...]
    older_url: str = ""


@dataclass(frozen=True, slots=True)
class SettingsPage:
    """templates/settings/*.html. `secret` is told this once; `empty` teaches the next step by `command`."""

    reader: Reader
    sentence: str
    address: Address
    q: str
    filters: tuple[Link, ...]
    listing: Listing
    forms: tuple[Form, ...]
    empty: str
    command: str
    problem: str = ""
    secret: str = ""
    log_url: str = field(default="")


def time_of(text: str, zone: tzinfo, name: str) -> datetime | None:
    """A day or an instant somebody typed, in their zone; None where nothing was, `Invalid` where it is no time."""
    if not text.strip():
        return None
    found = instant(text.strip(), zone)
    if found is None:
        raise Invalid("Write a day, 2026-12-01, or an instant, 2026-12-01T07:00.", field=name)
    return found


def number_of(text: str, name: str) -> int | None:
    """A whole number somebody typed; None where nothing was."""
    if not text.strip():
        return None
    if not (text.strip().isascii() and text.strip().isdigit() and len(text.strip()) < DIGITS):
        raise Invalid("Write a whole number.", field=name)
    return int(text)


def amount_of(text: str, name: str) -> Decimal | None:
    """An amount somebody typed, exact; None where nothing was."""
    if not text.strip():
        return None
    try:
        found = Decimal(text.strip())
    except InvalidOperation as bad:
        raise Invalid("Write an amount, such as 2.50.", field=name) from bad
    if not found.is_finite() or not 0 <= found < AMOUNT_MAX:
        raise Invalid("Write an amount from 0 up, such as 2.50.", field=name)
    return found


def log_of(looking: Reader) -> str:
    """Where changes are logged, for who may see it."""
    return "/audit" if looking.role in ("admin", "sre", "finance") else ""
