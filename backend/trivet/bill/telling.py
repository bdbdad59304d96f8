"""A compared bill in words. Pure. Whoever says them in another language hands in what translates: each text is whole."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from trivet.bill.match import Parts
from trivet.kit.marked import N_, Month, Say, english, english_month
from trivet.kit.money import EXACT, PICO

CAUSES_SAID = 3
Days = Callable[[date, date], str]
TITLES = {"openai": "OpenAI", "anthropic": "Anthropic", "aws": "AWS", "gcp": "Google Cloud", "azure": "Azure"}
KIND_WORDS = {
    "input": N_("input"), "output": N_("output"), "cache_read": N_("cache reads"), "cache_write": N_("cache writes"),
    "reasoning": N_("reasoning"), "capacity": N_("capacity"),
}  # fmt: skip
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


def days(starts_on: date, ends_on: date, _: Say = english, month: Month = english_month) -> str:
    """`October 2026` of a whole month, else `3 to 5 October 2026`."""
    last = ends_on - _DAY
    within = (starts_on.year, starts_on.month) == (last.year, last.month)
    if within and starts_on.day == 1 and ends_on.day == 1:
        return month(last)
    if within and starts_on != last:
        return _("{first} to {last} {month}", first=starts_on.day, last=last.day, month=month(last))
    one, other = (_("{day} {month}", day=at.day, month=month(at)) for at in (starts_on, last))
    return one if within else _("{first} to {last}", first=one, last=other)


def sentence(told: Told, _: Say = english, days: Days = days) -> str:
    """What a bill says against what was measured, and why they differ, the largest causes first."""
    opening = _(
        "{provider}'s bill of {days} is {total} {currency}", provider=title(told.provider),
        days=days(told.starts_on, told.ends_on), total=shown(told.total), currency=told.currency,
    )  # fmt: skip
    if not told.compared:
        return _("{opening}; it is compared with nothing.", opening=opening)
    why = causes(told.parts, _)
    if any(cause == "no_rate" for cause, _kind in told.parts):
        return _(
            "{opening}; what we measured is in a currency that no rate leads from: {why}.", opening=opening, why=why
        )
    if not told.measured:
        return _("{opening}; we measured nothing of it: {why}.", opening=opening, why=why or _("it bills nothing"))
    if not any(told.parts.values()):
        return _("{opening}; that is what we measured, to the last digit.", opening=opening)
    share = _share(EXACT.subtract(told.total, told.measured), told.measured, _)
    return _(
        "{opening}; we measured {measured}; {share}: {why}.", opening=opening, measured=shown(told.measured), share=share,
        why=why,
    )  # fmt: skip


def _share(difference: Decimal, of: Decimal, _: Say) -> str:
    if not difference:
        return _("the same, but")
    share = EXACT.divide(EXACT.scaleb(abs(difference), 2), abs(of))
    places = 1 if share < 10 else 0
    rounded = EXACT.quantize(share, Decimal(1).scaleb(-places))
    if not rounded:
        return _("less than 0.1 % more") if difference > 0 else _("less than 0.1 % less")
    said = f"{rounded:,f}"
    return _("{percent} % more", percent=said) if difference > 0 else _("{percent} % less", percent=said)


def causes(parts: Parts, _: Say = english) -> str:
    """`5.90 is cache writes we saw no tokens for, 0.23 unexplained`: the largest, then the rest as one."""
    told: Parts = {}
    for (cause, kind), amount in parts.items():
        key = (
            cause,
            kind if cause == "volume" or "{kind}" in _WORDS.get(cause, "") else "",
        )  # of what is said alike, one
        told[key] = EXACT.add(told.get(key, _ZERO), amount)
    ranked = sorted(((key, amount) for key, amount in told.items() if amount), key=lambda p: (-abs(p[1]), p[0]))
    said = [_cause(*key, amount, _) for key, amount in ranked[:CAUSES_SAID]]
    rest = _ZERO
    for _key, amount in ranked[CAUSES_SAID:]:
        rest = EXACT.add(rest, amount)
    many = len(ranked) - CAUSES_SAID
    if many == 1:
        said.append(_("{amount} from 1 smaller cause", amount=shown(rest)))
    elif many > 1:
        said.append(_("{amount} from {n} smaller causes", amount=shown(rest), n=many))
    return ", ".join(said)


_WORDS: Mapping[str, str] = {
    "price": N_("another price of {kind} than ours"),
    "unpriced": N_("{kind} that we have no price for"),
    "day_boundary": N_("{kind} counted in the neighbouring day"),
    "unknown_model": N_("names that are no model of ours"),
    "fee": N_("charges for other things than tokens"),
    "commitment": N_("commitments"),
    "tax": N_("tax"),
    "credit": N_("credits and discounts"),
    "correction": N_("corrections of other days"),
    "rounding": N_("rounding"),
    "no_rate": N_("measured in a currency without a rate"),
}


def _cause(cause: str, kind: str, amount: Decimal, _: Say) -> str:
    of = _(KIND_WORDS[kind]) if kind in KIND_WORDS else _("tokens")
    if cause == "unexplained":
        return _("{amount} unexplained", amount=shown(amount))
    if cause != "volume":
        words = _(_WORDS[cause], kind=of)
    elif amount <= 0:
        words = _("{kind} that is not on the bill", kind=of)
    else:
        words = _("capacity of no term of ours") if kind == "capacity" else _("{kind} we saw no tokens for", kind=of)
    return _("{amount} is {cause}", amount=shown(amount), cause=words)


def shown(amount: Decimal) -> str:
    """Two places; more where two would show nothing. With a true minus."""
    rounded = EXACT.quantize(amount, Decimal("0.01"))
    if not rounded and amount:
        places = min(1 - amount.adjusted(), 12)
        rounded = EXACT.quantize(amount, max(Decimal(1).scaleb(-places), PICO))
    return f"{rounded:,f}".replace("-", "\N{MINUS SIGN}")
