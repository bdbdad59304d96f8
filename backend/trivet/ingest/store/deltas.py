"""What some requests add to 10-second buckets: a handful of delta rows out of many requests. Pure.

A bucket is that of the request's end. Latency, time to first token and inter-token time go into histograms; a request
that admission rejected never reached a model, so it counts but has no latency. Requests that turn out to be told
already by another span are taken back: the same amounts, below zero.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from trivet.ingest.models import COUNTS, DIMENSIONS, HISTOGRAMS
from trivet.ingest.request.fact import REJECTED
from trivet.ingest.store import copybytes
from trivet.ingest.store.copybytes import EPOCH_2000_US
from trivet.ingest.store.row import Row, instant
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


def deltas_of(rows: Iterable[Row], back: Iterable[Row] = ()) -> list[tuple[Any, ...]]:
    """Delta rows in the order of `COLUMNS`, one for each bucket and set of dimensions, ordered by them.

    `back` are counted requests that are taken back.
    """
    groups = _sums(rows, back)
    return [(instant(key[0]), *key[1:], *groups[key].measures()) for key in sorted(groups)]


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

    def counts(self) -> tuple[int, ...]:
        """COUNTS up to the cost."""
        return (
            self.requests, *self.by_outcome[1:], self.unpriced, self.input, self.output, self.cache_read,
            self.cache_write, self.reasoning,
        )  # fmt: skip

    def histograms(self) -> Iterator[bytes]:
        """In the order of HISTOGRAMS."""
        return map(histogram.encode, (self.latency, self.ttft, self.inter_token))

    def measures(self) -> tuple[Any, ...]:
        """In the order of COUNTS and HISTOGRAMS."""
        return (*self.counts(), from_picos(self.picos), 0, 0.0, *self.histograms())


def _sums(rows: Iterable[Row], back: Iterable[Row]) -> dict[Key, _Sum]:
    added, taken = list(rows), list(back)
    both = [*added, *taken]
    latency, ttft, inter_token = _bins(both)
    groups: dict[Key, _Sum] = {}
    sign = 1
    for number, row in enumerate(both):
        if number == len(added):
            sign = -1
        fact, cost = row.fact, row.cost
        key = (
            fact.end_us - fact.end_us % BUCKET_US, row.tenant_id, row.scenario_id, row.model_id, row.backend_id,
            row.pool_id, row.version_id, row.region_id, fact.revision, fact.level, fact.context_class,
            int(fact.streamed), cost.currency,
        )  # fmt: skip
        group = groups.get(key)
        if group is None:
            group = groups[key] = _Sum()
        group.requests += sign
        group.by_outcome[fact.outcome] += sign
        group.input += sign * fact.input_tokens
        group.output += sign * fact.output_tokens
        group.cache_read += sign * fact.cache_read_tokens
        group.cache_write += sign * fact.cache_write_tokens
        group.reasoning += sign * fact.reasoning_tokens
        if cost.picos is None:
            group.unpriced += sign
        else:
            group.picos += sign * cost.picos
        if fact.outcome != REJECTED:
            group.latency[latency[number]] = group.latency.get(latency[number], 0) + sign
        if fact.ttft_us is not None:
            group.ttft[ttft[number]] = group.ttft.get(ttft[number], 0) + sign
        if fact.inter_token_us is not None:
            group.inter_token[inter_token[number]] = group.inter_token.get(inter_token[number], 0) + sign
    return groups


def _bins(rows: Sequence[Row]) -> tuple[list[int], list[int], list[int]]:
    """Bins of latency, time to first token and inter-token time, of all rows at once: one logarithm for many numbers."""
    facts = [row.fact for row in rows]
    bins = histogram.bins_of([
        *(fact.end_us - fact.start_us for fact in facts),
        *(fact.ttft_us or 0 for fact in facts),
        *(fact.inter_token_us or 0 for fact in facts),
    ])  # fmt: skip
    count = len(facts)
    return bins[:count], bins[count : 2 * count], bins[2 * count :]


# The same rows as bytes of COPY, in an order of their own.
COPY_COLUMNS = (
    "bucket", *DIMENSIONS[:-1], *COUNTS[:11], "scores", "score_total", "currency", "cost", *HISTOGRAMS,
)  # fmt: skip
_FIXED = ["timestamptz", *["int4"] * 8, *["int2"] * 3, *["int8"] * 12, "float8"]
_fixed = copybytes.fixed(_FIXED, len(COPY_COLUMNS))
assert len(_FIXED) == COPY_COLUMNS.index("currency")
assert COUNTS[11:] == ("cost", "scores", "score_total")
assert DIMENSIONS[-1] == "currency"


def packed(rows: Iterable[Row], back: Iterable[Row] = ()) -> list[bytes]:
    """The same as `deltas_of`, each row as bytes of COPY in the order of `COPY_COLUMNS`."""
    groups = _sums(rows, back)
    return [_packed(key, groups[key]) for key in sorted(groups)]


def _packed(key: Key, own: _Sum) -> bytes:
    bucket, *ids, currency = key
    return b"".join((
        _fixed(bucket - EPOCH_2000_US, *ids, *own.counts(), 0, 0.0),
        copybytes.text(currency),
        copybytes.picos(own.picos),
        *map(copybytes.binary, own.histograms()),
    ))  # fmt: skip
