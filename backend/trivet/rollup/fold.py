"""Merging rows of usage. Pure: rows in, rows out; the same rows in any order and any batches give the same result.

A row is a tuple in the order of `COLUMNS`: bucket, dimensions, counts, histograms. Deltas and rollups have the same
shape, so the 1 min rows are the fold of the 10 s rows, and the 1 h rows the fold of those.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from trivet.ingest.models import COUNTS, DIMENSIONS, HISTOGRAMS
from trivet.kit import histogram
from trivet.kit.clock import floor
from trivet.kit.money import EXACT

KEY = ("bucket", *DIMENSIONS)
COLUMNS = (*KEY, *COUNTS, *HISTOGRAMS)
_COUNTS_AT = len(KEY)
_HISTOGRAMS_AT = _COUNTS_AT + len(COUNTS)

Row = Sequence[Any]


def fold(rows: Iterable[Row], grain_s: int) -> list[tuple[Any, ...]]:
    """One row for each bucket of `grain_s` seconds and set of dimensions, in key order."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    buckets: dict[datetime, datetime] = {}
    for row in rows:
        bucket = buckets.get(row[0]) or buckets.setdefault(row[0], floor(row[0], grain_s))
        groups.setdefault((bucket, *row[1:_COUNTS_AT]), []).append(row)
    return [(*key, *_merged(groups[key])) for key in sorted(groups)]


def _merged(rows: list[Row]) -> Iterable[Any]:
    for column in range(_COUNTS_AT, _HISTOGRAMS_AT):
        yield total(row[column] for row in rows)
    for column in range(_HISTOGRAMS_AT, len(COLUMNS)):
        yield histogram.compact(b"".join(row[column] for row in rows))


def total(values: Iterable[Any]) -> Any:
    """Sum of counts; exact where they are money."""
    result: Any = 0
    for value in values:
        result = EXACT.add(value, result) if isinstance(value, Decimal) else result + value
    return result


GPU_KEY = ("gpu_id", "metric", "bucket")
GPU_COLUMNS = (*GPU_KEY, "samples", "total", "least", "most")


def fold_gpu(rows: Iterable[Row], grain_s: int) -> list[tuple[Any, ...]]:
    """Readings by GPU, metric and bucket of `grain_s` seconds, in key order: samples, total, least, most."""
    groups: dict[tuple[Any, ...], tuple[int, float, float, float]] = {}
    for gpu_id, metric, bucket, samples, amount, least, most in rows:
        key = (gpu_id, metric, floor(bucket, grain_s))
        seen = groups.get(key)
        if seen is None:
            groups[key] = (samples, amount, least, most)
        else:
            groups[key] = (seen[0] + samples, seen[1] + amount, min(seen[2], least), max(seen[3], most))
    return [(*key, *groups[key]) for key in sorted(groups)]
