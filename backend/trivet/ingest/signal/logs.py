"""One export of logs: the events that Trivet reads are stored, once; the rest is counted. Returns after the commits."""

from collections import Counter
from datetime import datetime

from trivet import db
from trivet.identity.auth import Principal
from trivet.ingest.decode.log_record import records_of_json, records_of_protobuf
from trivet.ingest.line.otlp import JSON
from trivet.ingest.score import scores
from trivet.ingest.score.scores import NewScore
from trivet.ingest.signal import applied, persist, running
from trivet.ingest.signal.events import KEYS, NOT_KEPT, Evaluation, Events, events_of
from trivet.ingest.signal.points import Rules
from trivet.ingest.store.persist import deny, over_limits
from trivet.ingest.store.row import instant
from trivet.settings import get_settings


def store(body: bytes, media_type: str, principal: Principal, rules: Rules, now: datetime) -> Counter[str]:
    """Store what a body holds; the records not stored, by reason. A key bound to a tenant decides whose all of it is."""
    events = _decode(body, media_type, rules)
    refused = Counter(events.refused)
    if events.running:
        refused += running.store(events.running, tenant_id=principal.tenant_id, key_id=principal.key_id, now=now)
    applied.store(events.applied, tenant_id=principal.tenant_id, key_id=principal.key_id, now=now)
    if events.evaluations:
        refused += _score(events.evaluations, principal, now)
    kept = persist.store(events.health, tenant_id=principal.tenant_id, key_id=principal.key_id, now=now)
    with db.transaction() as session:
        deny(session, refused - Counter({NOT_KEPT: refused[NOT_KEPT]}), principal.key_id, now)
    return refused + kept.refused


def _decode(body: bytes, media_type: str, rules: Rules) -> Events:
    keys = KEYS | {*rules.tenant_attributes, *rules.scenario_attributes}
    decode = records_of_json if media_type == JSON else records_of_protobuf
    return events_of(decode(body, keys, get_settings().otlp_spans_limit), rules)


def _score(evaluations: list[Evaluation], principal: Principal, now: datetime) -> Counter[str]:
    """Those not taken, by reason."""
    with db.transaction() as session:
        added = scores.take(
            session,
            [_new(evaluation) for evaluation in evaluations],
            source=principal.actor,
            tenant_id=principal.tenant_id,
            key_id=principal.key_id,
        )
        deny(session, over_limits(added.overflowed), principal.key_id, now)
    return Counter(added.refused.values())


def _new(evaluation: Evaluation) -> NewScore:
    return NewScore(
        scenario=evaluation.scenario,
        metric=evaluation.metric,
        value=evaluation.value,
        scored_at=instant(evaluation.at_us),
        tenant=evaluation.tenant,
        trace_id=evaluation.trace_id or None,
        revision=evaluation.revision,
        level=evaluation.level,
        span_id=evaluation.span_id or None,
        response_id=evaluation.response_id,
        or_scenario=evaluation.named_scenario,
    )
