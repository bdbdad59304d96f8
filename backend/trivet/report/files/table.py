"""What a file holds, before it has a form: named columns, rows of values, and what was asked. Pure."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from trivet.kit.money import plain

Kind = Literal["text", "count", "money", "number"]
# A spreadsheet runs a cell that begins so, also one in full width; line breaks and tabs before it are skipped over.
RUNS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
ROWS_TOLD = 500
CELL_LENGTH_MAX = 32_000  # a workbook holds 32,767 characters a cell


@dataclass(frozen=True, slots=True)
class Column:
    """A column and what its values are: texts, whole numbers, exact amounts, or measured numbers."""

    name: str
    kind: Kind = "text"


@dataclass(slots=True)
class Gone:
    """How far a file is: pieces of its time, and rows. `tell(pieces done, pieces, rows)` is called as it goes."""

    tell: Callable[[int, int, int], None] = lambda *_: None
    done: int = 0
    of: int = 1
    rows: int = 0

    def piece(self, number: int, of: int) -> None:
        """So many of the pieces are behind it."""
        self.done, self.of = number, of
        self.tell(self.done, self.of, self.rows)

    def row(self) -> None:
        """One more."""
        self.rows += 1
        if self.rows % ROWS_TOLD == 0:
            self.tell(self.done, self.of, self.rows)


@dataclass(slots=True)
class Table:
    """Rows come as they are read and are gone through once; `facts` say what was asked, and grow until the last row.

    `totals` are sums of the column `amount` by currency, complete when all rows were gone through.
    """

    title: str
    columns: tuple[Column, ...]
    rows: Iterator[Sequence[Any]]
    facts: dict[str, str] = field(default_factory=dict)
    totals: dict[str, Decimal] = field(default_factory=dict)


def safe(name: str) -> str:
    """A name that came from anyone's span, so that no spreadsheet runs it: what could run is kept as text."""
    cut = name if len(name) <= CELL_LENGTH_MAX else f"{name[:CELL_LENGTH_MAX]}… (cut)"
    return f"'{cut}" if cut.startswith(RUNS) else cut


def cell(value: Any, kind: Kind) -> str:
    """A value as text: exact amounts with twelve places, what is missing empty, names safe."""
    if value is None:
        return ""
    if kind == "money":
        return plain(value)
    return safe(str(value)) if kind == "text" else str(value)
