"""Why an amount moved: an exact split of the change by logarithmic mean Divisia weights (Ang, additive LMDI-I). Pure.

An amount is a sum of terms, and each term a product of factors, say volume × mix × price. The change of a term is shared out
over its factors by the logarithms of their ratios:

    part of factor k = L(after, before) × ln(k after / k before),   L(a, b) = (a − b) / (ln a − ln b),  L(a, a) = a

so that the parts of a term add up to its change, whatever the order of terms and factors, and a factor that stood still has
no part. Where a logarithm has no meaning the limit decides: a factor that was nothing, is nothing now, or changed its sign
takes all of its term's change; of several such factors the one named first.

The sums are worked out with 80 digits and rounded to picos at the end: each part is rounded down, and the picos that are
then missing go one each to the largest remainders, of equal ones to the factor named first. The parts add up to the change.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal, localcontext
from typing import Any

from trivet.kit.money import EXACT, PICO

PRECISE = Context(prec=80, rounding=ROUND_HALF_EVEN)
_NEGLIGIBLE = Decimal(1).scaleb(-40)
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Term:
    """One part of an amount, and the factors whose product it is, in the order of the names that the split is asked for.

    Factors are divided with `ratio`, so that what their product misses of the amount is negligible.
    """

    amount: Decimal
    factors: tuple[Decimal, ...]


class UnequalError(Exception):
    """Factors that do not multiply to their amounts: a fault of ours, never shown."""


def ratio(a: Decimal | int, b: Decimal | int) -> Decimal:
    """One over the other, with the digits that a split needs."""
    return PRECISE.divide(Decimal(a), Decimal(b))


def split_change(
    before: Mapping[Any, Term],
    after: Mapping[Any, Term],
    names: Sequence[str],
    *,
    appears: str,
    whole: Decimal | None = None,
) -> dict[str, Decimal]:
    """The change of the sum of terms, by factor, in the order of `names`; to the pico the parts are the change.

    `names` are in order of precedence (see above). A term that appears or vanishes is all of the factor `appears`.
    `whole` is the change as it is shown, where the terms' amounts are not whole picos.
    """
    parts = dict.fromkeys(names, ZERO)
    with localcontext(PRECISE):
        for key in sorted(before.keys() | after.keys(), key=_order):
            for name, part in _of_term(before.get(key), after.get(key), names, appears):
                parts[name] += part
        return rounded(parts, _total(after.values()) - _total(before.values()) if whole is None else whole)


def rounded(parts: Mapping[str, Decimal], whole: Decimal) -> dict[str, Decimal]:
    """Parts rounded to picos so that they add up to the whole (largest remainder, ties to the earlier name)."""
    with localcontext(PRECISE):
        exact = {name: part.quantize(_NEGLIGIBLE, rounding=ROUND_HALF_EVEN) for name, part in parts.items()}
        floors = {name: part.quantize(PICO, rounding=ROUND_FLOOR) for name, part in exact.items()}
        missing = int((whole - sum(floors.values(), ZERO)) / PICO)
        if abs(missing) > len(parts) + 1:
            raise UnequalError(f"{missing} picos are missing of {whole} in {dict(parts)}")
        by_remainder = sorted(floors, key=lambda name: floors[name] - exact[name])
        step = PICO if missing >= 0 else -PICO
        for n in range(abs(missing)):
            floors[by_remainder[n % len(by_remainder)]] += step
        return {name: EXACT.quantize(part, PICO) for name, part in floors.items()}


def _of_term(
    before: Term | None, after: Term | None, names: Sequence[str], appears: str
) -> Iterable[tuple[str, Decimal]]:
    a, b = after.amount if after else ZERO, before.amount if before else ZERO
    if a == b and (before is None or after is None or not a):
        return
    if before is None or after is None:
        yield appears, a - b
        return
    pairs = list(zip(names, after.factors, before.factors, strict=True))
    broken = next((name for name, now, then in pairs if now * then <= 0 and now != then), None)
    if broken is not None or a * b <= 0:
        yield broken or appears, a - b
        return
    mean = logarithmic_mean(a, b)
    for name, now, then in pairs:
        if now != then:
            yield name, mean * (now / then).ln()


def logarithmic_mean(a: Decimal, b: Decimal) -> Decimal:
    """L(a, b) of two numbers of one sign, none of them zero."""
    with localcontext(PRECISE):
        return a if a == b else (a - b) / (a / b).ln()


def _total(terms: Iterable[Term]) -> Decimal:
    return sum((term.amount for term in terms), ZERO)


def _order(key: Hashable) -> str:
    return repr(key)
