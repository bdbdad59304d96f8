"""CSV of usage or costs, through the same query path as the API: a file never disagrees with the screen."""

import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

import pandas as pd

from trivet import db
from trivet.kit.errors import Invalid
from trivet.kit.interval import Interval
from trivet.kit.money import plain
from trivet.report import costs as costing
from trivet.report import names
from trivet.report import usage as using

KINDS = ("usage", "costs")
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def export(kind: str, interval: Interval, group_by: Sequence[str] | str, out: TextIO) -> int:
    """Write usage or costs of an interval as CSV with a header; says how many rows. Costs end with a row for idle.

    `group_by` is a list of dimensions or the API's comma-separated text. `Invalid` as the API says it.
    """
    _check(kind)
    text = group_by if isinstance(group_by, str) else ",".join(group_by)
    by = names.parse(text, names.USAGE_BY if kind == "usage" else names.COSTS_BY)
    table = _usage(interval, by) if kind == "usage" else _costs(interval, by)
    table.map(_safe).to_csv(out, index=False, lineterminator="\n")
    return len(table)


def run(kind: str, start: str, end: str, group_by: str, out: Path | None) -> int:
    """`trivet export`: RFC 3339 ends, to a file or to the terminal."""
    _check(kind)
    interval = Interval(_instant(start, "from"), _instant(end, "to"))
    if out is None:
        return export(kind, interval, group_by, sys.stdout)
    with out.open("w", encoding="utf-8", newline="") as file:
        return export(kind, interval, group_by, file)


def _check(kind: str) -> None:
    if kind not in KINDS:
        raise Invalid(f"There is no export of {kind!r}: it is one of {', '.join(KINDS)}.", field="kind")


def _instant(text: str, field: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError as bad:
        raise Invalid(f"--{field} is a time such as 2026-11-01T00:00:00Z, not {text!r}.", field=field) from bad
    if at.tzinfo is None:
        raise Invalid(f"--{field} {text} needs its zone: write {at.isoformat()}Z for UTC.", field=field)
    return at


def _table(header: list[str], rows: list[list[Any]]) -> pd.DataFrame:
    """As objects, so that a missing number stays missing and money stays the text it is on the wire."""
    return pd.DataFrame(rows, columns=header, dtype=object)


def _usage(interval: Interval, by: list[str]) -> pd.DataFrame:
    with db.transaction() as session:
        items = [using.item(by, row) for row in using.usage(session, interval, by, {})]
    plain_counts = ("requests", "errors", "timeouts", "refusals", "rejections", "unpriced_requests")
    kinds = ("input", "output", "cache_read", "cache_write", "reasoning")
    measures = [(m, q) for m in ("latency_ms", "ttft_ms", "inter_token_ms") for q in ("p50", "p90", "p95", "p99")]
    header = [
        *by,
        *plain_counts,
        *(f"{k}_tokens" for k in kinds),
        "cost",
        "currency",
        *(f"{m}_{q}" for m, q in measures),
    ]
    rows = []
    for item in items:
        cost = item["cost"] or {"amount": None, "currency": None}
        row = [item[name] for name in (*by, *plain_counts)] + [item["tokens"][kind] for kind in kinds]
        row += [cost["amount"], cost["currency"]]
        rows.append(row + [item[measure][quantile] for measure, quantile in measures])
    return _table(header, rows)


def _costs(interval: Interval, by: list[str]) -> pd.DataFrame:
    with db.transaction() as session:
        found = costing.costs(session, interval, by, {})
    rows = [
        [*row.key, plain(row.amount), plain(row.list_amount), plain(row.provisional), row.currency]
        for row in found.rows
    ]
    rows += [
        [*(["idle"] * len(by)), plain(totals.idle), plain(0), plain(0), currency]
        for currency, totals in found.totals.items()
        if totals.idle
    ]
    return _table([*by, "amount", "list_amount", "provisional", "currency"], rows)


def _safe(value: Any) -> Any:
    """Names come from anyone's spans: one that a spreadsheet would run as a formula is kept as text."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) and not _number(value) else value


def _number(value: str) -> bool:
    return value.lstrip("-").replace(".", "", 1).isdigit()
