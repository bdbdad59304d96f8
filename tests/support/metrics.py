"""OTLP metrics of every kind for tests: each builder makes one metric, `metrics` puts them into an export."""

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from tests.support.otlp import set_attributes

DELTA, CUMULATIVE = 1, 2


def metrics(*given, resource=None):
    """An export of metrics made by the builders below."""
    request = ExportMetricsServiceRequest()
    group = request.resource_metrics.add()
    set_attributes(group.resource, resource or {"host.name": "node-1"})
    group.scope_metrics.add().metrics.extend(given)
    return request


def sums(name, *points, attributes=None, delta=True, monotonic=True, unit="", start_ns=0):
    """A sum; points are (time in ns, value)."""
    made = Metric(name=name, unit=unit)
    made.sum.aggregation_temporality = DELTA if delta else CUMULATIVE
    made.sum.is_monotonic = monotonic
    for at_ns, value in points:
        point = made.sum.data_points.add(time_unix_nano=at_ns, start_time_unix_nano=start_ns, as_double=value)
        set_attributes(point, attributes or {})
    return made


def sampled(name, *points, attributes=None, delta=True, unit=""):
    """A histogram without bounds; points are (time in ns, count, sum, least, most)."""
    return histogram(name, *((*point, [], []) for point in points), attributes=attributes, delta=delta, unit=unit)


def histogram(name, *points, attributes=None, delta=True, unit="s", start_ns=0):
    """A histogram; points are (time in ns, count, sum, least, most, bounds, counts)."""
    made = Metric(name=name, unit=unit)
    made.histogram.aggregation_temporality = DELTA if delta else CUMULATIVE
    for at_ns, count, total, least, most, bounds, counts in points:
        point = made.histogram.data_points.add(
            time_unix_nano=at_ns, start_time_unix_nano=start_ns, count=count, sum=total,
            explicit_bounds=bounds, bucket_counts=counts,
        )  # fmt: skip
        _ends(point, least, most)
        set_attributes(point, attributes or {})
    return made


def exponential(name, *points, attributes=None, delta=True, unit="s", start_ns=0):
    """An exponential histogram; points are (time in ns, count, sum, scale, zero count, offset, counts)."""
    made = Metric(name=name, unit=unit)
    made.exponential_histogram.aggregation_temporality = DELTA if delta else CUMULATIVE
    for at_ns, count, total, scale, zero, offset, counts in points:
        point = made.exponential_histogram.data_points.add(
            time_unix_nano=at_ns, start_time_unix_nano=start_ns, count=count, sum=total, scale=scale, zero_count=zero
        )
        point.positive.offset = offset
        point.positive.bucket_counts.extend(counts)
        set_attributes(point, attributes or {})
    return made


def summary(name, *points, attributes=None, unit="s", start_ns=0):
    """A summary; points are (time in ns, count, sum)."""
    made = Metric(name=name, unit=unit)
    for at_ns, count, total in points:
        point = made.summary.data_points.add(
            time_unix_nano=at_ns, start_time_unix_nano=start_ns, count=count, sum=total
        )
        set_attributes(point, attributes or {})
    return made


def _ends(point, least, most):
    if least is not None:
        point.min = least
    if most is not None:
        point.max = most
