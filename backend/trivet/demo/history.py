"""Four weeks of made-up calls from before the first start, so that reports have something to say. They say that they are simulated.

Pure but for `send`: the same start gives the same calls, so that sent twice they are counted once.
"""

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

import httpx
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from trivet.demo.backend import NAME as BACKEND
from trivet.demo.model import LARGE, SMALL, ModelSpec
from trivet.demo.telemetry import PROVIDER, resource_of
from trivet_collectors import semconv

DAYS = 28  # within what ingest takes as late
BATCH_SPANS = 512
TIMEOUT_S = 30
SEED = 7
LAUNCH_DAYS_AGO, LAUNCH_FACTOR = 6, 5.0  # one day, one tenant: what an anomaly looks like
GROWTH_A_DAY = 1.012
WEEKEND = 0.35
NIGHT_HOURS = range(1, 5)  # UTC


@dataclass(frozen=True, slots=True)
class Traffic:
    """Calls of one tenant for one scenario: how many in an average hour, and how large they are."""

    tenant: str
    scenario: str
    model: ModelSpec
    per_hour: float
    input_tokens: int
    output_tokens: int
    seconds: float
    at_night: bool = False  # a batch that runs while people sleep; else it follows the working day


TRAFFIC: Sequence[Traffic] = (
    Traffic("acme", "support-chat", LARGE, 14, 5_200, 640, 2.4),
    Traffic("acme", "code-assistant", LARGE, 6, 11_000, 1_300, 4.1),
    Traffic("globex", "support-chat", LARGE, 9, 4_300, 520, 2.1),
    Traffic("globex", "doc-search", SMALL, 8, 24_000, 2_600, 110.0, at_night=True),
    Traffic("initech", "code-assistant", LARGE, 4, 9_000, 1_050, 3.8),
    Traffic("initech", "doc-search", SMALL, 5, 30_000, 3_100, 140.0, at_night=True),
    Traffic("walk-in", "support-chat", LARGE, 1.5, 3_000, 380, 1.7),
)


@dataclass(frozen=True, slots=True)
class Past:
    """One call that has been."""

    traffic: Traffic
    started_at: datetime
    seconds: float
    input_tokens: int
    cache_read_tokens: int
    output_tokens: int
    ids: tuple[bytes, bytes]  # trace, span


def first_hour(now: datetime) -> datetime:
    """The hour that history begins with."""
    return now.replace(minute=0, second=0, microsecond=0) - timedelta(days=DAYS)


def calls(now: datetime) -> Iterator[Past]:
    """All calls of the past up to the hour of `now`, oldest hour first."""
    start = first_hour(now)
    for n in range(DAYS * 24):
        hour = start + timedelta(hours=n)
        days_ago = (now - hour).days
        for place, traffic in enumerate(TRAFFIC):
            rng = random.Random(f"{SEED} {hour:%Y%m%d%H} {place}")
            for _ in range(_count(rng, _rate(traffic, hour, n / 24, days_ago))):
                yield _call(rng, traffic, hour)


def _rate(traffic: Traffic, hour: datetime, day: float, days_ago: int) -> float:
    launch = traffic is TRAFFIC[1] and days_ago == LAUNCH_DAYS_AGO
    if traffic.at_night:
        shape = 4.0 if hour.hour in NIGHT_HOURS else 0.1
    else:
        quiet = hour.weekday() >= 5 and not launch
        shape = (1.05 + math.sin((hour.hour - 8) / 24 * 2 * math.pi)) * (WEEKEND if quiet else 1.0)
    return float(traffic.per_hour * shape * GROWTH_A_DAY**day * (LAUNCH_FACTOR if launch else 1.0))


def _count(rng: random.Random, rate: float) -> int:
    """A whole number that is `rate` on average."""
    spread = max(0.0, rng.gauss(rate, math.sqrt(rate)))
    return int(spread + rng.random())


def _call(rng: random.Random, traffic: Traffic, hour: datetime) -> Past:
    size = rng.lognormvariate(0, 0.5)
    input_tokens = int(traffic.input_tokens * size) + 1
    seconds = traffic.seconds * rng.lognormvariate(0, 0.3)
    latest_s = max(0.0, 3_599 - seconds)
    started_at = hour + timedelta(microseconds=int(rng.uniform(0, latest_s) * 1e6))
    output_tokens = int(traffic.output_tokens * rng.lognormvariate(0, 0.4)) + 1
    cached = int(input_tokens * rng.choice((0, 0, 0.3, 0.6)))
    return Past(
        traffic, started_at, seconds, input_tokens, cached, output_tokens, (rng.randbytes(16), rng.randbytes(8))
    )


def export(some: Sequence[Past]) -> bytes:
    """One export of OTLP."""
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    for key, value in (resource_of(BACKEND) | {"trivet.demo.history": "simulated"}).items():
        resource.resource.attributes.add(key=key).value.string_value = value
    scope = resource.scope_spans.add()
    for each in some:
        _fill(scope.spans.add(), each)
    body: bytes = request.SerializeToString()
    return body


def _fill(span: Span, past: Past) -> None:
    traffic = past.traffic
    span.trace_id, span.span_id = past.ids
    span.name, span.kind = f"chat {traffic.model.name}", Span.SPAN_KIND_CLIENT
    start_ns = int(past.started_at.timestamp()) * 10**9 + past.started_at.microsecond * 1000
    span.start_time_unix_nano, span.end_time_unix_nano = start_ns, start_ns + int(past.seconds * 1e9)
    texts = {
        semconv.GEN_AI_OPERATION_NAME: "chat",
        semconv.GEN_AI_PROVIDER_NAME: PROVIDER,
        semconv.GEN_AI_REQUEST_MODEL: traffic.model.name,
        semconv.GEN_AI_RESPONSE_MODEL: traffic.model.name,
        semconv.TRIVET_TENANT: traffic.tenant,
        semconv.TRIVET_SCENARIO: traffic.scenario,
        semconv.TRIVET_BACKEND: BACKEND,
        semconv.TRIVET_OUTCOME: semconv.OUTCOME_OK,
    } | ({semconv.TRIVET_POOL: traffic.model.pool} if traffic.model.pool else {})
    numbers = {
        semconv.GEN_AI_USAGE_INPUT_TOKENS: past.input_tokens,
        semconv.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS: past.cache_read_tokens,
        semconv.GEN_AI_USAGE_OUTPUT_TOKENS: past.output_tokens,
    }
    for key, text in texts.items():
        span.attributes.add(key=key).value.string_value = text
    for key, number in numbers.items():
        span.attributes.add(key=key).value.int_value = number
    first_s = past.input_tokens / traffic.model.prefill_tokens_per_s
    value = span.attributes.add(key=semconv.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK).value
    value.double_value = min(first_s, past.seconds)


def send(endpoint: str, key: str, now: datetime) -> int:
    """Send the past of `now`; how many calls. What arrives twice is counted once."""
    sent, rest = 0, calls(now)
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/x-protobuf"}
    with httpx.Client(base_url=endpoint, headers=headers, timeout=TIMEOUT_S) as client:
        while batch := list(islice(rest, BATCH_SPANS)):
            client.post("/v1/traces", content=export(batch)).raise_for_status()
            sent += len(batch)
    return sent
