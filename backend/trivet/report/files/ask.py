"""A question as a table, by the one path: `costs` and `usage` are asked, and nothing is added here.

With a grain the question is put piece by piece, a day or a month at a time, so that a long file needs little memory.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from trivet.kit.clock import rfc3339
from trivet.kit.errors import Invalid, TooLarge
from trivet.kit.interval import Interval
from trivet.kit.money import EXACT
from trivet.report import costs as costing
from trivet.report import grain as grains
from trivet.report import names
from trivet.report import usage as using
from trivet.report.files.table import Column, Gone, Table
from trivet.rollup.read import Usage

KINDS = ("costs", "usage")
ROWS_MAX = 1_000_000  # what a sheet of a workbook holds, with room for the header and the sums
COUNTS = ("requests", "errors", "timeouts", "refusals", "rejections", "unpriced_requests")
TOKENS = ("input", "output", "cache_read", "cache_write", "reasoning")
MEASURES = ("latency", "ttft", "inter_token")
QUANTILES = ("p50", "p90", "p95", "p99")
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Question:
    """What a file answers. `where` are ids by column, `as_of` a closed month."""

    kind: str
    interval: Interval
    group_by: tuple[str, ...]
    where: Mapping[str, Collection[Any]] = field(default_factory=dict)
    grain: str | None = None
    basis: str = "allocation"
    as_of: str | None = None
    asked: Mapping[str, Sequence[Any]] = field(default_factory=dict)  # the filters by the names people use
    gone: Gone = field(default_factory=Gone, compare=False)


def question(kind: str, interval: Interval, group_by: str, **more: Any) -> Question:
    """`Invalid` where there is no such report, or it is not told by such a dimension."""
    if kind not in KINDS:
        raise Invalid(f"There is no export of {kind!r}: it is one of {', '.join(KINDS)}.", field="kind")
    by = names.parse(group_by, names.USAGE_BY if kind == "usage" else names.COSTS_BY)
    return Question(kind, interval, tuple(by), **more)


def one_moment(session: Session) -> None:
    """This transaction, which begins here, sees one state of the database: a file read in pieces agrees with itself."""
    session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))


def table(session: Session, asked: Question, now: datetime) -> Table:
    """The table; rows are read while they are gone through, in this transaction."""
    facts = {
        "Report": asked.kind,
        "From": rfc3339(asked.interval.start),
        "To (exclusive)": rfc3339(asked.interval.end),
        "By": ", ".join(asked.group_by) or "nothing",
        "Grain": asked.grain or "none",
    }
    facts |= {f"Only {name}": ", ".join(map(str, values)) for name, values in asked.asked.items() if values}
    made = Table(asked.kind, (), iter(()), facts)
    if asked.kind == "costs":
        facts["Basis"] = asked.basis
        facts["As of the close of"] = asked.as_of or "none: as it stands"
        made.columns, made.rows = _costs(session, asked, made)
    else:
        made.columns, made.rows = _usage(session, asked, made)
    facts["Generated"] = rfc3339(now.replace(microsecond=0))
    made.rows = _bounded(made.rows, asked.gone)
    return made


def pieces(asked: Question) -> Iterator[Interval]:
    """The interval, cut into days (months for months) where the rows are by bucket."""
    if asked.grain is None:
        yield asked.interval
        return
    width = grains.MONTH if asked.grain == "1mo" else grains.DAY
    starts = list(width.starts(asked.interval))
    for number, start in enumerate(starts):
        asked.gone.piece(number, len(starts))
        yield Interval(max(start, asked.interval.start), min(width.after(start), asked.interval.end))


def _bounded(rows: Iterator[Sequence[Any]], gone: Gone) -> Iterator[Sequence[Any]]:
    for number, row in enumerate(rows):
        if number == ROWS_MAX:
            raise TooLarge(f"That is more than {ROWS_MAX:,} rows: narrow the range, filter, or choose a coarser grain.")
        gone.row()
        yield row


def _bucket(asked: Question) -> list[str]:
    return [names.BUCKET] if asked.grain else []


def _costs(session: Session, asked: Question, into: Table) -> tuple[tuple[Column, ...], Iterator[Sequence[Any]]]:
    columns = (
        *map(Column, [*asked.group_by, *_bucket(asked)]),
        Column("amount", "money"), Column("list_amount", "money"), Column("provisional", "money"), Column("currency"),
    )  # fmt: skip
    grains.parse(asked.interval, asked.grain)

    def rows() -> Iterator[Sequence[Any]]:
        for piece in pieces(asked):
            found = costing.costs(
                session, piece, asked.group_by, asked.where, basis=asked.basis, grain=asked.grain, as_of=asked.as_of
            )
            into.facts["Posted until"] = rfc3339(found.as_of)
            for row in found.rows:
                yield _counted(into, [*row.key, row.amount, row.list_amount, row.provisional, row.currency])
            for apart in found.apart:
                key = apart_key(asked.group_by, apart)
                yield _counted(into, [*key, apart.amount, ZERO, ZERO, apart.currency])

    return columns, rows()


def apart_key(by: Sequence[str], row: costing.ApartRow) -> list[Any]:
    """What a row kept apart is called: its account stands where it has no name, and before the first where it has all."""
    key = list(row.key)
    dimensions = range(len(by))
    if "account" in by:
        return key
    empty = [at for at in dimensions if key[at] == names.said(by[at], None) or key[at] == names.TEXTS.get(by[at])]
    for at in empty:
        key[at] = row.account
    if not empty and key:
        key[0] = f"{key[0]}: {row.account}"
    return key


def _counted(into: Table, row: list[Any]) -> list[Any]:
    currency, amount = row[-1], row[-4]
    into.totals[currency] = EXACT.add(into.totals.get(currency, ZERO), amount)
    return row


def _usage(session: Session, asked: Question, into: Table) -> tuple[tuple[Column, ...], Iterator[Sequence[Any]]]:
    columns = (
        *map(Column, [*asked.group_by, *_bucket(asked)]),
        *(Column(name, "count") for name in COUNTS),
        *(Column(f"{kind}_tokens", "count") for kind in TOKENS),
        Column("cost", "money"),
        Column("currency"),
        *(Column(f"{measure}_ms_{q}", "number") for measure in MEASURES for q in QUANTILES),
    )
    using.grain_seconds(asked.interval, asked.grain)

    def rows() -> Iterator[Sequence[Any]]:
        for piece in pieces(asked):
            for row in using.usage(session, piece, asked.group_by, asked.where, asked.grain):
                if row.currency:
                    into.totals[row.currency] = EXACT.add(into.totals.get(row.currency, ZERO), row.usage.cost)
                yield _used(row.key, row.currency, row.usage)

    return columns, rows()


def _used(key: tuple[Any, ...], currency: str, each: Usage) -> list[Any]:
    measured = [value for measure in MEASURES for value in each.quantiles_ms(measure).values()]
    counts = [getattr(each, name) for name in COUNTS]
    tokens = [getattr(each, f"{kind}_tokens") for kind in TOKENS]
    return [*key, *counts, *tokens, each.cost if currency else None, currency or None, *measured]


def narrowed(asked: Question, **more: Any) -> Question:
    """The same question with something else of it."""
    return replace(asked, **more)
