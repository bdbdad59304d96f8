"""What a request costs: pure arithmetic over disjoint kinds of tokens and rates per million.

A kind's rate may have steps by the size of the input side (input, cache_read and cache_write together): the highest
step strictly exceeded applies to all tokens of that kind in the request, as providers bill long contexts. A missing
cache rate is the input rate and a missing reasoning rate the output rate; an explicit 0 is a price.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any, Self

from trivet.kit.errors import Invalid
from trivet.kit.money import EXACT, plain_amount, to_picos

KINDS = ("input", "output", "cache_read", "cache_write", "reasoning")
NEEDED = ("input", "output")
SAME_AS = {"cache_read": "input", "cache_write": "input", "reasoning": "output"}
PRICE_LIMIT = Decimal(1_000_000_000)
STEPS_MAX = 20
STEP_LIMIT = 10**12  # tokens

Step = tuple[int, Decimal]  # (from this many input tokens, amount per million tokens)
Steps = tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens of one request by kind. Disjoint: cached tokens are not in `input`, reasoning is not in `output`."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    reasoning: int = 0


@dataclass(frozen=True, slots=True)
class Rates:
    """Steps of every kind, ascending, the first from 0 tokens."""

    input: Steps
    output: Steps
    cache_read: Steps
    cache_write: Steps
    reasoning: Steps

    @classmethod
    def parse(cls, raw: Mapping[str, Sequence[Sequence[Any]]]) -> Self:
        """From `Price.rates`: {kind: [[from_input_tokens, "decimal per million"], …]}."""
        steps = {kind: tuple((int(start), Decimal(price)) for start, price in raw[kind]) for kind in raw}
        return cls(**{kind: steps.get(kind) or steps[SAME_AS[kind]] for kind in KINDS})


def cost_picos(tokens: Tokens, rates: Rates) -> int:
    """Cost of a request in picos: exact, rounded half even once, at the end."""
    input_side = tokens.input + tokens.cache_read + tokens.cache_write
    per_million = Decimal(0)
    for steps, count in (
        (rates.input, tokens.input),
        (rates.output, tokens.output),
        (rates.cache_read, tokens.cache_read),
        (rates.cache_write, tokens.cache_write),
        (rates.reasoning, tokens.reasoning),
    ):
        if count:
            per_million = EXACT.fma(_rate(steps, input_side), count, per_million)
    return to_picos(EXACT.scaleb(per_million, -6))


def _rate(steps: Steps, input_side: int) -> Decimal:
    rate = steps[0][1]
    for start, price in steps[1:]:
        if input_side <= start:
            break
        rate = price
    return rate


def discounted(rates: Rates, percent: Decimal) -> Rates:
    """Rates less some percent of each, exactly: a rate × (1 - percent / 100)."""
    left = EXACT.subtract(Decimal(1), EXACT.scaleb(percent, -2))
    cut = {kind: tuple((start, EXACT.multiply(price, left)) for start, price in getattr(rates, kind)) for kind in KINDS}
    return Rates(**cut)


def canonical(per_million: Mapping[str, Any]) -> dict[str, list[list[Any]]]:
    """`Price.rates` out of {kind: "2.50" | [{"from_input_tokens", "price"}, …]}; `Invalid` names what is wrong."""
    unknown = sorted(set(per_million) - set(KINDS))
    if unknown:
        raise Invalid(f"There is no token kind {unknown[0]}: use {', '.join(KINDS)}.", field="per_million")
    missing = [kind for kind in NEEDED if kind not in per_million]
    if missing:
        raise Invalid(f"Give a price for {missing[0]}; write 0 where it is free.", field=f"per_million.{missing[0]}")
    return {kind: _canonical_steps(kind, per_million[kind]) for kind in KINDS if kind in per_million}


def _canonical_steps(kind: str, given: Any) -> list[list[Any]]:
    field = f"per_million.{kind}"
    listed = given if isinstance(given, list) else [{"from_input_tokens": 0, "price": given}]
    if not 0 < len(listed) <= STEPS_MAX:
        raise Invalid(f"Give one price, or 1 to {STEPS_MAX} steps.", field=field)
    steps = [_canonical_step(step, field) for step in listed]
    starts = [start for start, _ in steps]
    if starts[0] != 0 or starts != sorted(set(starts)):
        raise Invalid("Steps ascend by from_input_tokens and the first is 0.", field=field)
    return steps


def _canonical_step(step: Any, field: str) -> list[Any]:
    if not isinstance(step, Mapping) or set(step) != {"from_input_tokens", "price"}:
        raise Invalid("A step is {from_input_tokens, price}.", field=field)
    start = step["from_input_tokens"]
    if isinstance(start, bool) or not isinstance(start, int) or not 0 <= start < STEP_LIMIT:
        raise Invalid(f"from_input_tokens is a whole number, 0 or more and less than {STEP_LIMIT}.", field=field)
    return [start, plain_price(step["price"], field)]


def plain_price(price: Any, field: str) -> str:
    """A price as its plain decimal string; `Invalid` for anything that is not an exact amount, 0 or more."""
    text = _unscaled(price) if isinstance(price, Decimal) else price
    if not isinstance(text, str):
        raise Invalid('A price is a decimal string, such as "2.50".', field=field)
    try:
        amount = plain_amount(text)
    except ValueError as bad:
        raise Invalid(f"A price is wrong: {bad}.", field=field) from bad
    if amount >= PRICE_LIMIT:
        raise Invalid(f"A price is less than {PRICE_LIMIT}.", field=field)
    return text


def _unscaled(price: Decimal) -> str:
    """A computed price as text; where its exponent is beyond all prices, as it is, which is then refused."""
    return format(price, "f") if price.is_finite() and abs(price.adjusted()) < EXACT.prec else str(price)


assert tuple(f.name for f in fields(Rates)) == KINDS == tuple(f.name for f in fields(Tokens))
