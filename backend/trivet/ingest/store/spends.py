"""What some requests add to what was spent, by UTC quarter hours: any time zone's midnight lies between two. Pure.

A quarter is that of the request's end. Of each tenant, scenario, key, end user and currency, one row in a transaction: users
are counters and no dimension of the rollups, so that many of them make none of those longer. What admission rejected was
not spent and counts as no request. Requests that repeat another's call are taken back below zero.
"""

from collections.abc import Iterable
from datetime import datetime

from trivet.ingest.models import SpendDelta
from trivet.ingest.request.fact import REJECTED
from trivet.ingest.store import copybytes
from trivet.ingest.store.copybytes import EPOCH_2000_US
from trivet.ingest.store.row import Row
from trivet.kit.clock import floor

QUARTER_S = 900
WHOSE = ("tenant_id", "scenario_id", "key_id", "end_user_id")
COPY_COLUMNS = ("quarter", *WHOSE, "requests", "tokens", "unpriced", "currency", "cost")
assert set(COPY_COLUMNS) < set(SpendDelta.__table__.columns.keys())
_QUARTER_US = QUARTER_S * 1_000_000
_fixed = copybytes.fixed(["timestamptz", *["int4"] * 4, *["int8"] * 3], len(COPY_COLUMNS))
Key = tuple[int, int, int, int, int, str]  # quarter's start in µs, WHOSE, currency


def packed(rows: Iterable[Row], back: Iterable[Row] = ()) -> list[bytes]:
    """Rows of `spend_delta` as bytes of COPY in the order of `COPY_COLUMNS`; `back` are taken back."""
    sums: dict[Key, list[int]] = {}
    _add(sums, rows, 1)
    _add(sums, back, -1)
    return [
        b"".join((
            _fixed(quarter - EPOCH_2000_US, *whose, requests, tokens, unpriced),
            copybytes.text(currency),
            copybytes.picos(picos),
        ))
        for (quarter, *whose, currency), (requests, tokens, unpriced, picos) in sorted(sums.items())
    ]  # fmt: skip


def _add(sums: dict[Key, list[int]], rows: Iterable[Row], sign: int) -> None:
    for row in rows:
        fact, cost = row.fact, row.cost
        key = (
            fact.end_us - fact.end_us % _QUARTER_US, row.tenant_id, row.scenario_id, row.key_id, row.end_user_id,
            cost.currency,
        )  # fmt: skip
        total = sums.get(key)
        if total is None:
            total = sums[key] = [0, 0, 0, 0]
        if fact.outcome != REJECTED:
            total[0] += sign
        total[1] += sign * (
            fact.input_tokens + fact.output_tokens + fact.cache_read_tokens + fact.cache_write_tokens
            + fact.reasoning_tokens
        )  # fmt: skip
        if cost.picos is None:
            total[2] += sign
        else:
            total[3] += sign * cost.picos


def quarter_of(at: datetime) -> datetime:
    """Start of the quarter hour that holds an instant."""
    return floor(at, QUARTER_S)
