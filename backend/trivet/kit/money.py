"""Exact money. A request's cost is whole picos (10⁻¹² of the unit); sums are Decimal with 12 places. No float, ever."""

import re
from collections.abc import Mapping, Sequence
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal, localcontext
from typing import TypeVar

PICO = Decimal(1).scaleb(-12)
EXACT = Context(prec=60, rounding=ROUND_HALF_EVEN)
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


def plain(amount: Decimal | int) -> str:
    """The wire form: `"0.001234000000"`, always twelve places, never an exponent."""
    return format(EXACT.quantize(Decimal(amount), PICO), "f")


def money(amount: Decimal | int, currency: str) -> dict[str, str]:
    """`{"amount": "1.230000000000", "currency": "USD"}`."""
    return {"amount": plain(amount), "currency": currency}


def split(amount: Decimal, weights: Mapping[Key, Decimal | int]) -> dict[Key, Decimal]:
    """Split an amount by weights so that the parts add up to the whole to the last pico (largest remainder).

    Ties go to the earlier key in the mapping's order, so the result does not depend on chance. All weights zero, or
    none at all, is the caller's case to decide: ValueError.
    """
    if any(w < 0 for w in weights.values()) or not any(weights.values()):
        raise ValueError("split needs weights that are not negative and not all zero")
    picos = to_picos(amount)
    sign = -1 if picos < 0 else 1
    return {k: from_picos(sign * part) for k, part in _whole_parts(abs(picos), weights).items()}


def _whole_parts(picos: int, weights: Mapping[Key, Decimal | int]) -> dict[Key, int]:
    with localcontext(Context(prec=120)):
        total = sum((Decimal(w) for w in weights.values()), Decimal(0))
        shares = {k: Decimal(picos) * Decimal(w) / total for k, w in weights.items()}
        floors = {k: int(s.to_integral_value(rounding=ROUND_FLOOR)) for k, s in shares.items()}
        left = picos - sum(floors.values())
        by_remainder: Sequence[Key] = sorted(shares, key=lambda k: floors[k] - shares[k])
    return {k: floors[k] + (1 if i < left else 0) for k, i in _rank(shares, by_remainder)}


def _rank(shares: Mapping[Key, Decimal], order: Sequence[Key]) -> list[tuple[Key, int]]:
    place = {k: i for i, k in enumerate(order)}
    return [(k, place[k]) for k in shares]
