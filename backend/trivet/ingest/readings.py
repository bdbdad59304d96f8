"""GPU readings out of OTLP metrics, protobuf or JSON: plain values of the metrics that Trivet stores, the rest counted."""

import math
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from trivet.ingest.decode import attributes_of, parse
from trivet.ingest.decode_json import double, json_attributes, load, member, objects, text, uint64
from trivet.ingest.errors import TooManyItems
from trivet.ingest.fact import IN_THE_FUTURE, TOO_OLD
from trivet.ingest.span import Attributes, clean
from trivet.ingest.wire import DATA_POINTS, check_count
from trivet_collectors import semconv as sc

NAMES = frozenset(metric.name for metric in sc.GPU_METRICS)
KEYS = frozenset({sc.HW_ID, sc.HW_MODEL, sc.HW_NAME, sc.HOST_NAME, sc.TRIVET_POOL, sc.TRIVET_GPU_THROTTLE_REASON})
_JSON_KINDS = ("gauge", "sum", "histogram", "exponentialHistogram", "summary")
NOT_FINITE = "value_not_finite"
NO_GPU_ID = "no_gpu_id"
NEEDS_PLATFORM_KEY = "gpu_needs_platform_key"


@dataclass(frozen=True, slots=True)
class Reading:
    """One value of one GPU at one instant (microseconds since 1970), in the metric's unit."""

    gpu: str
    model: str
    host: str
    pool: str
    metric: str
    at_us: int
    value: float


@dataclass(slots=True)
class Readings:
    """What an export of metrics holds: readings, reasons of those refused, and how many points are not ours to store."""

    found: list[Reading] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    not_stored: int = 0

    def refuse(self, readings: Collection[Reading], reason: str) -> None:
        """Take some of those found back."""
        if readings:
            gone = set(map(id, readings))
            self.refused += [reason] * len(readings)
            self.found = [reading for reading in self.found if id(reading) not in gone]


@dataclass(frozen=True, slots=True)
class _Point:
    """A data point of a metric; `value` None where the metric's kind has no single value."""

    metric: str
    at_ns: int
    value: float | None
    attributes: Attributes
    resource: Attributes


def readings_of_protobuf(body: bytes, limit: int, *, oldest_ns: int, newest_ns: int) -> Readings:
    """Of an `ExportMetricsServiceRequest`; `TooManyItems` over `limit` data points."""
    check_count(body, DATA_POINTS, limit, "data points")
    return _sort(_proto_points(parse(ExportMetricsServiceRequest(), body)), limit, oldest_ns, newest_ns)


def readings_of_json(body: bytes, limit: int, *, oldest_ns: int, newest_ns: int) -> Readings:
    """Of an `ExportMetricsServiceRequest` in JSON; `TooManyItems` over `limit` data points."""
    return _sort(_json_points(load(body)), limit, oldest_ns, newest_ns)


def _sort(points: Iterable[_Point], limit: int, oldest_ns: int, newest_ns: int) -> Readings:
    result = Readings()
    for count, point in enumerate(points, 1):
        if count > limit:
            raise TooManyItems(f"At most {limit} data points are taken at once. Send smaller batches.")
        if point.metric not in NAMES or point.value is None:
            result.not_stored += 1
            continue
        reason = _wrong(point, oldest_ns, newest_ns)
        if reason is not None:
            result.refused.append(reason)
            continue
        result.found.append(_reading(point))
    return result


def _wrong(point: _Point, oldest_ns: int, newest_ns: int) -> str | None:
    if not isinstance(point.attributes.get(sc.HW_ID), str) or not point.attributes[sc.HW_ID]:
        return NO_GPU_ID
    if point.value is None or not math.isfinite(point.value):
        return NOT_FINITE
    if point.at_ns < oldest_ns:
        return TOO_OLD
    return IN_THE_FUTURE if point.at_ns > newest_ns else None


def _reading(point: _Point) -> Reading:
    def named(key: str) -> str:
        return clean(str(point.attributes.get(key) or point.resource.get(key) or ""))

    reason = named(sc.TRIVET_GPU_THROTTLE_REASON)
    assert point.value is not None
    return Reading(
        gpu=named(sc.HW_ID),
        model=named(sc.HW_MODEL) or named(sc.HW_NAME),
        host=named(sc.HOST_NAME),
        pool=named(sc.TRIVET_POOL),
        metric=f"{point.metric}:{reason}" if reason else point.metric,
        at_us=point.at_ns // 1000,
        value=point.value,
    )


def _proto_points(export: Any) -> Iterator[_Point]:
    for in_resource in export.resource_metrics:
        resource = attributes_of(in_resource.resource.attributes, KEYS)
        for in_scope in in_resource.scope_metrics:
            for metric in in_scope.metrics:
                kind = metric.WhichOneof("data")
                for point in getattr(metric, kind).data_points if kind else ():
                    attributes = attributes_of(point.attributes, KEYS) if metric.name in NAMES else {}
                    yield _Point(metric.name, point.time_unix_nano, _proto_value(kind, point), attributes, resource)


def _proto_value(kind: str, point: Any) -> float | None:
    if kind not in ("gauge", "sum"):
        return None
    which = point.WhichOneof("value")
    return float(getattr(point, which)) if which else None


def _json_points(export: dict[str, Any]) -> Iterator[_Point]:
    for in_resource in objects(export, "resourceMetrics"):
        resource = json_attributes(member(in_resource, "resource"), KEYS)
        for in_scope in objects(in_resource, "scopeMetrics"):
            for metric in objects(in_scope, "metrics"):
                name = text(metric, "name")
                for kind in _JSON_KINDS:
                    for point in objects(member(metric, kind), "dataPoints"):
                        attributes = json_attributes(point, KEYS) if name in NAMES else {}
                        yield _Point(
                            name, uint64(point, "timeUnixNano"), _json_value(kind, point), attributes, resource
                        )


def _json_value(kind: str, point: dict[str, Any]) -> float | None:
    if kind not in ("gauge", "sum"):
        return None
    for key in ("asDouble", "asInt"):
        if point.get(key) is not None:
            return double(point[key], key)
    return None
