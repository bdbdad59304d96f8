"""Points as the bytes of an export: what each kind becomes, whose it is, and that the same points are the same bytes."""

import gzip
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from trivet_collectors import semconv
from trivet_collectors.pipeline.encode import POINTS_MAX, exports
from trivet_collectors.pipeline.point import Point
from trivet_collectors.semconv import Metric

RESOURCE = {"service.name": "trivet-collector", "host.name": "gpu-7"}


def point(metric: Metric, total: float = 6.0, **more: Any) -> Point:
    given = {"attributes": {"trivet.backend": "b"}, "start_ns": 10, "end_ns": 20, "count": 3, "least": 1.0, "most": 3.0}
    return Point(metric, total=total, **(given | more))


def request(*points: Point) -> ExportMetricsServiceRequest:
    (body,) = exports(points, RESOURCE)
    return ExportMetricsServiceRequest.FromString(gzip.decompress(body))


def only(*points: Point) -> Any:
    (resource,) = request(*points).resource_metrics
    (metric,) = resource.scope_metrics[0].metrics
    return metric


class TestAPoint:
    def test_of_samples_is_a_histogram_without_bounds(self) -> None:
        metric = only(point(semconv.HW_POWER))
        (made,) = metric.histogram.data_points
        assert (metric.name, metric.unit, metric.histogram.aggregation_temporality) == ("hw.power", "W", 1)
        assert (made.count, made.sum, made.min, made.max) == (3, 6.0, 1.0, 3.0)
        assert (list(made.explicit_bounds), list(made.bucket_counts)) == ([], [])
        assert (made.start_time_unix_nano, made.time_unix_nano) == (10, 20)

    def test_of_a_counter_is_how_much_more(self) -> None:
        metric = only(point(semconv.HW_ENERGY))
        (made,) = metric.sum.data_points
        assert (metric.sum.aggregation_temporality, metric.sum.is_monotonic, made.as_double) == (1, True, 6.0)
        assert (made.start_time_unix_nano, made.time_unix_nano) == (10, 20)

    def test_of_a_histogram_has_its_buckets_and_no_extremes_that_nobody_knows(self) -> None:
        metric = only(point(semconv.TRIVET_TTFT, least=None, most=None, bounds=(0.1, 1.0), buckets=(1, 1, 1)))
        (made,) = metric.histogram.data_points
        assert (list(made.explicit_bounds), list(made.bucket_counts)) == ([0.1, 1.0], [1, 1, 1])
        assert not made.HasField("min")
        assert not made.HasField("max")


class TestAnExport:
    def test_says_host_and_pool_of_the_resource_also_where_a_point_has_its_own(self) -> None:
        here = point(semconv.HW_POWER, attributes={"hw.id": "a"})
        there = point(semconv.HW_POWER, attributes={"hw.id": "b", "host.name": "gpu-8", "trivet.pool": "p"})
        own, other = (
            {pair.key: pair.value.string_value for pair in resource.resource.attributes}
            for resource in request(here, there).resource_metrics
        )
        assert own == RESOURCE
        assert other == {**RESOURCE, "host.name": "gpu-8", "trivet.pool": "p"}
        made = request(there).resource_metrics[0].scope_metrics[0].metrics[0].histogram.data_points[0]
        assert {pair.key for pair in made.attributes} == {"hw.id"}

    def test_of_many_points_is_several(self) -> None:
        bodies = list(exports([point(semconv.HW_POWER)] * (POINTS_MAX + 1), RESOURCE))
        assert len(bodies) == 2

    def test_of_nothing_is_none(self) -> None:
        assert list(exports([], RESOURCE)) == []

    @given(st.dictionaries(st.text(min_size=1), st.text(), max_size=5))
    def test_of_the_same_points_is_the_same_bytes(self, attributes: dict[str, str]) -> None:
        backwards = dict(reversed(attributes.items()))
        one, other = (point(semconv.HW_POWER, attributes=said) for said in (attributes, backwards))
        assert list(exports([one], RESOURCE)) == list(exports([other], dict(reversed(RESOURCE.items()))))
