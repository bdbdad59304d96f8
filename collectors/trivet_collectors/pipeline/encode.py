"""Points as an OTLP export, compressed: the bytes that are kept, and sent as they are.

Not with the SDK's instruments: they aggregate for themselves and stamp the time at which they are collected, while a point
here says its own time and what its samples came to (it may leave hours later, and must leave as the same bytes each time).
A gauge of many samples is a histogram without bounds: count, sum, minimum and maximum are all it has.
"""

import gzip
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from trivet_collectors import semconv
from trivet_collectors.pipeline.point import Point
from trivet_collectors.semconv import Metric

POINTS_MAX: Final = 2_000  # of one export
# Said of where a point was taken, and so by its resource: a receiver may read another host's cards, or another pool's.
OF_RESOURCE: Final = (semconv.HOST_NAME, semconv.TRIVET_POOL)
_SCOPE: Final = InstrumentationScope(name="trivet_collectors")


def exports(points: Sequence[Point], resource: Mapping[str, str]) -> Iterator[bytes]:
    """Bodies of at most POINTS_MAX points each, gzip over protobuf. The same points give the same bytes."""
    for first in range(0, len(points), POINTS_MAX):
        request = ExportMetricsServiceRequest(
            resource_metrics=list(_by_resource(points[first : first + POINTS_MAX], resource))
        )
        yield gzip.compress(request.SerializeToString(deterministic=True), compresslevel=6, mtime=0)


def _by_resource(points: Iterable[Point], resource: Mapping[str, str]) -> Iterator[pb.ResourceMetrics]:
    groups: dict[tuple[tuple[str, str], ...], list[Point]] = {}
    for point in points:
        own = {key: point.attributes[key] for key in OF_RESOURCE if key in point.attributes}
        groups.setdefault(tuple(sorted({**resource, **own}.items())), []).append(point)
    for said, group in groups.items():
        scope = pb.ScopeMetrics(scope=_SCOPE, metrics=list(_by_metric(group)))
        yield pb.ResourceMetrics(resource=Resource(attributes=_attributes(said)), scope_metrics=[scope])


def _by_metric(points: Iterable[Point]) -> Iterator[pb.Metric]:
    groups: dict[str, list[Point]] = {}
    for point in points:
        groups.setdefault(point.metric.name, []).append(point)
    for group in groups.values():
        yield _DATA[group[0].metric.kind](group[0].metric, group)


def _sum(metric: Metric, points: Iterable[Point]) -> pb.Metric:
    data = pb.Sum(
        data_points=[
            pb.NumberDataPoint(
                attributes=_attributes(_own(point)),
                start_time_unix_nano=point.start_ns,
                time_unix_nano=point.end_ns,
                as_double=point.total,
            )
            for point in points
        ],
        aggregation_temporality=pb.AGGREGATION_TEMPORALITY_DELTA,
        is_monotonic=True,
    )
    return pb.Metric(name=metric.name, unit=metric.unit, sum=data)


def _histogram(metric: Metric, points: Iterable[Point]) -> pb.Metric:
    data = pb.Histogram(
        data_points=[
            pb.HistogramDataPoint(
                attributes=_attributes(_own(point)),
                start_time_unix_nano=point.start_ns,
                time_unix_nano=point.end_ns,
                count=point.count,
                sum=point.total,
                min=point.least,
                max=point.most,
                explicit_bounds=point.bounds,
                bucket_counts=point.buckets,
            )
            for point in points
        ],
        aggregation_temporality=pb.AGGREGATION_TEMPORALITY_DELTA,
    )
    return pb.Metric(name=metric.name, unit=metric.unit, histogram=data)


_DATA: Final[dict[str, Callable[[Metric, Iterable[Point]], pb.Metric]]] = {
    "counter": _sum,
    "gauge": _histogram,
    "updowncounter": _histogram,
    "histogram": _histogram,
}


def _own(point: Point) -> Iterator[tuple[str, str]]:
    return (pair for pair in sorted(point.attributes.items()) if pair[0] not in OF_RESOURCE)


def _attributes(pairs: Iterable[tuple[str, str]]) -> list[KeyValue]:
    return [KeyValue(key=key, value=AnyValue(string_value=str(value))) for key, value in pairs]
