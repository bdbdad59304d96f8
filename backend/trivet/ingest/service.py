"""One export of spans: decode, normalise, store. Nothing is held after it returns."""

from collections import Counter
from collections.abc import Callable

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from trivet.identity.auth import Principal
from trivet.ingest import counters, gate, persist
from trivet.ingest.bounds import check_elements
from trivet.ingest.decode import spans_of_protobuf
from trivet.ingest.decode_json import spans_of_json
from trivet.ingest.fact import TOO_MANY_NEW_NAMES
from trivet.ingest.normalise import normalise_all
from trivet.ingest.otlp import JSON, PROTOBUF
from trivet.ingest.rules import S_NS, rules
from trivet.ingest.span import Span
from trivet.ingest.wanted import Wanted
from trivet.kit.clock import utc_now
from trivet.settings import get_settings

DECODERS: dict[str, Callable[[bytes, Wanted, int], list[Span]]] = {PROTOBUF: spans_of_protobuf, JSON: spans_of_json}


async def take_traces(body: bytes, media_type: str, principal: Principal) -> Counter[str]:
    """Store the requests in a body, and return after the commit: the spans refused, by reason.

    Raises for what cannot be read at all, or where the database is away.
    """
    return await gate.work(_traces, body, media_type, principal)


def _traces(body: bytes, media_type: str, principal: Principal) -> Counter[str]:
    now = utc_now()
    the_rules, wanted = rules()
    check_elements(body, media_type, ExportTraceServiceRequest)
    spans = DECODERS[media_type](body, wanted, get_settings().otlp_spans_limit)
    found = normalise_all(spans, the_rules, int(now.timestamp() * S_NS))
    stored = persist.store(
        found.requests, found.refusals, tenant_id=principal.tenant_id, key_id=principal.key_id, now=now
    )
    refused = Counter(found.refusals) + Counter({TOO_MANY_NEW_NAMES: stored.refused})
    counters.spans.labels("stored").inc(stored.inserted)
    counters.spans.labels("duplicate").inc(stored.duplicates)
    counters.spans.labels("not_a_request").inc(found.others)
    for reason, count in refused.items():
        counters.refused.labels(reason).inc(count)
    return refused
