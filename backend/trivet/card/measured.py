"""Whether a scenario's own data carries what a guard watches. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from trivet.card.content import Card
from trivet.card.watched import Guard

ENOUGH = 1_000  # requests: with fewer, that something never came says nothing yet
DAYS = 7
# Metrics that are read off a signal, and the signal.
SIGNALS = {
    "queue_depth": "trivet.requests.waiting",
    "kv_cache_usage": "trivet.kv_cache.usage",
    "gpu_utilisation": "hw.gpu.utilization",
}
SCORED = frozenset({"quality", "quality_drift"})


@dataclass(frozen=True, slots=True)
class Carried:
    """What came of a scenario in the last `DAYS` days; `signals` are those that anybody sent."""

    requests: int
    first_tokens: int
    token_gaps: int
    scores: int
    signals: frozenset[str]


def missing(card: Card, carried: Carried) -> Iterator[tuple[str, str]]:
    """(guard, why) of each guard that nobody measures, once there is enough data to say so."""
    if carried.requests < ENOUGH:
        return
    for guard in card.guards:
        if not guard.shadow and (why := _why(guard, carried)):
            yield guard.name, why


def _why(guard: Guard, carried: Carried) -> str:
    of = f"of {carried.requests:,} requests in {DAYS} days"
    if "_ttft_" in guard.metric and not carried.first_tokens:
        return f"no first token was timed {of}: set streaming on and send it, or take the guard away"
    if "_inter_token_" in guard.metric and not carried.token_gaps:
        return f"no inter-token time came {of}: stream the answers and count output tokens, or take the guard away"
    if guard.metric in SCORED and not carried.scores:
        return f"no score came {of}: post scores (POST /api/v1/scores), or let the guard begin in shadow"
    signal = SIGNALS.get(guard.metric, "")
    if signal and signal not in carried.signals:
        return f"nobody sent {signal} in {DAYS} days: run a collector beside the engine, or take the guard away"
    return ""
