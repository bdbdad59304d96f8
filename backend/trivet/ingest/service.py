"""One export of spans: decode, normalise, store. Nothing is held after it returns."""

from collections import Counter
from collections.abc import Callable

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from trivet.identity.auth import Principal
from trivet.ingest import counters
from trivet.ingest.decode.span import Span
from trivet.ingest.decode.spans import spans_of_protobuf
from trivet.ingest.decode.spans_json import spans_of_json
from trivet.ingest.decode.wanted import Wanted
from trivet.ingest.line import gate
from trivet.ingest.line.bounds import check_elements, is_small
from trivet.ingest.line.otlp import JSON, PROTOBUF
from trivet.ingest.request.fact import NO_PRICE, SHAPES
from trivet.ingest.request.normalise import normalise_all
from trivet.ingest.request.rules import S_NS, rules
from trivet.ingest.store import commit
from trivet.ingest.store.persist import Batch, Stored
from trivet.kit.clock import utc_now
from trivet.settings import get_settings

DECODERS: dict[str, Callable[[bytes, Wanted, int], list[Span]]] = {PROTOBUF: spans_of_protobuf, JSON: spans_of_json}


async def take_traces(body: bytes, media_type: str, principal: Principal) -> Counter[str]:
    """Store the requests in a body, and return after the commit: the spans refused, by reason.

    Raises for what cannot be read at all, where the database is away and where too much waits.
    """
    if is_small(body, media_type):  # handing it to a thread would cost more than reading it here
        batch, others = _read(body, media_type, principal)
    else:
        batch, others = await gate.work(_read, body, media_type, principal)
    stored = await commit.submit(batch)
    _count(stored, others)
    refused = batch.refusals + stored.refused
    for reason, count in refused.items():
        counters.refused.labels(reason).inc(count)
    return refused


def _read(body: bytes, media_type: str, principal: Principal) -> tuple[Batch, int]:
    """What a body asks to store, and how many of its spans are no requests."""
    now = utc_now()
    the_rules, wanted = rules()
    check_elements(body, media_type, ExportTraceServiceRequest)
    spans = DECODERS[media_type](body, wanted, get_settings().otlp_spans_limit)
    found = normalise_all(spans, the_rules, int(now.timestamp() * S_NS))
    batch = Batch(
        found.requests, found.lookups, Counter(found.refusals), tenant_id=principal.tenant_id, key_id=principal.key_id
    )
    return batch, found.others + len(found.lookups)


def _count(stored: Stored, others: int) -> None:
    counters.spans.labels("stored").inc(stored.inserted)
    counters.spans.labels("duplicate").inc(stored.duplicates)
    counters.spans.labels("not_a_request").inc(others)
    for kind, count in stored.overflowed.items():
        counters.overflowed.labels(kind).inc(count)
    for shape, count in stored.unpriced.items():
        counters.unpriced.labels(SHAPES[shape] or NO_PRICE).inc(count)
