"""One export of metrics or logs: decode and store. Nothing is held after it returns."""

from collections import Counter

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from trivet import db
from trivet.identity.auth import Principal
from trivet.ingest import counters, gate, gpus, logs, persist
from trivet.ingest.bounds import check_elements
from trivet.ingest.fact import TOO_MANY_NEW_NAMES
from trivet.ingest.otlp import JSON
from trivet.ingest.readings import NEEDS_PLATFORM_KEY, readings_of_json, readings_of_protobuf
from trivet.ingest.rules import S_NS, rules
from trivet.kit.clock import utc_now
from trivet.settings import get_settings


async def take_metrics(body: bytes, media_type: str, principal: Principal) -> Counter[str]:
    """Store the GPU readings in a body; the points not stored, by reason. Returns after the commit."""
    return await gate.work(_metrics, body, media_type, principal)


async def take_logs(body: bytes, media_type: str, principal: Principal) -> Counter[str]:
    """The log records not stored, by reason."""
    return await gate.work(_logs, body, media_type, principal)


def _metrics(body: bytes, media_type: str, principal: Principal) -> Counter[str]:
    now = utc_now()
    now_ns = int(now.timestamp() * S_NS)
    the_rules, _ = rules()
    check_elements(body, media_type, ExportMetricsServiceRequest)
    decode = readings_of_json if media_type == JSON else readings_of_protobuf
    readings = decode(
        body,
        get_settings().otlp_spans_limit,
        oldest_ns=now_ns - the_rules.past_limit_ns,
        newest_ns=now_ns + the_rules.future_limit_ns,
    )
    if principal.tenant_id is not None:  # cards and their pools are the platform's, and cost every tenant
        readings.refuse(readings.found, NEEDS_PLATFORM_KEY)
    stored, nameless = gpus.store(readings.found, get_settings().names_per_export_limit)
    readings.refuse(nameless, TOO_MANY_NEW_NAMES)
    if readings.refused:
        with db.transaction() as session:
            persist.deny(session, Counter(readings.refused), principal.key_id, now)
    for result, count in (
        ("stored", stored),
        ("duplicate", len(readings.found) - stored),
        ("not_stored", readings.not_stored),
    ):
        counters.readings.labels(result).inc(count)
    for reason in readings.refused:
        counters.refused.labels(reason).inc()
    refused = Counter(readings.refused)
    if readings.not_stored:
        refused["metric_not_stored_yet"] = readings.not_stored
    return refused


def _logs(body: bytes, media_type: str, principal: Principal) -> Counter[str]:
    del principal
    check_elements(body, media_type, ExportLogsServiceRequest)
    limit = get_settings().otlp_spans_limit
    count = logs.count_json(body) if media_type == JSON else logs.count_protobuf(body, limit)
    return Counter({"logs_not_stored_yet": count}) if count else Counter()
