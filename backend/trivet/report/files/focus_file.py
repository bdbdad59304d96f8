"""FOCUS files, CSV and Parquet. Each row is checked as it is written, and the file's sum against the report, before any of it leaves."""

import io
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy.orm import Session

from trivet.kit.errors import Broken, Invalid, TooLarge
from trivet.kit.money import EXACT, plain
from trivet.report.files import csv_file, focus_ask, focus_rows
from trivet.report.files.ask import Question
from trivet.report.files.focus_columns import VERSIONS, Column, columns
from trivet.report.files.focus_rules import Checker, Verdict
from trivet.report.files.table import RUNS

KINDS = {"supply": ("BilledCost", focus_rows.supply), "allocation": ("EffectiveCost", focus_rows.allocation)}
ROWS_MAX = 1_000_000
BATCH = 5_000
TYPES = {"decimal": pa.decimal128(38, 24), "time": pa.timestamp("us", "UTC")}


class UncheckedFile(Broken):
    """A file of ours that breaks a rule of FOCUS, or does not add up: a fault of ours, and it does not leave."""


def write(session: Session, kind: str, asked: Question, out: BinaryIO, *, version: str, parquet: bool) -> int:
    """Write a file of a kind (`supply`, `allocation`) as CSV or Parquet; how many rows.

    `UncheckedFile` where it would break a rule, or its cost would not be that of the report.
    """
    if version not in VERSIONS:
        raise Invalid(f"`focus_version` is one of {', '.join(VERSIONS)}.", field="focus_version")
    shown = columns(version)
    checker = Checker([column.name for column in shown], version)
    rows = _checked(session, kind, asked, shown, checker)
    (_parquet if parquet else _csv)(rows, shown, out)
    verdict = checker.done()
    _refuse(verdict)
    return verdict.rows


def _checked(
    session: Session, kind: str, asked: Question, shown: tuple[Column, ...], checker: Checker
) -> Iterator[dict[str, str]]:
    """Rows, each through the rules; after each piece the sums by currency are held against the report's totals."""
    cost, rows_of = KINDS[kind]
    names = [column.name for column in shown]
    for facts, found in focus_ask.facts(session, asked):
        sums: dict[str, Decimal] = {}
        for row in rows_of(facts):
            shape = {name: _text(name, row.get(name, "")) for name in names}
            checker.row(shape)
            asked.gone.row()
            if checker.verdict.rows > ROWS_MAX:
                raise TooLarge(f"That is more than {ROWS_MAX:,} rows: narrow the range, or take days instead of hours.")
            currency = shape["BillingCurrency"]
            sums[currency] = EXACT.add(sums.get(currency, Decimal(0)), Decimal(shape[cost]))
            yield shape
        for currency in sums.keys() | found.totals.keys():
            told = found.totals[currency].total if currency in found.totals else Decimal(0)
            if sums.get(currency, Decimal(0)) != told:
                raise UncheckedFile(
                    f"{cost} adds up to {plain(sums.get(currency, Decimal(0)))} {currency}, the report says {plain(told)}."
                )


def _text(name: str, value: str) -> str:
    """Names are safe in a spreadsheet; figures, times and JSON are none of them's to run."""
    return f"'{value}" if value.startswith(RUNS) and name not in _FIGURES else value


_FIGURES = frozenset(
    column.name for version in VERSIONS for column in columns(version) if column.kind in ("decimal", "time", "json")
)


def _refuse(verdict: Verdict) -> None:
    if not verdict.ok:
        first = next(each for each in verdict.findings if each.level == "must")
        raise UncheckedFile(f"The file breaks {first.rule} in row {first.row}, {first.column}: {first.words}")


def _csv(rows: Iterator[dict[str, str]], shown: tuple[Column, ...], out: BinaryIO) -> None:
    text = io.TextIOWrapper(out, encoding="utf-8", newline="", write_through=False)
    names = [column.name for column in shown]
    text.write(csv_file.line(names))
    for row in rows:
        text.write(csv_file.line(row[name] for name in names))
    text.flush()
    text.detach()


def _parquet(rows: Iterator[dict[str, str]], shown: tuple[Column, ...], out: BinaryIO) -> None:
    schema = pa.schema([(column.name, TYPES.get(column.kind, pa.string())) for column in shown])
    with pq.ParquetWriter(out, schema, compression="zstd") as writer:
        batch: list[dict[str, Any]] = []
        for row in rows:
            batch.append({column.name: _typed(column, row[column.name]) for column in shown})
            if len(batch) == BATCH:
                writer.write_table(pa.Table.from_pylist(batch, schema))
                batch = []
        writer.write_table(pa.Table.from_pylist(batch, schema))


def _typed(column: Column, value: str) -> Any:
    if not value:
        return None
    if column.kind == "decimal":
        return Decimal(value)
    return pa.scalar(value).cast(TYPES["time"]).as_py() if column.kind == "time" else value
