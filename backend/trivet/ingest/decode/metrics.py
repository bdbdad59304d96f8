"""OTLP metrics out of protobuf: every kind of metric, only those that somebody reads. JSON is `metrics_json`."""

from collections.abc import Collection, Iterator
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from trivet.ingest.decode.point import GAUGE, HISTOGRAM, SUM, SUMMARY, Point, Points, Source, digest_of
from trivet.ingest.decode.spans import attributes_of, parse
from trivet.ingest.line.wire import DATA_POINTS, check_count
from trivet.ingest.signal.buckets import Buckets, Explicit, Exponential

DELTA = 1  # AggregationTemporality
NO_VALUE = 1  # DataPointFlags: the series has ended, or was not read
_KINDS = {
    "gauge": GAUGE,
    "sum": SUM,
    "histogram": HISTOGRAM,
    "exponential_histogram": HISTOGRAM,
    "summary": SUMMARY,
}


def points_of_protobuf(body: bytes, names: Collection[str], keys: Collection[str], limit: int) -> Points:
    """Of an `ExportMetricsServiceRequest`: points of metrics among `names`; `TooManyItems` over `limit` in all."""
    check_count(body, DATA_POINTS, limit, "data points")
    found = Points()
    for in_resource in parse(ExportMetricsServiceRequest(), body).resource_metrics:
        resource = in_resource.resource.attributes
        read = attributes_of(resource, keys)
        for in_scope in in_resource.scope_metrics:
            source = Source(read, digest_of(plain(resource), in_scope.scope.name))
            for metric in in_scope.metrics:
                _metric(found, metric, names, keys, source)
    return found


def _metric(found: Points, metric: Any, names: Collection[str], keys: Collection[str], source: Source) -> None:
    which = metric.WhichOneof("data")
    if which is None:
        return
    if metric.name not in names:
        found.unknown[metric.name] += len(getattr(metric, which).data_points)
        return
    found.add(_points(metric, which, keys, source))


def _points(metric: Any, which: str, keys: Collection[str], source: Source) -> Iterator[Point | None]:
    data = getattr(metric, which)
    kind, name, unit = _KINDS[which], metric.name, metric.unit
    delta = getattr(data, "aggregation_temporality", 0) == DELTA
    monotonic = getattr(data, "is_monotonic", kind in (HISTOGRAM, SUMMARY))
    for point in data.data_points:
        if point.flags & NO_VALUE:
            yield None
            continue
        samples, total, least, most, buckets = _VALUES[which](point)
        yield Point(
            metric=name,
            unit=unit,
            kind=kind,
            delta=delta,
            monotonic=monotonic,
            start_ns=point.start_time_unix_nano,
            at_ns=point.time_unix_nano,
            samples=samples,
            total=total,
            least=least,
            most=most,
            buckets=buckets,
            attributes=attributes_of(point.attributes, keys),
            source=source,
            identity=digest_of(source.digest.hex(), name, plain(point.attributes)),
        )


_Values = tuple[int, float | None, float | None, float | None, Buckets | None]


def _number(point: Any) -> _Values:
    which = point.WhichOneof("value")
    value = float(getattr(point, which)) if which else None
    return 1, value, value, value, None


def _ends(point: Any) -> tuple[float | None, float | None]:
    """The least and the most value, where they are said."""
    return point.min if point.HasField("min") else None, point.max if point.HasField("max") else None


def _sum(point: Any) -> float | None:
    """The sum, where it is said or there is nothing to add up."""
    return point.sum if point.HasField("sum") or not point.count else None


def _histogram(point: Any) -> _Values:
    buckets = Explicit(tuple(point.explicit_bounds), tuple(point.bucket_counts)) if point.explicit_bounds else None
    return point.count, _sum(point), *_ends(point), buckets


def _exponential(point: Any) -> _Values:
    offset = point.positive.offset
    counts = {offset + i: count for i, count in enumerate(point.positive.bucket_counts) if count}
    below = point.zero_count + sum(point.negative.bucket_counts)
    return point.count, _sum(point), *_ends(point), Exponential(point.scale, below, counts)


def _summary(point: Any) -> _Values:
    at = {quantile.quantile: quantile.value for quantile in point.quantile_values}
    return point.count, point.sum, at.get(0.0), at.get(1.0), None


_VALUES = {
    "gauge": _number,
    "sum": _number,
    "histogram": _histogram,
    "exponential_histogram": _exponential,
    "summary": _summary,
}


def plain(pairs: Any) -> dict[str, Any]:
    """All attributes as plain values, to tell one stream from another."""
    return {pair.key: _plain(pair.value) for pair in pairs}


def _plain(value: Any) -> Any:
    which = value.WhichOneof("value")
    if which == "array_value":
        return [_plain(item) for item in value.array_value.values]
    if which == "kvlist_value":
        return plain(value.kvlist_value.values)
    return getattr(value, which) if which else None
