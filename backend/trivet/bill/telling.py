"""A compared bill in words. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from trivet.bill.match import Parts
from trivet.kit.money import EXACT, PICO

TITLES = {"openai": "OpenAI", "anthropic": "Anthropic", "aws": "AWS", "gcp": "Google Cloud", "azure": "Azure"}
KIND_WORDS = {
    "input": "input", "output": "output", "cache_read": "cache reads", "cache_write": "cache writes",
    "reasoning": "reasoning", "capacity": "capacity",
}  # fmt: skip
CAUSES_SAID = 3
_DAY = timedelta(days=1)
_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Told:
    """What there is to tell of a bill."""

    provider: str
    starts_on: date
    ends_on: date
    currency: str
    total: Decimal
    measured: Decimal
    parts: Parts
    state: str
    compared: bool = True


def title(provider: str) -> str:
    """A provider as it writes itself."""
    return TITLES.get(provider, provider)


def days(starts_on: date, ends_on: date) -> str:
    """`October 2026` of a whole month, else `3 to 5 October 2026`."""
    last = ends_on - _DAY
    if starts_on.day == 1 and ends_on.day == 1 and (starts_on.year, starts_on.month) == (last.year, last.month):
        return f"{starts_on:%B %Y}"
    if starts_on == last:
        return f"{starts_on.day} {starts_on:%B %Y}"
    if (starts_on.year, starts_on.month) == (last.year, last.month):
        return f"{starts_on.day} to {last.day} {last:%B %Y}"
    return f"{starts_on.day} {starts_on:%B %Y} to {last.day} {last:%B %Y}"


def sentence(told: Told) -> str:
    """What a bill says against what was measured, and why they differ, the largest causes first."""
    opening = (
        f"{title(told.provider)}'s bill of {days(told.starts_on, told.ends_on)} is {shown(told.total)} {told.currency}"
    )
    if not told.compared:
        return f"{opening}; it is compared with nothing."
    difference = EXACT.subtract(told.total, told.measured)
    if any(cause == "no_rate" for cause, _ in told.parts):
        return f"{opening}; what we measured is in a currency that no rate leads from: {causes(told.parts)}."
    if not told.measured:
        return f"{opening}; we measured nothing of it: {causes(told.parts) or 'it bills nothing'}."
    if not any(told.parts.values()):
        return f"{opening}; that is what we measured, to the last digit."
    return f"{opening}; we measured {shown(told.measured)}; {_share(difference, told.measured)}: {causes(told.parts)}."


def _share(difference: Decimal, of: Decimal) -> str:
    if not difference:
        return "the same, but"
    share = EXACT.divide(EXACT.scaleb(abs(difference), 2), abs(of))
    places = 1 if share < 10 else 0
    rounded = EXACT.quantize(share, Decimal(1).scaleb(-places))
    words = f"{rounded:,f} %" if rounded else "less than 0.1 %"
    return f"{words} {'more' if difference > 0 else 'less'}"


def causes(parts: Parts) -> str:
    """`5.90 is cache writes we saw no tokens for, 0.23 unexplained`: the largest, then the rest as one."""
    told: Parts = {}
    for (cause, kind), amount in parts.items():
        key = (
            cause,
            kind if cause == "volume" or "{kind}" in _WORDS.get(cause, "") else "",
        )  # of what is said alike, one
        told[key] = EXACT.add(told.get(key, _ZERO), amount)
    ranked = sorted(((key, amount) for key, amount in told.items() if amount), key=lambda p: (-abs(p[1]), p[0]))
    said = [_cause(*key, amount) for key, amount in ranked[:CAUSES_SAID]]
    rest = _ZERO
    for _, amount in ranked[CAUSES_SAID:]:
        rest = EXACT.add(rest, amount)
    if ranked[CAUSES_SAID:]:
        many = len(ranked) - CAUSES_SAID
        said.append(f"{shown(rest)} from {many} smaller {'cause' if many == 1 else 'causes'}")
    return ", ".join(said)


_WORDS: Mapping[str, str] = {
    "price": "another price of {kind} than ours",
    "unpriced": "{kind} that we have no price for",
    "day_boundary": "{kind} counted in the neighbouring day",
    "unknown_model": "names that are no model of ours",
    "fee": "charges for other things than tokens",
    "commitment": "commitments",
    "tax": "tax",
    "credit": "credits and discounts",
    "correction": "corrections of other days",
    "rounding": "rounding",
    "no_rate": "measured in a currency without a rate",
}


def _cause(cause: str, kind: str, amount: Decimal) -> str:
    of = KIND_WORDS.get(kind, "tokens")
    if cause == "unexplained":
        return f"{shown(amount)} unexplained"
    if cause == "volume":
        words = f"{of} we saw no tokens for" if kind != "capacity" else "capacity of no term of ours"
        return f"{shown(amount)} is {words if amount > 0 else f'{of} that is not on the bill'}"
    return f"{shown(amount)} is {_WORDS[cause].format(kind=of)}"


def shown(amount: Decimal) -> str:
    """Two places; more where two would show nothing. With a true minus."""
    rounded = EXACT.quantize(amount, Decimal("0.01"))
    if not rounded and amount:
        places = min(1 - amount.adjusted(), 12)
        rounded = EXACT.quantize(amount, max(Decimal(1).scaleb(-places), PICO))
    return f"{rounded:,f}".replace("-", "\N{MINUS SIGN}")
