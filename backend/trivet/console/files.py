"""What a page shows, as a file: the same rows, exact, with names that no spreadsheet runs."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any
from urllib.parse import quote

from fastapi.responses import StreamingResponse

from trivet.report.files.csv_file import line
from trivet.report.files.table import Column, cell

ROWS_MAX = 100_000


def csv_answer(name: str, columns: Sequence[Column], rows: Iterable[Sequence[Any]]) -> StreamingResponse:
    """`name.csv`: UTF-8 with a header, times as RFC 3339 in UTC, money with all its places. At most `ROWS_MAX` rows.

    `rows` are read already, or come from a transaction that the caller's iterator opens and closes itself.
    """
    kinds = [column.kind for column in columns]

    def lines() -> Iterator[str]:
        yield line(column.name for column in columns)
        for row in islice(rows, ROWS_MAX):
            yield line(cell(value, kind) for value, kind in zip(row, kinds, strict=True))

    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}.csv"}
    return StreamingResponse(lines(), media_type="text/csv; charset=utf-8", headers=headers)
