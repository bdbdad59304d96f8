"""What log records come to: a score, a health event, a running call, what a driver did, or nothing that is kept. Pure.

Logs never make requests: `gen_ai.client.inference.operation.details` repeats a span, which is counted where it comes as one.
"""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from trivet.ingest.decode.log_record import Record
from trivet.ingest.decode.point import digest_of
from trivet.ingest.decode.span import Attributes, clean
from trivet.ingest.dialect.log_patterns import health_of
from trivet.ingest.dialect.signal_names import KEYS as SIGNAL_KEYS
from trivet.ingest.request.fact import BAD_ID, IN_THE_FUTURE, TOO_OLD
from trivet.ingest.signal.applied import PolicyApplied, applied_of
from trivet.ingest.signal.points import ADD, Place, Rules, SignalPoint, detail_of, place_of
from trivet.ingest.signal.running import RunningCall
from trivet_collectors import semconv as sc

NOT_KEPT = "log_not_kept"
NO_NAME = "evaluation_without_name"
NO_SCORE = "evaluation_without_score"
OUT_OF_RANGE = "score_out_of_range"
NO_KIND = "health_without_kind"
EXCEPTION = ("exception.type", "exception.message")
# What evaluators answer without a number.
LABELS = {"pass": 1.0, "passed": 1.0, "fail": 0.0, "failed": 0.0}
SLOTS = 64  # of health events in one microsecond, of one backend and kind
INT4_MAX, LEVEL_MAX = 2**31 - 1, 3
KEYS = SIGNAL_KEYS | {
    sc.GEN_AI_EVALUATION_NAME,
    sc.GEN_AI_EVALUATION_SCORE_VALUE,
    sc.GEN_AI_EVALUATION_SCORE_LABEL,
    sc.GEN_AI_RESPONSE_ID,
    sc.GEN_AI_REQUEST_STREAM,
    sc.TRIVET_POLICY_REVISION,
    sc.TRIVET_POLICY_GENERATION,
    sc.TRIVET_DEGRADE_LEVEL,
    sc.TRIVET_REQUEST_START,
    sc.TRIVET_REQUEST_ANSWERING,
    *EXCEPTION,
}


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One quality score, 0 to 1, as an evaluator's event says it; empty and None where it does not say.

    `named_scenario` is what names a caller's scenario on spans: it counts where nothing better is known.
    """

    metric: str
    value: float
    at_us: int
    tenant: str
    scenario: str
    named_scenario: str
    revision: int | None
    level: int | None
    trace_id: bytes
    span_id: bytes
    response_id: str


@dataclass(slots=True)
class Events:
    """What an export of logs holds that somebody reads, and how many other records by reason."""

    evaluations: list[Evaluation] = field(default_factory=list)
    health: list[SignalPoint] = field(default_factory=list)
    running: list[RunningCall] = field(default_factory=list)
    applied: list[PolicyApplied] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)


def events_of(records: Iterable[Record], rules: Rules) -> Events:
    """The records sorted."""
    found = Events()
    for record in records:
        reason = _sort(found, record, rules)
        if reason:
            found.refused[reason] += 1
    return found


def _sort(found: Events, record: Record, rules: Rules) -> str | None:
    """Put a record where it belongs; else why not."""
    if record.event == sc.EVENT_RUNNING:
        return _running(found, record, rules)  # its own module looks at the times
    event = record.event
    place = place_of(record.attributes, record.resource, rules, by_caller=False)
    known = event in (sc.EVENT_EVALUATION, sc.EVENT_HEALTH, sc.EVENT_APPLIED)
    told = None if known else _told(record, place)
    if not known and told is None:
        return NOT_KEPT
    if record.at_ns < rules.oldest_ns:
        return TOO_OLD
    if record.at_ns > rules.newest_ns:
        return IN_THE_FUTURE
    if event == sc.EVENT_EVALUATION:
        return _evaluation(found, record, rules)
    if event == sc.EVENT_APPLIED:
        return _applied(found, record, place)
    if told is None:
        return _health(found, record, place)
    found.health.append(_point(record, place, "/".join(told)))
    return None


def _applied(found: Events, record: Record, place: Place) -> str | None:
    applied = applied_of(record.attributes, place)
    if isinstance(applied, str):
        return applied
    found.applied.append(applied)
    return None


def _evaluation(found: Events, record: Record, rules: Rules) -> str | None:
    said = record.attributes
    name, value = said.get(sc.GEN_AI_EVALUATION_NAME), _value(said)
    if not isinstance(name, str) or not name:
        return NO_NAME
    if value is None:
        return NO_SCORE
    if not 0 <= value <= 1:  # also what is no number at all
        return OUT_OF_RANGE
    if len(record.trace_id) not in (0, 16) or len(record.span_id) not in (0, 8):
        return BAD_ID
    named = place_of(said, record.resource, rules, by_caller=True)
    own = place_of(said, record.resource, rules, by_caller=False)
    response_id = said.get(sc.GEN_AI_RESPONSE_ID)
    found.evaluations.append(
        Evaluation(
            metric=clean(name),
            value=value,
            at_us=record.at_ns // 1000,
            tenant=named.tenant,
            scenario=own.scenario,
            named_scenario=named.scenario,
            revision=_number(said, sc.TRIVET_POLICY_REVISION, INT4_MAX),
            level=_number(said, sc.TRIVET_DEGRADE_LEVEL, LEVEL_MAX),
            trace_id=record.trace_id if any(record.trace_id) else b"",
            span_id=record.span_id,
            response_id=clean(response_id) if isinstance(response_id, str) else "",
        )
    )
    return None


def _value(said: Attributes) -> float | None:
    """The score, or what its label says; None where neither does."""
    value = said.get(sc.GEN_AI_EVALUATION_SCORE_VALUE)
    if isinstance(value, int | float):
        return math.nan if isinstance(value, float) and not math.isfinite(value) else float(value)
    label = said.get(sc.GEN_AI_EVALUATION_SCORE_LABEL)
    return LABELS.get(label.strip().lower()) if isinstance(label, str) else None


def _number(said: Attributes, key: str, most: int) -> int | None:
    value = said.get(key)
    return value if type(value) is int and 0 <= value <= most else None


def _health(found: Events, record: Record, place: Place) -> str | None:
    kind = record.attributes.get(sc.TRIVET_HEALTH_KIND)
    if not isinstance(kind, str) or not kind:
        return NO_KIND
    found.health.append(_point(record, place, detail_of(record.attributes)))
    return None


def _told(record: Record, place: Place) -> tuple[str, str] | None:
    """What an error log of a backend says of its health."""
    if not record.is_error or not place.backend:
        return None
    said = [record.body, *(record.attributes.get(key) for key in EXCEPTION)]
    return health_of("\n".join(text for text in said if isinstance(text, str)))


def _point(record: Record, place: Place, detail: str) -> SignalPoint:
    """A health event as a point of a signal.

    One record is one event, however often it is sent: it is known by its time and by one of `SLOTS` series, which its ids
    and text choose. So two in one microsecond both count, and series stay few.
    """
    at_us = record.at_ns // 1000
    which = digest_of(record.trace_id.hex(), record.span_id.hex(), record.body, record.attributes)
    return SignalPoint(
        identity=digest_of("log", which[0] % SLOTS),
        place=place,
        metric=sc.TRIVET_HEALTH.name,
        detail=clean(detail),
        at_us=at_us,
        start_us=at_us,
        mode=ADD,
        counted=False,
        samples=1,
        total=1.0,
        least=1.0,
        most=1.0,
        buckets=None,
        per=1.0,
        to_us=0.0,
    )


def _running(found: Events, record: Record, rules: Rules) -> str | None:
    """A call that has not ended yet. What is wrong with it is for the store to say."""
    said = record.attributes
    start_ns = said.get(sc.TRIVET_REQUEST_START)
    if type(start_ns) is not int or start_ns < 0 or record.at_ns < 0:
        return BAD_ID
    place = place_of(said, record.resource, rules, by_caller=True)
    found.running.append(
        RunningCall(
            trace_id=record.trace_id,
            span_id=record.span_id,
            start_us=start_ns // 1000,
            told_us=record.at_ns // 1000,
            tenant=place.tenant,
            scenario=place.scenario,
            backend=place.backend,
            provider=place.provider,
            model=place.model,
            revision=_number(said, sc.TRIVET_POLICY_REVISION, INT4_MAX) or 0,
            level=_number(said, sc.TRIVET_DEGRADE_LEVEL, LEVEL_MAX) or 0,
            streamed=said.get(sc.GEN_AI_REQUEST_STREAM) is True,
            answering=said.get(sc.TRIVET_REQUEST_ANSWERING) is True,
        )
    )
    return None
