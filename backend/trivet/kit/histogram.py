"""Log-bucket histograms of microseconds: relative error at most 1 %, merged by adding bins.

Stored as bytes: records of (bin uint16, count int32), little-endian. A count below zero takes back what was counted
before. Joining two byte strings merges them, so SQL can
merge with `string_agg(h, ''::bytea)`; `compact` brings the result back to one record a bin. Method: DDSketch (Masson,
Rim and Lee, VLDB 2019), bin k holds (γ^(k-1), γ^k] with γ = (1 + 0.01) / (1 - 0.01).
"""

import math
import struct
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

RELATIVE_ERROR = 0.01
GAMMA = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
_LOG_GAMMA = math.log(GAMMA)
COUNT_MAX = 2**31 - 1  # of one record, either sign; a bin with more has several
BINS_MAX = 2048  # γ^2048 µs is far beyond any clock; larger values fall into the last bin
RECORD = np.dtype([("bin", "<u2"), ("count", "<i4")])
_record = struct.Struct("<Hi").pack  # the same, for the few records of one row


def bin_of(value_us: int) -> int:
    """Bin of a duration in microseconds; everything up to 1 µs is bin 0."""
    if value_us <= 1:
        return 0
    return min(math.ceil(math.log(value_us) / _LOG_GAMMA - 1e-9), BINS_MAX - 1)


def bins_of(values_us: Sequence[int]) -> list[int]:
    """Bins of many durations."""
    values = np.maximum(np.array(values_us, dtype=np.float64), 1.0)
    bins: list[int] = np.clip(np.ceil(np.log(values) / _LOG_GAMMA - 1e-9), 0, BINS_MAX - 1).astype(np.int64).tolist()
    return bins


def value_of(index: float) -> float:
    """The value that represents a bin, in microseconds: within 1 % of everything in it."""
    return float(2 * GAMMA**index / (GAMMA + 1))


def encode(counts: Mapping[int, int]) -> bytes:
    """Bytes of {bin: count}, bins ascending."""
    if any(abs(count) > COUNT_MAX or not count for count in counts.values()):
        items = [record for b, c in sorted(counts.items()) for record in _records(b, c)]
    else:
        items = sorted(counts.items())
    return b"".join([_record(*item) for item in items])


def _records(index: int, count: int) -> list[tuple[int, int]]:
    sign = -1 if count < 0 else 1
    full, rest = divmod(abs(count), COUNT_MAX)
    return [(index, sign * COUNT_MAX)] * full + ([(index, sign * rest)] if rest else [])


def of(values_us: Iterable[int]) -> bytes:
    """Histogram of some durations."""
    counts: dict[int, int] = {}
    for value in values_us:
        index = bin_of(value)
        counts[index] = counts.get(index, 0) + 1
    return encode(counts)


def counts(data: bytes) -> npt.NDArray[np.int64]:
    """Counts by bin, length `BINS_MAX`."""
    records = np.frombuffer(data, dtype=RECORD)
    return np.bincount(records["bin"], weights=records["count"], minlength=BINS_MAX).astype(np.int64)


def compact(data: bytes) -> bytes:
    """The same histogram with one record a bin; bins whose counts cancel are gone."""
    by_bin = counts(data)
    used = np.flatnonzero(by_bin)
    if used.size and np.abs(by_bin).max() > COUNT_MAX:
        return encode({int(index): int(by_bin[index]) for index in used})
    out = np.empty(len(used), dtype=RECORD)
    out["bin"], out["count"] = used, by_bin[used]
    return out.tobytes()


def total(data: bytes) -> int:
    """How many values it holds."""
    return int(np.frombuffer(data, dtype=RECORD)["count"].sum(dtype=np.int64))


def sum_us(data: bytes) -> float:
    """Sum of its values in microseconds, within 1 %."""
    by_bin = np.maximum(counts(data), 0)
    used = np.flatnonzero(by_bin)
    return float((by_bin[used] * (2 * GAMMA ** used.astype(np.float64) / (GAMMA + 1))).sum())


def quantiles_ms(data: bytes, at: Iterable[float] = (0.5, 0.9, 0.95, 0.99)) -> list[float | None]:
    """Quantiles in milliseconds; None where nothing was measured."""
    cumulative = np.cumsum(np.maximum(counts(data), 0))
    n = int(cumulative[-1])
    if not n:
        return [None for _ in at]
    ranks = [max(1, math.ceil(q * n - 1e-9)) for q in at]  # 0.07 × 100 is 7.000000000000001
    return [round(float(value_of(int(np.searchsorted(cumulative, rank)))) / 1000, 3) for rank in ranks]


def share_above(data: bytes, limit_us: int) -> float | None:
    """Share of values above a limit (to the bin's precision); None where nothing was measured."""
    by_bin = np.maximum(counts(data), 0)
    n = int(by_bin.sum())
    return float(by_bin[bin_of(limit_us) + 1 :].sum()) / n if n else None
