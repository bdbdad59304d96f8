"""Exact money. A request's cost is whole picos (10⁻¹² of the unit); sums are Decimal with 12 places. No float, ever."""

import re
from collections.abc import Iterable, Mapping
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from typing import TypeVar

PICO = Decimal(1).scaleb(-12)
MILLION = Decimal(1_000_000)
EXACT = Context(prec=60, rounding=ROUND_HALF_EVEN)
_WIDE = Context(prec=400)  # of weights, whose digits are all kept
WHOLE_DIGITS_MAX = 15
PLACES_MAX = 12
_PLAIN = re.compile(rf"[0-9]{{1,{WHOLE_DIGITS_MAX}}}(\.[0-9]{{1,{PLACES_MAX}}})?")
Key = TypeVar("Key")


def plain_amount(text: str) -> Decimal:
    """An amount out of its plain decimal string, such as "2.50"; ValueError for any other way to write one.

    Digits are bounded: a short text with an exponent can stand for a number of a million places.
    """
    if not _PLAIN.fullmatch(text):
        raise ValueError(
            f'write an amount as plain digits, such as "2.50": at most {WHOLE_DIGITS_MAX} before the point and '
            f"{PLACES_MAX} after it"
        )
    return Decimal(text)


def to_picos(amount: Decimal) -> int:
    """Round once, half even, to whole picos."""
    return int(EXACT.quantize(EXACT.scaleb(amount, 12), Decimal(1)))


def from_picos(picos: int) -> Decimal:
    """Picos as an amount with twelve places."""
    return EXACT.scaleb(Decimal(picos), -12)


def rounded(amount: Decimal) -> Decimal:
    """An amount rounded, half even, to twelve places."""
    return EXACT.quantize(amount, PICO)


def of_million(amount: Decimal, count: Decimal | int) -> Decimal:
    """What a million of some things take of an amount, rounded to twelve places."""
    return rounded(EXACT.divide(EXACT.multiply(amount, MILLION), Decimal(count)))


def from_exact(exact: Fraction) -> Decimal:
    """A quotient rounded once, half even, to twelve places."""
    return rounded(EXACT.divide(Decimal(exact.numerator), Decimal(exact.denominator)))


def plain(amount: Decimal | int) -> str:
    """The wire form: `"0.001234000000"`, always twelve places, never an exponent."""
    return format(EXACT.quantize(Decimal(amount), PICO), "f")


def money(amount: Decimal | int, currency: str) -> dict[str, str]:
    """`{"amount": "1.230000000000", "currency": "USD"}`."""
    return {"amount": plain(amount), "currency": currency}


def split(amount: Decimal, weights: Mapping[Key, Decimal | int], *, places: int = PLACES_MAX) -> dict[Key, Decimal]:
    """Split an amount by weights so that the parts add up to the whole to the last pico (largest remainder).

    With fewer `places` (2: cents) the parts are whole units of that place; an amount that is not is a ValueError. Ties go
    to the earlier key in the mapping's order, so the result does not depend on chance. All weights zero, or none at all,
    is the caller's case to decide: ValueError.
    """
    if any(w < 0 for w in weights.values()) or not any(weights.values()):
        raise ValueError("split needs weights that are not negative and not all zero")
    units = int(EXACT.quantize(EXACT.scaleb(amount, places), Decimal(1)))
    if places < PLACES_MAX and EXACT.scaleb(Decimal(units), -places) != amount:
        raise ValueError(f"{plain(amount)} has more than {places} places: round it before it is split")
    sign = -1 if units < 0 else 1
    parts = _whole_parts(abs(units), weights)
    return {k: EXACT.scaleb(Decimal(sign * part), -places) for k, part in parts.items()}


def _whole_parts(units: int, weights: Mapping[Key, Decimal | int]) -> dict[Key, int]:
    """Whole units by weights, in whole numbers throughout: exact however long the weights are."""
    whole = _in_whole_numbers(weights.values())
    total = sum(whole)
    divided = [divmod(units * weight, total) for weight in whole]
    parts = [part for part, _ in divided]
    by_remainder = sorted(range(len(parts)), key=lambda n: divided[n][1], reverse=True)  # stable: ties keep their order
    for n in by_remainder[: units - sum(parts)]:
        parts[n] += 1
    return dict(zip(weights, parts, strict=True))


def _in_whole_numbers(weights: Iterable[Decimal | int]) -> list[int]:
    """The weights times the power of ten that makes them all whole."""
    exact = [Decimal(weight) for weight in weights]
    least = min(int(weight.as_tuple().exponent) for weight in exact)
    return [int(weight.scaleb(-least, _WIDE)) for weight in exact] if least < 0 else [int(weight) for weight in exact]
