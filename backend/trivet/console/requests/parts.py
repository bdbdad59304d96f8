"""What a request's cost is made of: tokens of each kind times its rate. Exact, and pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from trivet.kit.money import EXACT, from_picos
from trivet.pricing.rate import KINDS, Rates, Steps, Tokens, cost_picos


@dataclass(frozen=True, slots=True)
class Part:
    """Tokens of one kind: `rate` per million, `amount` before anything is rounded."""

    kind: str
    tokens: int
    rate: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Priced:
    """`total` is the sum of the parts; rounded once to picos it is `cost`. Not `exact`: another price made the cost."""

    parts: tuple[Part, ...]
    total: Decimal
    cost: Decimal
    exact: bool


def priced(tokens: Tokens, tries: Sequence[Rates], picos: int) -> Priced:
    """The parts by the first of some rates that makes this cost; else by the last, and it says so."""
    rates = next((each for each in tries if cost_picos(tokens, each) == picos), None)
    parts = tuple(_part(kind, tokens, rates or tries[-1]) for kind in KINDS if getattr(tokens, kind))
    total = sum((part.amount for part in parts), Decimal(0))
    return Priced(parts, total, from_picos(picos), exact=rates is not None)


def _part(kind: str, tokens: Tokens, rates: Rates) -> Part:
    count: int = getattr(tokens, kind)
    rate = _rate(getattr(rates, kind), tokens.input + tokens.cache_read + tokens.cache_write)
    return Part(kind, count, _short(rate), EXACT.scaleb(EXACT.multiply(rate, Decimal(count)), -6))


def _short(rate: Decimal) -> Decimal:
    """Without zeros that nobody wrote: `0.080000000000` is 0.08, and 10 stays 10."""
    return rate.quantize(Decimal(1)) if rate == rate.to_integral_value() else rate.normalize()


def _rate(steps: Steps, input_side: int) -> Decimal:
    """The highest step that the input side exceeds."""
    return next(price for start, price in reversed(steps) if not start or input_side > start)
