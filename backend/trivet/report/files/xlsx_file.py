"""A table as a workbook: real numbers, sums as formulas with the value a reader sees, and a sheet that says what was asked.

A workbook's number has 15 digits. Beside each column of money stands the exact amount as text, which is what is signed.
"""

import operator
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, BinaryIO

import xlsxwriter
from xlsxwriter.utility import xl_col_to_name
from xlsxwriter.worksheet import Worksheet

from trivet.kit.errors import TooLarge
from trivet.kit.money import plain
from trivet.report.files.table import Column, Table, safe

EXACT = "{} (exact)"
WIDTHS = {"text": 28, "count": 14, "money": 20, "number": 12}
FORMATS = {"count": "#,##0", "money": "#,##0.00########", "number": "0.0##"}
ROWS_MAX = 200_000  # about a minute's work
WHOLE = "#,##0.########"
UNDIVIDED = frozenset({"CLP", "ISK", "JPY", "KRW", "VND"})  # currencies without cents
MADE = datetime(2000, 1, 1, tzinfo=UTC).replace(tzinfo=None)  # the file's own date says nothing; the sheet says when
NOTE = (
    "Numbers in this workbook have 15 digits, as spreadsheets keep them. The columns marked (exact) are texts with every "
    "digit of the ledger; they are the same as in the API and the CSV file. Names that begin with = + - @ have ' before them."
)


def write(made: Table, out: BinaryIO) -> int:
    """Write row by row in bounded memory; how many rows. `facts` and `totals` of the table are read at the end."""
    options = {
        "constant_memory": True, "strings_to_formulas": False, "strings_to_numbers": False, "strings_to_urls": False,
    }  # fmt: skip
    book = xlsxwriter.Workbook(out, options)
    book.set_properties({"title": f"Trivet: {made.title}", "author": "Trivet", "created": MADE})
    try:
        return _fill(book, made)
    finally:
        book.close()  # also where it is refused: only this lets go of what was written beside


def _fill(book: Any, made: Table) -> int:
    sheet = book.add_worksheet(made.title.capitalize()[:31])
    formats = _Formats(book)
    bold = book.add_format({"bold": True, "bottom": 1})
    columns = _with_exact(made.columns)
    for at, column in enumerate(columns):
        sheet.set_column(at, at, WIDTHS[column.kind])
        sheet.write_string(0, at, column.name, bold)
    sheet.freeze_panes(1, 0)
    count = 0
    for row in made.rows:
        if count == ROWS_MAX:
            raise TooLarge(f"A workbook holds {ROWS_MAX:,} rows here: take CSV, narrow the range, or group by less.")
        count += 1
        _row(sheet, count, _values(made.columns, row), formats, _currency(made.columns, row))
    if count:
        sheet.autofilter(0, 0, count, len(columns) - 1)
    _read_me(book.add_worksheet("Read me"), made, columns, count, (bold, formats))
    return count


class _Formats:
    """How numbers look: amounts with the code of their currency, and its usual number of places at least."""

    def __init__(self, book: Any) -> None:
        self._book = book
        self._made: dict[str, Any] = {}

    def of(self, kind: str, currency: str = "") -> Any:
        code = FORMATS[kind]
        if kind == "money" and currency:
            code = f'{WHOLE if currency in UNDIVIDED else code} "{currency}"'
        if code not in self._made:
            self._made[code] = self._book.add_format({"num_format": code})
        return self._made[code]


def _currency(columns: Sequence[Column], row: Sequence[Any]) -> str:
    """The currency of a row, where it has one; three letters, so that it can stand in a format."""
    found = next((value for column, value in zip(columns, row, strict=True) if column.name == "currency"), None)
    return found if isinstance(found, str) and found.isalpha() else ""


def _with_exact(columns: Sequence[Column]) -> list[Column]:
    """Behind each column of money one for its exact text."""
    found: list[Column] = []
    for column in columns:
        found.append(column)
        if column.kind == "money":
            found.append(Column(EXACT.format(column.name)))
    return found


def _values(columns: Sequence[Column], row: Sequence[Any]) -> list[tuple[Any, str]]:
    found: list[tuple[Any, str]] = []
    for column, value in zip(columns, row, strict=True):
        found.append((value, column.kind))
        if column.kind == "money":
            found.append((None if value is None else plain(value), "exact"))
    return found


def _row(sheet: Worksheet, at: int, values: Sequence[tuple[Any, str]], formats: _Formats, currency: str) -> None:
    for column, (value, kind) in enumerate(values):
        if value is None:
            continue
        if kind == "exact":
            sheet.write_string(at, column, value)
        elif kind == "text":
            sheet.write_string(at, column, safe(str(value)))
        else:
            sheet.write_number(at, column, value, formats.of(kind, currency))


def _read_me(
    sheet: Worksheet, made: Table, columns: Sequence[Column], count: int, styles: tuple[Any, _Formats]
) -> None:
    """What was asked, then the sums by currency: a formula over the sheet, and the exact sum as text."""
    bold, formats = styles
    sheet.set_column(0, 0, 24)
    sheet.set_column(1, 2, 34)
    lines = [*made.facts.items(), ("Rows", f"{count:,}"), ("Note", NOTE)]
    for at, (name, value) in enumerate(lines):
        sheet.write_string(at, 0, name, bold)
        sheet.write_string(at, 1, safe(value))
    at = len(lines) + 1
    if not (made.totals and count):
        return
    for column, words in enumerate(("Sum of", "Formula", "Exact")):
        sheet.write_string(at, column, words, bold)
    by_name = {column.name: xl_col_to_name(n) for n, column in enumerate(columns)}
    amounts, currencies = by_name.get("amount", by_name.get("cost", "")), by_name["currency"]
    name = made.title.capitalize()[:31]
    for currency, total in sorted(made.totals.items(), key=operator.itemgetter(0)):
        at += 1
        of = f"'{name}'!${currencies}$2:${currencies}${count + 1}"
        summed = f"'{name}'!${amounts}$2:${amounts}${count + 1}"
        sheet.write_string(at, 0, currency)
        sheet.write_formula(at, 1, f'=SUMIF({of},"{currency}",{summed})', formats.of("money", currency), _shown(total))
        sheet.write_string(at, 2, plain(total))


def _shown(total: Decimal) -> Decimal:
    """The formula's value until a reader calculates it, with the digits that a workbook keeps."""
    return Decimal(format(total, ".15G"))
