"""What some requests add to 10-second buckets: a handful of delta rows out of many requests. Pure.

A bucket is that of the request's end. Latency, time to first token and inter-token time go into histograms; a request
that admission rejected never reached a model, so it counts but has no latency.
"""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from trivet.ingest.fact import ERROR, REFUSED, REJECTED, TIMEOUT
from trivet.ingest.models import COUNTS, DIMENSIONS, HISTOGRAMS
from trivet.ingest.row import Row, instant
from trivet.kit import histogram
from trivet.kit.money import from_picos

BUCKET_US = 10_000_000
COLUMNS = ("bucket", *DIMENSIONS, *COUNTS, *HISTOGRAMS)
Key = tuple[Any, ...]  # bucket start in µs, then DIMENSIONS
_NO_COST = Decimal(0)


def delta(bucket: datetime, dimensions: dict[str, Any], measures: dict[str, Any]) -> tuple[Any, ...]:
    """One delta row in the order of `COLUMNS`; what is not named is none, zero or empty."""
    zero: dict[str, Any] = {"currency": "", "cost": _NO_COST, "score_total": 0.0} | dict.fromkeys(HISTOGRAMS, b"")
    given = {"bucket": bucket} | dimensions | measures
    return tuple(given.get(column, zero.get(column, 0)) for column in COLUMNS)


def deltas_of(rows: Iterable[Row]) -> list[tuple[Any, ...]]:
    """Delta rows in the order of `COLUMNS`, one for each bucket and set of dimensions, ordered by them."""
    groups: dict[Key, _Sum] = {}
    for row in rows:
        key = _key(row)
        group = groups.get(key)
        if group is None:
            group = groups[key] = _Sum()
        group.add(row)
    return [(instant(key[0]), *key[1:], *groups[key].measures()) for key in sorted(groups)]


def _key(row: Row) -> Key:
    fact = row.fact
    return (
        fact.end_us - fact.end_us % BUCKET_US,
        row.tenant_id,
        row.scenario_id,
        row.model_id,
        row.backend_id,
        row.pool_id,
        row.version_id,
        row.region_id,
        fact.revision,
        fact.level,
        fact.context_class,
        int(fact.streamed),
        row.cost.currency,
    )


class _Sum:
    """The running sum of one delta row."""

    __slots__ = (
        "by_outcome", "cache_read", "cache_write", "input", "inter_token", "latency", "output", "picos", "reasoning",
        "requests", "ttft", "unpriced",
    )  # fmt: skip

    def __init__(self) -> None:
        self.requests = self.unpriced = self.picos = 0
        self.input = self.output = self.cache_read = self.cache_write = self.reasoning = 0
        self.by_outcome = [0, 0, 0, 0, 0]
        self.latency: dict[int, int] = {}
        self.ttft: dict[int, int] = {}
        self.inter_token: dict[int, int] = {}

    def add(self, row: Row) -> None:
        fact = row.fact
        self.requests += 1
        self.by_outcome[fact.outcome] += 1
        self.input += fact.input_tokens
        self.output += fact.output_tokens
        self.cache_read += fact.cache_read_tokens
        self.cache_write += fact.cache_write_tokens
        self.reasoning += fact.reasoning_tokens
        if row.cost.picos is None:
            self.unpriced += 1
        else:
            self.picos += row.cost.picos
        if fact.outcome != REJECTED:
            _count(self.latency, fact.end_us - fact.start_us)
        if fact.ttft_us is not None:
            _count(self.ttft, fact.ttft_us)
        if fact.inter_token_us is not None:
            _count(self.inter_token, fact.inter_token_us)

    def measures(self) -> tuple[Any, ...]:
        """In the order of COUNTS and HISTOGRAMS."""
        by = self.by_outcome
        return (
            self.requests,
            by[ERROR],
            by[TIMEOUT],
            by[REFUSED],
            by[REJECTED],
            self.unpriced,
            self.input,
            self.output,
            self.cache_read,
            self.cache_write,
            self.reasoning,
            from_picos(self.picos),
            0,
            0.0,
            histogram.encode(self.latency),
            histogram.encode(self.ttft),
            histogram.encode(self.inter_token),
        )


def _count(bins: dict[int, int], value_us: int) -> None:
    index = histogram.bin_of(value_us)
    bins[index] = bins.get(index, 0) + 1
