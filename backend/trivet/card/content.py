"""What a trade-off card says (推理取舍卡). Pure: a card is checked whole and names the field that is wrong."""

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from trivet.card.steps import Level, Steadiness
from trivet.card.terms import (
    LATENCY_MAX_MS,
    LEVEL_MAX,
    NUMBER_MAX,
    WITHIN_MAX_S,
    Flags,
    LatencyMs,
    Money,
    Name,
    Part,
    Tasks,
    WindowSeconds,
    Words,
)
from trivet.card.watched import LOWER_IS_WORSE, Guard, Metric
from trivet.kit.errors import Invalid
from trivet_collectors.policy.evaluate import FlagValue

__all__ = ["LEVEL_MAX", "LOWER_IS_WORSE", "Card", "Guard", "Level", "Metric", "parse"]
CRITICALITIES = ("core", "auxiliary", "experimental")  # the last gives way first


class Quality(Part):
    """The floor: scores of `metric` may not average below it."""

    metric: Name = "score"
    floor: float = Field(ge=-NUMBER_MAX, le=NUMBER_MAX)
    min_sample: int = Field(ge=1, le=1_000_000)
    window_s: WindowSeconds
    must_be_right: Tasks = ()
    may_be_degraded: Tasks = ()


class Latency(Part):
    p50_ms: LatencyMs | None = None
    p95_ms: LatencyMs
    p99_ms: LatencyMs | None = None
    ttft_p95_ms: LatencyMs | None = None
    inter_token_p95_ms: LatencyMs | None = None
    timeout_ms: int = Field(gt=0, le=LATENCY_MAX_MS)
    on_timeout: Words


class StopLoss(Part):
    """A line that spend may not cross, and the guard that sees to it."""

    per: Literal["request", "hour", "day", "tenant_day"]
    amount: Money
    guard: Name


class Cost(Part):
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    per_request: Money
    per_hour: Money | None = None
    per_day: Money
    per_tenant_day: Money | None = None
    stop_loss: tuple[StopLoss, ...] = Field((), max_length=8)


class Rollback(Part):
    """When the quality floor breaks within `within_s` of an activation (null: at any time), go back by itself or not."""

    automatic: bool
    within_s: int | None = Field(None, gt=0, le=WITHIN_MAX_S)


class Fallback(Part):
    """The level a backend takes by itself when it has not reached Trivet for `valid_s` seconds."""

    level: int = Field(ge=0, le=LEVEL_MAX)
    valid_s: int = Field(600, ge=10, le=86_400)


class Card(Part):
    """The whole card. `flags` is what level 0 does; a level's flags lie over it."""

    gives_way: tuple[Literal["quality", "latency", "cost"], ...] = Field(max_length=3)
    quality: Quality
    latency: Latency
    cost: Cost
    guards: tuple[Guard, ...] = Field(min_length=1, max_length=32)
    flags: Flags = Field(default_factory=dict)
    ladder: tuple[Level, ...] = Field(min_length=1, max_length=LEVEL_MAX)
    rollback: Rollback
    fallback: Fallback
    criticality: Literal["core", "auxiliary", "experimental"] = "auxiliary"
    steadiness: Steadiness = Steadiness()

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        complaints = list(_complaints(self))
        if complaints:
            raise ValueError("; ".join(complaints))
        return self

    def level(self, level: int) -> Level | None:
        """The ladder's level, or None for 0 and for what the ladder does not have."""
        return next((step for step in self.ladder if step.level == level), None)

    def flags_at(self, level: int) -> dict[str, FlagValue]:
        """What holds at a level: the base flags with the level's actions over them."""
        step = self.level(level)
        return {**self.flags, **(step.flags if step else {})}

    @property
    def top(self) -> int:
        """The highest level of the ladder."""
        return self.ladder[-1].level


def _complaints(card: Card) -> Iterator[str]:
    levels = [step.level for step in card.ladder]
    if levels != list(range(1, len(levels) + 1)):
        yield f"ladder: levels are 1, 2, 3 in this order without a gap, not {levels}"
    names = [guard.name for guard in card.guards]
    if len(set(names)) != len(names):
        yield "guards: each has a name of its own"
    for guard in card.guards:
        if guard.raises_to > len(levels):
            yield f"guards.{guard.name}.raises_to: the ladder has no level {guard.raises_to}"
        if guard.metric == "quality" and guard.enter != card.quality.floor:
            yield f"guards.{guard.name}.enter: a card has one quality floor, quality.floor is {card.quality.floor:g}"
    if card.fallback.level > len(levels):
        yield f"fallback.level: the ladder has no level {card.fallback.level}"
    if card.latency.timeout_ms < card.latency.p95_ms:
        yield "latency.timeout_ms: shorter than the P95 it should allow"
    if card.rollback.automatic and not any(guard.metric == "quality" for guard in card.guards):
        yield "rollback.automatic: needs a guard on quality to set it off"
    yield from _loose_lines(card)


def _loose_lines(card: Card) -> Iterator[str]:
    """A stop-loss line that no guard holds would be a promise nobody keeps."""
    by_name = {guard.name: guard for guard in card.guards}
    for number, line in enumerate(card.cost.stop_loss):
        guard = by_name.get(line.guard)
        if guard is None or guard.metric != f"cost_per_{line.per}":
            yield f"cost.stop_loss.{number}.guard: names no guard on the cost per {line.per}"
        elif Decimal(str(guard.enter)) != Decimal(line.amount):
            yield f"cost.stop_loss.{number}.amount: {line.amount}, but guard {guard.name} enters at {guard.enter:g}"


def parse(body: Any) -> Card:
    """A card from JSON values. `Invalid` names the first wrong field and says how many more there are."""
    try:
        # Through JSON: strict mode then takes lists for tuples and refuses "1" for 1.
        return Card.model_validate_json(_storable(json.dumps(body, ensure_ascii=False)))
    except ValidationError as bad:
        errors = bad.errors(include_url=False, include_context=False, include_input=False)
        field = ".".join(str(part) for part in errors[0]["loc"]) or "card"
        more = f" ({len(errors) - 1} more)" if len(errors) > 1 else ""
        message = errors[0]["msg"].removeprefix("Value error, ")
        raise Invalid(f"{field}: {message}{more}", field=field) from bad


def _storable(text: str) -> bytes:
    """The database stores neither NUL nor half of a surrogate pair."""
    try:
        encoded = text.encode()
    except UnicodeEncodeError as bad:
        raise Invalid("card: half of a surrogate pair is no text", field="card") from bad
    if "\\u0000" in text:
        raise Invalid("card: a text cannot hold a NUL character", field="card")
    return encoded
