"""A file as rows of text: CSV of any usual separator, or Parquet; perhaps gzipped. Never more than a chunk at a time.

What is in the bytes decides, not the file's name. Every limit is checked before what it limits is held.
"""

import codecs
import csv
import gzip
import io
import itertools
import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

from trivet.kit.errors import Invalid, TooLarge

HEADER_ROWS_MAX = 30  # before the header some exports tell what they are of
COLUMNS_MAX = 1_000
LINE_MAX = 1 << 20
BATCH_ROWS, BATCH_BYTES_MAX = 1_000, 256 << 20
READ_BYTES = 1 << 16
EXPANDS_MAX = 20  # how many times its limit of bytes a file may be once it is decompressed
SEPARATORS = ",;\t|"
GZIP, PARQUET, ZIP = b"\x1f\x8b", b"PAR1", b"PK\x03\x04"
UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

_END = re.compile(r"\r\n|\n|\r(?!\Z)")  # and of nothing else that Unicode calls a line

Row = tuple[int, list[str]]  # the number of the line it starts on, its cells


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one file."""

    bytes: int
    rows: int


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of a file as they come. Those before the header are among them; `Parquet` has none."""

    rows: Iterator[Row]
    parquet: bool


def open_table(file: IO[bytes], limits: Limits) -> Table:
    """Rows of text; `Invalid` for what is neither CSV nor Parquet, `TooLarge` for more than the limits."""
    start = _peek(file)
    if start.startswith(ZIP):
        raise Invalid("This is a zip archive: unpack it, and import the file that is in it.", field="file")
    if start.startswith(GZIP):
        file = io.BufferedReader(
            _Bounded(gzip.GzipFile(fileobj=file, mode="rb"), limits.bytes * EXPANDS_MAX), READ_BYTES
        )
        start = _peek(file)
    if not start.strip(b"\0 \t\r\n"):
        raise Invalid("The file is empty.", field="file")
    if start.startswith(PARQUET):
        return Table(_parquet(file, limits), parquet=True)
    return Table(_csv(file, start, limits), parquet=False)


class _Bounded(io.RawIOBase):
    """What comes out of a decompressor, no more than a limit of it."""

    def __init__(self, inner: gzip.GzipFile, limit: int) -> None:
        self._inner, self._limit = inner, limit

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        try:
            at = self._inner.seek(offset, whence)
        except (OSError, EOFError, zlib.error) as broken:
            raise Invalid(f"The gzip file is broken: {broken}.", field="file") from broken
        return self._checked(at)

    def tell(self) -> int:
        return self._inner.tell()

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._inner.read(len(buffer))
        except (OSError, EOFError, zlib.error) as broken:
            raise Invalid(f"The gzip file is broken: {broken}.", field="file") from broken
        self._checked(self._inner.tell())
        buffer[: len(data)] = data
        return len(data)

    def _checked(self, at: int) -> int:
        if at > self._limit:
            raise TooLarge(f"Decompressed, the file has more than {self._limit} bytes.", field="file")
        return at


def _peek(file: IO[bytes]) -> bytes:
    start = file.read(64) or b""
    file.seek(0)
    return start


def _csv(file: IO[bytes], start: bytes, limits: Limits) -> Iterator[Row]:
    encoding = "utf-16" if start.startswith(UTF16) else "utf-8-sig"
    lines = _lines(file, encoding)
    first = list(itertools.islice(lines, HEADER_ROWS_MAX))
    if not first:
        raise Invalid("The file is empty.", field="file")
    separator = max(SEPARATORS, key=lambda mark: max(line.count(mark) for line in first))
    reader = csv.reader(itertools.chain(first, lines), delimiter=separator, strict=True)
    count, began = 0, 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as broken:
            raise Invalid(f"Line {reader.line_num} is no CSV: {broken}.", field="file") from broken
        if len(cells) > COLUMNS_MAX:
            raise TooLarge(f"Line {began} has {len(cells)} columns; a bill has at most {COLUMNS_MAX}.", field="file")
        if any(cells):
            count += 1
            if count > limits.rows + HEADER_ROWS_MAX:
                raise TooLarge(f"The file has more than {limits.rows} rows: import it in parts.", field="file")
            yield began, cells
        began = reader.line_num + 1


def _lines(file: IO[bytes], encoding: str) -> Iterator[str]:
    """Lines of text, of bounded length each."""
    decode = codecs.getincrementaldecoder(encoding)()
    rest, number = "", 1
    while True:
        data = file.read(READ_BYTES)
        try:
            text = rest + decode.decode(data or b"", final=not data)
        except UnicodeDecodeError as bad:
            told = f"after line {number} there is a byte 0x{bad.object[bad.start]:02x}"
            raise Invalid(f"The file is not UTF-8: {told}. Save it as CSV UTF-8.", field="file") from bad
        ends = [match.end() for match in _END.finditer(text)]
        whole = [text[start:end] for start, end in zip([0, *ends], ends, strict=False)]
        rest = text[ends[-1] :] if ends else text
        if len(rest) > LINE_MAX:
            raise Invalid(f"Line {number} does not end; this is no CSV.", field="file")
        number += len(whole)
        yield from whole
        if not data:
            if rest:
                yield rest
            return


def _parquet(file: IO[bytes], limits: Limits) -> Iterator[Row]:
    import pyarrow as pa  # Arrow is large: only who reads such a file needs it
    import pyarrow.parquet as pq

    try:
        opened = pq.ParquetFile(pa.PythonFile(file, mode="r"))
        told = opened.metadata
        expanded = sum(told.row_group(n).total_byte_size for n in range(told.num_row_groups))
        if told.num_rows > limits.rows:
            raise TooLarge(f"The file has {told.num_rows} rows; a bill has at most {limits.rows}.", field="file")
        if told.num_columns > COLUMNS_MAX:
            raise TooLarge(f"The file has {told.num_columns} columns, at most {COLUMNS_MAX} are read.", field="file")
        if expanded > limits.bytes * EXPANDS_MAX:
            raise TooLarge(f"Decompressed, the file has {expanded} bytes.", field="file")
        yield from _batches(opened)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as broken:
        raise Invalid(f"The Parquet file cannot be read: {str(broken).splitlines()[0]}.", field="file") from broken


def _batches(opened: Any) -> Iterator[Row]:
    import pyarrow as pa

    number = 1
    for batch in opened.iter_batches(batch_size=BATCH_ROWS):
        if batch.nbytes > BATCH_BYTES_MAX:
            raise TooLarge(f"Rows {number} to {number + BATCH_ROWS} have {batch.nbytes} bytes.", field="file")
        flat = pa.Table.from_batches([batch]).flatten()
        if number == 1:
            yield 1, list(flat.column_names)
        columns = [[_text(value) for value in column.to_pylist()] for column in flat.columns]
        for cells in zip(*columns, strict=True):
            number += 1
            yield number, list(cells)


def _text(value: Any) -> str:
    """A Parquet value as the text that CSV would have. A double is the shortest decimal that means it."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list):  # of credits, of labels: the amounts of all are what counts
        parts = [part.get("amount") for part in value if isinstance(part, dict)]
        if parts and all(part is not None for part in parts):
            return json.dumps([str(part) for part in parts])
        return json.dumps(dict(value), default=str) if value and isinstance(value[0], tuple) else ""
    if isinstance(value, dict):
        return json.dumps(value, default=str)
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    return str(value)
