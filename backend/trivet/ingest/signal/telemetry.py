"""One export of metrics or logs: decode and store. Nothing is held after it returns."""

from collections import Counter

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from trivet.identity.auth import Principal
from trivet.ingest import counters
from trivet.ingest.decode.metrics import points_of_protobuf
from trivet.ingest.decode.metrics_json import points_of_json
from trivet.ingest.decode.point import Points, shown
from trivet.ingest.dialect import signal_names
from trivet.ingest.line import gate
from trivet.ingest.line.bounds import check_elements
from trivet.ingest.line.otlp import JSON
from trivet.ingest.request.rules import S_NS, rules
from trivet.ingest.signal import gpus, logs, persist, readings
from trivet.ingest.signal.points import Rules, signal_points
from trivet.kit.clock import utc_now
from trivet.settings import get_settings

METRICS = frozenset({*readings.METRICS, *signal_names.SIGNALS})
NOT_KEPT = "metric_not_kept"


async def take_metrics(body: bytes, media_type: str, principal: Principal) -> Counter[str]:
    """Store the GPU readings and signals in a body; the points not stored, by reason. Returns after the commit."""
    return await gate.work(_metrics, body, media_type, principal)


async def take_logs(body: bytes, media_type: str, principal: Principal) -> Counter[str]:
    """Store the events in a body that Trivet reads; the log records not stored, by reason. Returns after the commit."""
    return await gate.work(_logs, body, media_type, principal)


def _metrics(body: bytes, media_type: str, principal: Principal) -> Counter[str]:
    now = utc_now()
    check_elements(body, media_type, ExportMetricsServiceRequest)
    the_rules = point_rules(int(now.timestamp() * S_NS))
    points = _decode(body, media_type, the_rules)
    about_cards = readings.readings_of((p for p in points.found if p.metric in readings.METRICS), the_rules)
    if principal.tenant_id is not None:  # cards and their pools are the platform's, and cost every tenant
        about_cards.refuse(about_cards.found, readings.NEEDS_PLATFORM_KEY)
    cards = gpus.store(about_cards.found, key_id=principal.key_id, now=now)
    signals, refused = signal_points((p for p in points.found if p.metric in signal_names.SIGNALS), the_rules)
    stored = persist.store(
        signals,
        tenant_id=principal.tenant_id,
        key_id=principal.key_id,
        now=now,
        refused=refused + about_cards.refused + cards.refused,
    )
    duplicate = len(about_cards.found) - cards.stored - cards.refused.total() + stored.duplicates
    for result, count in (
        ("stored", cards.stored + stored.stored),
        ("duplicate", duplicate),
        ("empty", points.empty),
        ("not_kept", points.unknown.total()),
    ):
        counters.readings.labels(result).inc(count)
    for reason, count in stored.refused.items():
        counters.refused.labels(reason).inc(count)
    for kind, count in stored.overflowed.items():
        counters.overflowed.labels(kind).inc(count)
    return _said(stored.refused, points)


def point_rules(now_ns: int) -> Rules:
    """What the settings say of points that come now."""
    of_spans, _ = rules()
    return Rules(
        oldest_ns=now_ns - of_spans.past_limit_ns,
        newest_ns=now_ns + of_spans.future_limit_ns,
        tenant_attributes=get_settings().tenant_attributes,
        scenario_attributes=get_settings().scenario_attributes,
    )


def _decode(body: bytes, media_type: str, the_rules: Rules) -> Points:
    keys = signal_names.KEYS | readings.KEYS | {*the_rules.tenant_attributes, *the_rules.scenario_attributes}
    decode = points_of_json if media_type == JSON else points_of_protobuf
    return decode(body, METRICS, keys, get_settings().otlp_spans_limit)


def _said(refused: Counter[str], points: Points) -> Counter[str]:
    """The refusals as the sender is told them: metrics that nobody reads with some of their names."""
    told = Counter(refused)
    if points.unknown:
        told[f"{NOT_KEPT} ({shown(points.unknown)})"] = points.unknown.total()
    return told


def _logs(body: bytes, media_type: str, principal: Principal) -> Counter[str]:
    now = utc_now()
    check_elements(body, media_type, ExportLogsServiceRequest)
    refused = logs.store(body, media_type, principal, point_rules(int(now.timestamp() * S_NS)), now)
    for reason, count in refused.items():
        counters.refused.labels(reason).inc(count)
    return refused
