"""The small types a card is written in: money, flags, words, thresholds. Pure.

Money is written as decimal strings. A guard's thresholds are in its metric's unit (`watched.Metric`) and are only compared,
never booked, so they are plain numbers.
"""

from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from trivet_collectors.policy.evaluate import DEFAULTS, FlagValue

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


def _listed(said: Any) -> Any:
    """Cards once held one text with `;` between tasks: it is read as the list it meant."""
    if isinstance(said, str):
        return tuple(part.strip() for part in said.split(";") if part.strip())
    return tuple(said) if isinstance(said, list) else said


Money = Annotated[str, Field(max_length=40), AfterValidator(_money)]
Flags = Annotated[dict[str, bool | int | float | str], AfterValidator(_flags)]
Words = Annotated[str, Field(max_length=WORDS_MAX)]
Tasks = Annotated[tuple[Words, ...], Field(max_length=50), BeforeValidator(_listed)]
Share = Annotated[float, Field(gt=0, le=1)]  # of conversations, by hash
Threshold = Annotated[float, Field(ge=0, le=NUMBER_MAX)]
LatencyMs = Annotated[float, Field(gt=0, le=LATENCY_MAX_MS)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
WindowSeconds = Annotated[int, Field(ge=10, le=3600, multiple_of=10)]  # usage comes in buckets of ten seconds


class Part(BaseModel):
    """Unknown fields are refused, types are not guessed, and nothing changes once made."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
