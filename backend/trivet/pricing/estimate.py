"""The most that a call can cost, line by line, before it is made: what a reservation holds. Pure.

Every figure is a bound: a token of the input side takes the dearest rate that an input of this size can reach (long-context
steps included), what may be written to a cache is written, all output may be reasoning, every tool is called as often as it
may be, and every retry happens. Amounts are rounded up to a whole pico, so that no sum of real calls is above them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Context, Decimal

from trivet.kit.money import from_picos
from trivet.pricing.rate import Rates, Steps

_UP = Context(prec=60, rounding=ROUND_CEILING)
MILLION = 1_000_000
_Once = tuple[str, int, Decimal, int]  # (what, how many in one attempt, price, of how many)


@dataclass(frozen=True, slots=True)
class Bound:
    """What is known of a call before it is made; None where nothing is.

    `cache_write_tokens` are the most of the input that may be written to a cache; None: all of it. `tools` are the most
    calls of each: (unit, name, calls). `output_ceiling` is what the model can answer at most.
    """

    input_tokens: int | None = None
    max_output_tokens: int | None = None
    output_ceiling: int | None = None
    n: int = 1
    cache_write_tokens: int | None = None
    tools: tuple[tuple[str, str, int], ...] = ()
    max_retries: int = 0

    @property
    def output_each(self) -> int | None:
        """Output of one choice: what was asked for, and never more than the model gives."""
        known = [each for each in (self.max_output_tokens, self.output_ceiling) if each is not None]
        return min(known) if known else None

    @property
    def attempts(self) -> int:
        return 1 + self.max_retries

    @property
    def tokens(self) -> int | None:
        """The most tokens, over all attempts; None where they have no bound."""
        if self.input_tokens is None or self.output_each is None:
            return None
        return (self.input_tokens + self.output_each * self.n) * self.attempts


@dataclass(frozen=True, slots=True)
class Part:
    """One line of the sum: `count` units of `what` at `unit_price` per `per` of them, over all attempts."""

    what: str
    count: int
    unit_price: Decimal
    per: int
    picos: int

    @property
    def amount(self) -> Decimal:
        return from_picos(self.picos)


@dataclass(frozen=True, slots=True)
class Estimate:
    """The most that a call may cost. `picos` None: it has no bound, and `missing` says why, in words."""

    parts: tuple[Part, ...]
    picos: int | None
    missing: str = ""


def worst_case_picos(
    bound: Bound, rates: Rates | None, tool_prices: Mapping[tuple[str, str], Decimal], fee: Decimal = Decimal(0)
) -> Estimate:
    """The sum of its parts. `rates` None where the model has no price; `tool_prices` are of one call, by (unit, name);
    `fee` is what a request costs beside its tokens.
    """
    missing = _missing(bound, rates, tool_prices)
    if missing or rates is None:
        return Estimate((), None, missing)
    parts = [_part(each, bound.attempts) for each in _tokens(bound, rates)]
    parts += [_part((f"{unit} {name}", n, tool_prices[unit, name], 1), bound.attempts) for unit, name, n in bound.tools]
    parts += [_part(("request", 1, fee, 1), bound.attempts)] if fee else []
    return Estimate(tuple(parts), sum(part.picos for part in parts))


def _missing(bound: Bound, rates: Rates | None, tool_prices: Mapping[tuple[str, str], Decimal]) -> str:
    if rates is None:
        return "the model has no price"
    if bound.input_tokens is None:
        return "input_tokens has no bound"
    if bound.output_each is None and _dearest((rates.output, rates.reasoning), bound.input_tokens):
        return "neither max_output_tokens nor the model's own ceiling is known"
    without = sorted((unit, name) for unit, name, _ in bound.tools if (unit, name) not in tool_prices)
    return f"{without[0][0]} of {without[0][1]} have no price" if without else ""


def _tokens(bound: Bound, rates: Rates) -> Iterable[_Once]:
    """Parts of the input side and the output."""
    size = bound.input_tokens or 0
    plain = _dearest((rates.input, rates.cache_read), size)
    write = _dearest((rates.cache_write,), size)
    written = size if bound.cache_write_tokens is None else min(bound.cache_write_tokens, size)
    written = written if write > plain else 0
    yield "input", size - written, plain, MILLION
    if written:
        yield "cache write", written, write, MILLION
    yield "output", (bound.output_each or 0) * bound.n, _dearest((rates.output, rates.reasoning), size), MILLION


def _dearest(kinds: Iterable[Steps], size: int) -> Decimal:
    """The highest rate that any input of up to `size` tokens reaches. A step applies strictly above its start."""
    return max(price for steps in kinds for start, price in steps if start == 0 or start < size)


def _part(part: _Once, attempts: int) -> Part:
    what, count, price, per = part
    once = _UP.divide(_UP.multiply(price, Decimal(count)), Decimal(per))
    picos = int(_UP.quantize(_UP.scaleb(once, 12), Decimal(1))) * attempts
    return Part(what, count * attempts, price, per, picos)
