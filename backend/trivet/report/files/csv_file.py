"""A table as CSV: UTF-8, one header, a decimal point always, exact amounts with all their places."""

import re
from collections.abc import Iterable
from typing import TextIO

from trivet.report.files.table import Table, cell

# Python's own writer leaves a lone carriage return unquoted where lines end with a line feed, and readers end a line there.
_QUOTED = re.compile('[,"\\r\\n]')


def write(made: Table, out: TextIO) -> int:
    """Write row by row; how many rows."""
    out.write(line(column.name for column in made.columns))
    kinds = [column.kind for column in made.columns]
    count = 0
    for row in made.rows:
        out.write(line(cell(value, kind) for value, kind in zip(row, kinds, strict=True)))
        count += 1
    return count


def line(values: Iterable[str]) -> str:
    """One line of CSV, its end included."""
    return ",".join(_quoted(value) for value in values) + "\n"


def _quoted(value: str) -> str:
    if not _QUOTED.search(value):
        return value
    doubled = value.replace('"', '""')
    return f'"{doubled}"'
