"""One call from arrival to end, in the simulated engine: queue, prefill, decode, time limit. Pure: `now_s` comes in."""

from collections.abc import Mapping
from dataclasses import dataclass

from trivet.demo.model import MODELS, Line, ModelSpec, Place, PrefixCache, score
from trivet.demo.obey import Plan
from trivet_collectors import semconv


@dataclass(frozen=True)
class Served:
    """What will have become of a call. Times are on the engine's clock; `output_tokens` includes reasoning."""

    model: ModelSpec
    input_tokens: int
    cache_read_tokens: int
    output_tokens: int
    reasoning_tokens: int
    arrived_at_s: float
    starts_at_s: float
    first_token_at_s: float
    ends_at_s: float
    outcome: str
    finish_reason: str
    quality: float

    def output_at(self, now_s: float) -> int:
        """Tokens written by `now_s`."""
        if now_s >= self.ends_at_s:
            return self.output_tokens
        written = (now_s - self.first_token_at_s) * self.model.decode_tokens_per_s + 1
        return max(0, min(self.output_tokens, int(written)))


class Engine:
    """The models with their queues and caches."""

    def __init__(self, models: Mapping[str, ModelSpec] = MODELS) -> None:
        self._models = models
        self._lines = {name: Line(spec.slots) for name, spec in models.items()}
        self._caches = {name: PrefixCache() for name in models}
        self._stuck_until_s = float("-inf")

    def stall(self, until_s: float) -> None:
        """Begins no call before then, whatever its time limit: what a hung engine looks like from outside."""
        self._stuck_until_s = until_s

    def serve(self, now_s: float, plan: Plan, *, conversation: str, timeout_s: float) -> Served:
        """Takes the call in and says what becomes of it."""
        spec = self._models[plan.model]
        cached = self._caches[plan.model].read(conversation, plan.input_tokens)
        prefill_s = spec.prefill_s(plan.input_tokens - cached)
        begins_s = max(now_s, self._stuck_until_s)
        service_s = prefill_s + spec.decode_s(plan.output_tokens)
        place = self._lines[plan.model].take(begins_s, service_s, begins_s + timeout_s)
        output = _written(spec, plan, place, prefill_s)
        return Served(
            model=spec,
            input_tokens=plan.input_tokens if place.starts_at_s < place.ends_at_s else 0,
            cache_read_tokens=cached if place.starts_at_s < place.ends_at_s else 0,
            output_tokens=output,
            reasoning_tokens=min(output, plan.reasoning_tokens),
            arrived_at_s=now_s,
            starts_at_s=place.starts_at_s,
            first_token_at_s=min(place.ends_at_s, place.starts_at_s + prefill_s + spec.decode_s(1)),
            ends_at_s=place.ends_at_s,
            outcome=semconv.OUTCOME_TIMEOUT if place.gave_up else semconv.OUTCOME_OK,
            finish_reason="error" if place.gave_up else "length" if plan.shortened else "stop",
            quality=score(spec, context_kept=plan.context_kept, output_kept=plan.output_kept),
        )

    def waiting(self, now_s: float) -> dict[str, int]:
        """Calls in each model's queue."""
        return {name: line.waiting(now_s) for name, line in self._lines.items()}


def _written(spec: ModelSpec, plan: Plan, place: Place, prefill_s: float) -> int:
    if not place.gave_up:
        return plan.output_tokens
    decoding_s = place.ends_at_s - place.starts_at_s - prefill_s
    return max(0, min(plan.output_tokens, int(decoding_s * spec.decode_tokens_per_s)))
