"""OTLP metrics out of OTLP/JSON: the same points as from protobuf."""

import base64
import binascii
from collections.abc import Collection, Iterator
from typing import Any

from trivet.ingest.decode.metrics import DELTA, NO_VALUE
from trivet.ingest.decode.point import GAUGE, HISTOGRAM, SUM, SUMMARY, Point, Points, Source, digest_of
from trivet.ingest.decode.spans_json import (
    double,
    integer,
    json_attributes,
    load,
    member,
    numbers,
    objects,
    text,
    truth,
    uint64,
)
from trivet.ingest.errors import Malformed, TooManyItems
from trivet.ingest.signal.buckets import Buckets, Explicit, Exponential

DEPTH_MAX = 20  # of attribute values within each other; deeper ones are told apart no further
_KINDS = {
    "gauge": GAUGE,
    "sum": SUM,
    "histogram": HISTOGRAM,
    "exponentialHistogram": HISTOGRAM,
    "summary": SUMMARY,
}
_DELTAS = (DELTA, "AGGREGATION_TEMPORALITY_DELTA")


def points_of_json(body: bytes, names: Collection[str], keys: Collection[str], limit: int) -> Points:
    """Of an `ExportMetricsServiceRequest` in JSON; `TooManyItems` over `limit` points in all."""
    found, count = Points(), 0
    for in_resource in objects(load(body), "resourceMetrics"):
        resource = member(in_resource, "resource")
        read = json_attributes(resource, keys)
        for in_scope in objects(in_resource, "scopeMetrics"):
            source = Source(read, digest_of(plain(resource), text(member(in_scope, "scope"), "name")))
            for metric in objects(in_scope, "metrics"):
                name, wanted = text(metric, "name"), text(metric, "name") in names
                for which in _KINDS:
                    points = objects(member(metric, which), "dataPoints")
                    count += len(points)
                    if count > limit:
                        raise TooManyItems(f"At most {limit} data points are taken at once. Send smaller batches.")
                    if wanted:
                        found.add(_points(metric, which, keys, source))
                    elif points:
                        found.unknown[name] += len(points)
    return found


def _points(metric: dict[str, Any], which: str, keys: Collection[str], source: Source) -> Iterator[Point | None]:
    kind, data = _KINDS[which], member(metric, which)
    name, unit = text(metric, "name"), text(metric, "unit")
    delta = data.get("aggregationTemporality") in _DELTAS
    monotonic = bool(data.get("isMonotonic")) if kind == SUM else kind in (HISTOGRAM, SUMMARY)
    for point in objects(data, "dataPoints"):
        if integer(point, "flags") & NO_VALUE:
            yield None
            continue
        samples, total, least, most, buckets = _VALUES[which](point)
        yield Point(
            metric=name,
            unit=unit,
            kind=kind,
            delta=delta,
            monotonic=monotonic,
            start_ns=uint64(point, "startTimeUnixNano"),
            at_ns=uint64(point, "timeUnixNano"),
            samples=samples,
            total=total,
            least=least,
            most=most,
            buckets=buckets,
            attributes=json_attributes(point, keys),
            source=source,
            identity=digest_of(source.digest.hex(), name, plain(point)),
        )


_Values = tuple[int, float | None, float | None, float | None, Buckets | None]


def _number(point: dict[str, Any]) -> _Values:
    for key in ("asDouble", "asInt"):
        if point.get(key) is not None:
            value = double(point[key], key)
            return 1, value, value, value, None
    return 1, None, None, None, None


def _optional(point: dict[str, Any], key: str) -> float | None:
    return double(point[key], key) if point.get(key) is not None else None


def _counted(point: dict[str, Any]) -> tuple[int, float | None, float | None, float | None]:
    count, total = uint64(point, "count"), _optional(point, "sum")
    return count, total if count else total or 0.0, _optional(point, "min"), _optional(point, "max")


def _histogram(point: dict[str, Any]) -> _Values:
    bounds = tuple(double(value, "explicitBounds") for value in numbers(point, "explicitBounds"))
    counts = tuple(integer({"n": value}, "n") for value in numbers(point, "bucketCounts"))
    return *_counted(point), Explicit(bounds, counts) if bounds else None


def _exponential(point: dict[str, Any]) -> _Values:
    positive, negative = member(point, "positive"), member(point, "negative")
    offset = integer(positive, "offset")
    each = [integer({"n": value}, "n") for value in numbers(positive, "bucketCounts")]
    counts = {offset + i: count for i, count in enumerate(each) if count}
    below = uint64(point, "zeroCount") + sum(integer({"n": n}, "n") for n in numbers(negative, "bucketCounts"))
    return *_counted(point), Exponential(integer(point, "scale"), below, counts)


def _summary(point: dict[str, Any]) -> _Values:
    at = {_optional(q, "quantile") or 0.0: _optional(q, "value") or 0.0 for q in objects(point, "quantileValues")}
    return uint64(point, "count"), _optional(point, "sum") or 0.0, at.get(0.0), at.get(1.0), None


_VALUES = {
    "gauge": _number,
    "sum": _number,
    "histogram": _histogram,
    "exponentialHistogram": _exponential,
    "summary": _summary,
}


def plain(parent: dict[str, Any], depth: int = 0) -> dict[str, Any]:
    """All attributes as plain values, to tell one stream from another: the same as from protobuf."""
    return {text(pair, "key"): _plain(member(pair, "value"), depth) for pair in objects(parent, "attributes")}


def _plain(value: dict[str, Any], depth: int) -> Any:
    if depth > DEPTH_MAX:
        return None
    if "arrayValue" in value:
        return [_plain(item, depth + 1) for item in objects(member(value, "arrayValue"), "values")]
    if "kvlistValue" in value:
        return plain({"attributes": objects(member(value, "kvlistValue"), "values")}, depth + 1)
    if "bytesValue" in value:
        try:
            return base64.b64decode(text(value, "bytesValue"))
        except binascii.Error as bad:
            raise Malformed("`bytesValue` must be base64.") from bad
    for key, read in (("stringValue", text), ("intValue", integer)):
        if key in value:
            return read(value, key)
    if "doubleValue" in value:
        return double(value["doubleValue"], "doubleValue")
    return truth(value["boolValue"], "boolValue") if "boolValue" in value else None
