"""What a trade-off card says (推理取舍卡). Pure: a card is checked whole and names the field that is wrong.

Money is written as decimal strings. A guard's thresholds are in its metric's unit (`METRICS`) and are only compared, never
booked, so they are plain numbers.
"""

import json
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from trivet.kit.errors import Invalid
from trivet_collectors.policy.evaluate import DEFAULTS, FlagValue

Metric = Literal[
    "p95_latency_ms",
    "p95_ttft_ms",
    "error_rate",
    "timeout_rate",
    "refusal_rate",
    "rate_limit_rate",
    "cold_start_rate",
    "health_events",
    "cost_per_request",
    "cost_per_hour",
    "quality",
]
LOWER_IS_WORSE: frozenset[str] = frozenset({"quality"})
LEVEL_MAX = 3
# What the control plane says itself; a card cannot.
RESERVED_FLAGS = frozenset({"degrade.level", "policy.revision", "policy.generation"})
# Every number has an end: none may reach a clock or a sum that cannot hold it.
MONEY_LIMIT = 10**15
NUMBER_MAX = 10**12  # of a threshold or a flag, in whatever unit
WORDS_MAX = 500
LATENCY_MAX_MS = 86_400_000  # a day
WITHIN_MAX_S = 366 * 86_400
CHOICES: dict[str, tuple[str, ...]] = {"tools.mode": ("all", "local", "off"), "admission": ("admit", "limit", "reject")}


def _money(text: str) -> str:
    try:
        amount = Decimal(text)
    except InvalidOperation as bad:
        raise ValueError('money is a decimal string such as "0.002"') from bad
    if not amount.is_finite() or not 0 <= amount < MONEY_LIMIT or amount.normalize().as_tuple().exponent < -12:  # type: ignore[operator]  # finite: the exponent is a number
        raise ValueError("money is 0 or more, below 10^15, and has at most twelve places")
    return text


def _flags(flags: dict[str, FlagValue]) -> dict[str, FlagValue]:
    return {key: _typed(key, value) for key, value in flags.items()}


def _typed(key: str, value: FlagValue) -> FlagValue:
    if key not in DEFAULTS or key in RESERVED_FLAGS:
        raise ValueError(f"`{key}` is not a flag that a card can set")
    if isinstance(value, int | float) and not 0 <= value <= NUMBER_MAX:
        raise ValueError(f"`{key}` is not negative and at most {NUMBER_MAX:g}")
    wanted = type(DEFAULTS[key])
    if wanted is float and type(value) is int:
        value = float(value)
    if type(value) is not wanted:
        raise ValueError(f"`{key}` is a {wanted.__name__}, not a {type(value).__name__}")
    if value not in CHOICES.get(key, (value,)):
        raise ValueError(f"`{key}` is one of {', '.join(CHOICES[key])}")
    if isinstance(value, str) and len(value) > WORDS_MAX:
        raise ValueError(f"`{key}` has at most {WORDS_MAX} characters")
    return value


Money = Annotated[str, Field(max_length=40), AfterValidator(_money)]
Flags = Annotated[dict[str, bool | int | float | str], AfterValidator(_flags)]
Words = Annotated[str, Field(max_length=WORDS_MAX)]
Threshold = Annotated[float, Field(ge=0, le=NUMBER_MAX)]
LatencyMs = Annotated[float, Field(gt=0, le=LATENCY_MAX_MS)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
WindowSeconds = Annotated[int, Field(ge=10, le=3600, multiple_of=10)]  # usage comes in buckets of ten seconds


class Part(BaseModel):
    """Unknown fields are refused, types are not guessed, and nothing changes once made."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Quality(Part):
    """The floor: scores of `metric` may not average below it."""

    metric: Name = "score"
    floor: float = Field(ge=-NUMBER_MAX, le=NUMBER_MAX)
    min_sample: int = Field(ge=1, le=1_000_000)
    window_s: WindowSeconds
    must_be_right: Words = ""
    may_be_degraded: Words = ""


class Latency(Part):
    p50_ms: LatencyMs | None = None
    p95_ms: LatencyMs
    ttft_p95_ms: LatencyMs | None = None
    timeout_ms: int = Field(gt=0, le=LATENCY_MAX_MS)
    on_timeout: Words


class StopLoss(Part):
    """A line that spend may not cross, and the guard that sees to it."""

    per: Literal["request", "hour"]
    amount: Money
    guard: Name


class Cost(Part):
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    per_request: Money
    per_hour: Money | None = None
    per_day: Money
    per_tenant_day: Money | None = None
    stop_loss: tuple[StopLoss, ...] = Field((), max_length=8)


class Guard(Part):
    """One guard (守门指标): broken past `enter` for `for_s` seconds, whole again at `leave`.

    `raises_to` 0 watches and opens breaches without moving the ladder. The ladder climbs one level at a time; `at_once`
    lets this guard go straight to its level.
    """

    name: Name
    metric: Metric
    enter: Threshold
    leave: Threshold
    window_s: WindowSeconds
    minimum_sample: int = Field(ge=1, le=1_000_000)
    for_s: float = Field(0.0, ge=0, le=3600)
    raises_to: int = Field(0, ge=0, le=LEVEL_MAX)
    at_once: bool = False

    @model_validator(mode="after")
    def _leave_is_on_the_safe_side(self) -> Self:
        low = self.metric in LOWER_IS_WORSE
        if (self.leave <= self.enter) if low else (self.leave >= self.enter):
            side = "above" if low else "below"
            raise ValueError(f"leave ({self.leave:g}) must lie {side} enter ({self.enter:g}), or the guard would flap")
        return self


class Level(Part):
    """One level of the ladder: what it does, how long it stays at least, how much calm it needs to step back."""

    level: int = Field(ge=1, le=LEVEL_MAX)
    name: Words
    flags: Flags
    min_stay_s: float = Field(ge=0, le=86_400)
    recover_after_s: float = Field(gt=0, le=86_400)

    @model_validator(mode="after")
    def _acts(self) -> Self:
        if not self.flags:
            raise ValueError("a level without actions changes nothing: give it flags or take it away")
        if self.flags.get("admission") == "reject":
            raise ValueError("a level that rejects every request could never see its way back: use `limit` with a rate")
        if self.flags.get("admission") == "limit" and not (
            self.flags.get("admission.limit_rps") or self.flags.get("admission.daily_requests")
        ):
            raise ValueError("`admission` limit needs `admission.limit_rps` or `admission.daily_requests`")
        return self


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
