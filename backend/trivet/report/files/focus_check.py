"""`trivet focus check FILE`: the rules over any FOCUS file, CSV or Parquet."""

import csv
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from trivet.kit.clock import rfc3339
from trivet.kit.errors import Invalid
from trivet.report.files.focus_columns import VERSIONS
from trivet.report.files.focus_rules import Checker, Verdict, version_of

FIELD_LENGTH_MAX = 1 << 20


def check_file(path: Path, version: str = "") -> tuple[Verdict, str]:
    """The verdict on a file and the version it was held against: the given one, else the one its header speaks."""
    if version and version not in VERSIONS:
        raise Invalid(f"--focus-version is one of {', '.join(VERSIONS)}.", field="focus_version")
    try:
        header, rows = _parquet(path) if path.suffix == ".parquet" else _csv(path)
        held = version or version_of(header)
        checker = Checker(header, held)
        for row in rows:
            checker.row(row)
    except (OSError, UnicodeDecodeError, csv.Error, pa.ArrowException) as bad:
        raise Invalid(f"{path} cannot be read: {bad}", field="file") from bad
    return checker.done(), held


def told(verdict: Verdict, version: str) -> list[str]:
    """The verdict in lines: each rule with its first findings, then the sum."""
    lines = []
    for rule, count in sorted(verdict.counts.items()):
        own = [found for found in verdict.findings if found.rule == rule]
        level = own[0].level if own else "must"
        lines.append(f"{level:6} {rule}: {count}")
        lines += [f"       row {found.row}, {found.column or 'header'}: {found.words}" for found in own[:3]]
    kind = "agrees with" if verdict.ok else "breaks"
    lines.append(f"{verdict.rows} rows: {kind} the rules for FOCUS {version} that Trivet knows.")
    return lines


def _csv(path: Path) -> tuple[list[str], Iterator[dict[str, str]]]:
    csv.field_size_limit(FIELD_LENGTH_MAX)
    with path.open(encoding="utf-8-sig", newline="") as file:
        header = next(csv.reader(file), [])

    def rows() -> Iterator[dict[str, str]]:
        with path.open(encoding="utf-8-sig", newline="") as again:
            lines = csv.reader(again)
            next(lines, None)
            for line in lines:
                yield dict(zip(header, line, strict=False))

    return header, rows()


def _parquet(path: Path) -> tuple[list[str], Iterator[dict[str, str]]]:
    file = pq.ParquetFile(path)

    def rows() -> Iterator[dict[str, str]]:
        for batch in file.iter_batches(5_000):
            for row in batch.to_pylist():
                yield {name: _text(value) for name, value in row.items()}

    return list(file.schema_arrow.names), rows()


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return rfc3339(value)
    return format(value, "f") if isinstance(value, Decimal) else str(value)
