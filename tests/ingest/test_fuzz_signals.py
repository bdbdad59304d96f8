"""Metrics and logs against anything: what is no OTLP is refused by name, and nothing else comes out.

As `test_fuzz`: seeded, TRIVET_FUZZ_SEED repeats a run.
"""

import os
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from tests.support.mutate import mutated
from tests.support.otlp import as_json, set_attributes

from trivet.ingest.decode.log_record import records_of_json, records_of_protobuf
from trivet.ingest.decode.metrics import points_of_protobuf
from trivet.ingest.decode.metrics_json import points_of_json
from trivet.ingest.dialect import signal_names
from trivet.ingest.errors import Malformed, TooManyItems
from trivet.ingest.signal import events, readings
from trivet.ingest.signal.points import Rules, signal_points
from trivet.ingest.signal.telemetry import METRICS
from trivet_collectors import semconv as sc

DATA = Path(__file__).parent.parent / "data" / "otlp"
NOW_NS = 1_795_240_400 * 10**9
RULES = Rules(
    oldest_ns=NOW_NS - 86_400 * 10**9,
    newest_ns=NOW_NS + 900 * 10**9,
    tenant_attributes=("trivet.tenant",),
    scenario_attributes=("trivet.scenario",),
)
FUZZ_S = 0.7  # for each decoder
SAID = {
    "trivet.tenant": "acme",
    "trivet.scenario": "chat",
    "trivet.outcome": "ok",
    "gen_ai.request.model": "m",
    "hw.id": "GPU-1",
    "trivet.cache.kind": "kv",
    "trivet.cache.hit": True,
}


def some_metrics() -> Iterator[ExportMetricsServiceRequest]:
    """Each metric that is read, once as each kind of point."""
    for name in sorted(METRICS):
        export = ExportMetricsServiceRequest()
        scope = export.resource_metrics.add().scope_metrics.add()
        number = {"time_unix_nano": NOW_NS, "start_time_unix_nano": NOW_NS - 10**10}
        counted = number | {"count": 3, "sum": 1.5}
        points = [
            scope.metrics.add(name=name, unit="s").gauge.data_points.add(as_double=0.5, **number),
            scope.metrics.add(name=name, unit="1").sum.data_points.add(as_int=3, **number),
            scope.metrics.add(name=name, unit="s").histogram.data_points.add(
                bucket_counts=[1, 2], explicit_bounds=[0.5], min=0.1, max=0.9, **counted
            ),
            scope.metrics.add(name=name, unit="ms").exponential_histogram.data_points.add(
                scale=3, zero_count=1, **counted
            ),
            scope.metrics.add(name=name, unit="s").summary.data_points.add(**counted),
        ]
        points[3].positive.bucket_counts.extend([1, 1])
        points[4].quantile_values.add(quantile=0.5, value=0.4)
        for point in points:
            set_attributes(point, SAID)
        yield export


def some_logs() -> Iterator[ExportLogsServiceRequest]:
    """Each event that is read, and an error in words."""
    for event in (sc.EVENT_RUNNING, sc.EVENT_HEALTH, sc.EVENT_EVALUATION, ""):
        export = ExportLogsServiceRequest()
        made = (
            export.resource_logs.add()
            .scope_logs.add()
            .log_records.add(
                event_name=event, time_unix_nano=NOW_NS, severity_number=17, trace_id=b"t" * 16, span_id=b"s" * 8
            )
        )
        made.body.string_value = "CUDA out of memory"
        set_attributes(made, SAID | {sc.TRIVET_HEALTH_KIND: "out_of_memory", "gen_ai.evaluation.name": "tone"})
        yield export


def read_metrics(decode, body):
    keys = signal_names.KEYS | readings.KEYS | {"trivet.tenant", "trivet.scenario"}
    points = decode(body, METRICS, keys, 10_000).found
    signal_points([point for point in points if point.metric not in readings.METRICS], RULES)
    readings.readings_of([point for point in points if point.metric in readings.METRICS], RULES)


def read_logs(decode, body):
    events.events_of(decode(body, events.KEYS | {"trivet.tenant", "trivet.scenario"}, 10_000), RULES)


def bodies_of(made, suffix, pattern):
    samples = [path.read_bytes() for path in sorted(DATA.glob(f"{pattern}.{suffix}"))]
    return [each.SerializeToString() if suffix == "pb" else as_json(each) for each in made] + samples


@pytest.mark.parametrize(
    ("read", "decode", "made", "suffix"),
    [
        (read_metrics, points_of_protobuf, some_metrics, "pb"),
        (read_metrics, points_of_json, some_metrics, "json"),
        (read_logs, records_of_protobuf, some_logs, "pb"),
        (read_logs, records_of_json, some_logs, "json"),
    ],
    ids=["metrics-pb", "metrics-json", "logs-pb", "logs-json"],
)
class TestMutations:
    def test_bring_out_typed_errors_and_nothing_else(self, read, decode, made, suffix):
        seed = int(os.environ.get("TRIVET_FUZZ_SEED") or random.SystemRandom().getrandbits(32))
        sys.stderr.write(f"TRIVET_FUZZ_SEED={seed}\n")
        rng = random.Random(seed)
        bodies = bodies_of(made(), suffix, "*-metrics" if read is read_metrics else "*-logs")
        for body in bodies:
            read(decode, body)
        until, tried = time.monotonic() + FUZZ_S, 0
        while time.monotonic() < until or not tried:
            tried += 1
            try:
                read(decode, mutated(rng.choice(bodies), rng))
            except (Malformed, TooManyItems):
                continue
