"""One export: decode, normalise, store. Runs in a thread; nothing is held after it returns."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from trivet import db
from trivet.identity.auth import Principal
from trivet.ingest import counters, gpus, logs, persist, structure, wire
from trivet.ingest.decode import spans_of_protobuf
from trivet.ingest.decode_json import spans_of_json
from trivet.ingest.fact import TOO_MANY_NEW_NAMES
from trivet.ingest.normalise import Rules, normalise_all
from trivet.ingest.otlp import JSON, PROTOBUF
from trivet.ingest.readings import NEEDS_PLATFORM_KEY, Readings, readings_of_json, readings_of_protobuf
from trivet.ingest.span import Span, Wanted
from trivet.kit.clock import utc_now
from trivet.settings import get_settings

DECODERS: dict[str, Callable[[bytes, Wanted, int], list[Span]]] = {PROTOBUF: spans_of_protobuf, JSON: spans_of_json}
_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an export. `refused` counts spans by reason."""

    stored: int
    duplicates: int
    refused: Counter[str]


@lru_cache(maxsize=1)
def rules() -> tuple[Rules, Wanted]:
    """The settings as pure rules."""
    settings = get_settings()
    made = Rules(
        tenant_attributes=settings.tenant_attributes,
        scenario_attributes=settings.scenario_attributes,
        tokens_limit=settings.tokens_limit,
        future_limit_ns=settings.clock_skew_limit_s * _S,
        past_limit_ns=settings.late_limit_days * 86_400 * _S,
        hash_key=settings.secret_key.get_secret_value().encode(),
    )
    return made, made.wanted


db.caches.append(rules.cache_clear)


def _bound(body: bytes, media_type: str, message: Any) -> None:
    """`TooManyItems` for a body that would take too much memory once parsed."""
    limit = get_settings().otlp_elements_limit
    if media_type == JSON:
        structure.check_elements(body, limit)
    else:
        wire.check_elements(body, wire.fields_of(message.DESCRIPTOR), limit)


def take_traces(body: bytes, media_type: str, principal: Principal) -> Outcome:
    """Store the requests in a body; raises for what cannot be read at all, or where the database is away."""
    now = utc_now()
    the_rules, wanted = rules()
    _bound(body, media_type, ExportTraceServiceRequest)
    spans = DECODERS[media_type](body, wanted, get_settings().otlp_spans_limit)
    facts, reasons = normalise_all(spans, the_rules, int(now.timestamp() * _S))
    stored = persist.store(facts, reasons, tenant_id=principal.tenant_id, key_id=principal.key_id, now=now)
    refused = Counter(reasons) + Counter({TOO_MANY_NEW_NAMES: stored.refused})
    outcome = Outcome(stored.inserted, stored.duplicates, refused)
    _count(outcome, others=len(spans) - len(facts) - len(reasons))
    return outcome


def _count(outcome: Outcome, others: int) -> None:
    counters.spans.labels("stored").inc(outcome.stored)
    counters.spans.labels("duplicate").inc(outcome.duplicates)
    counters.spans.labels("not_a_request").inc(others)
    for reason, count in outcome.refused.items():
        counters.refused.labels(reason).inc(count)


def take_metrics(body: bytes, media_type: str, principal: Principal) -> Readings:
    """Store the GPU readings in a body; points of other metrics are counted."""
    now = utc_now()
    now_ns = int(now.timestamp() * _S)
    the_rules, _ = rules()
    _bound(body, media_type, ExportMetricsServiceRequest)
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
    return readings


def take_logs(body: bytes, media_type: str, principal: Principal) -> int:
    """How many log records there are; none is stored yet."""
    del principal
    _bound(body, media_type, ExportLogsServiceRequest)
    if media_type == JSON:
        return logs.count_json(body)
    return logs.count_protobuf(body, get_settings().otlp_spans_limit)
