"""CSV of usage or costs, through the same query path as the API: a file never disagrees with the screen."""

import csv
from collections.abc import Iterator, Sequence
from typing import Any, TextIO

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
    if kind not in KINDS:
        raise Invalid(f"Export one of {', '.join(KINDS)}.", field="kind")
    text = group_by if isinstance(group_by, str) else ",".join(group_by)
    by = names.parse(text, names.USAGE_BY if kind == "usage" else names.COSTS_BY)
    rows = _usage(interval, by) if kind == "usage" else _costs(interval, by)
    writer = csv.writer(out, lineterminator="\n")
    count = -1  # the header is no row
    for row in rows:
        writer.writerow([_safe(value) for value in row])
        count += 1
    return count


def _usage(interval: Interval, by: list[str]) -> Iterator[list[Any]]:
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
    yield header
    for item in items:
        cost = item["cost"] or {"amount": None, "currency": None}
        yield [
            *(item[name] for name in (*by, *plain_counts)),
            *(item["tokens"][kind] for kind in kinds),
            cost["amount"],
            cost["currency"],
            *(item[measure][quantile] for measure, quantile in measures),
        ]


def _costs(interval: Interval, by: list[str]) -> Iterator[list[Any]]:
    with db.transaction() as session:
        found = costing.costs(session, interval, by, {})
    yield [*by, "amount", "list_amount", "provisional", "currency"]
    for row in found.rows:
        yield [*row.key, plain(row.amount), plain(row.list_amount), plain(row.provisional), row.currency]
    for currency, totals in found.totals.items():
        if totals.idle:
            yield [*(["idle"] * len(by)), plain(totals.idle), plain(0), plain(0), currency]


def _safe(value: Any) -> Any:
    """Names come from anyone's spans: one that a spreadsheet would run as a formula is kept as text."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) and not _number(value) else value


def _number(value: str) -> bool:
    return value.lstrip("-").replace(".", "", 1).isdigit()
