"""What a price that is about to be entered changes, in words. Pure."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import reduce
from typing import Final

from trivet.console import format as say
from trivet.console.money.prices_words import day_year
from trivet.console.tongue import N_, _
from trivet.pricing.book import PriceLine
from trivet.pricing.dated import plain
from trivet.pricing.rate import KINDS, NEEDED, SAME_AS, Rates, Steps
from trivet.report.repriced import DAYS, Repriced

TOKENS: Final = {
    "input": N_("a million input tokens"), "output": N_("a million output tokens"),
    "cache_read": N_("a million tokens read from a cache"), "cache_write": N_("a million tokens written to a cache"),
    "reasoning": N_("a million reasoning tokens"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Change:
    """A price to be entered (`kinds` are those it names) and what it meets: the one it follows, None where nothing holds
    then; `until` an entered one begins or ends that is there already; what it would have moved.
    """

    what: str
    starts: datetime
    currency: str
    new: Rates
    kinds: frozenset[str]
    old: PriceLine | None = None
    until: datetime | None = None
    moved: Repriced | None = None
    taken: bool = False  # there is one from the same day
    met: bool = True  # whether a call ever named the model
    pool: str = ""  # one that nobody has met


def sentence(change: Change, now: datetime) -> str:
    """`From 1 Dec 2026 gpt-4o of openai costs $2.50 instead of $3.00 for a million input tokens and …`"""
    if change.taken:
        return _(
            "{what} has a price from {day} already. Prices are never edited: choose another day.",
            what=change.what, day=day_year(change.starts),
        )  # fmt: skip
    parts = [_part(kind, change) for kind in KINDS if _is_said(kind, change)]
    said = _("From {day} {what} costs {parts}", day=day_year(change.starts), what=change.what, parts=_listed(parts))
    return " ".join([_ended(said, change), *_notes(change, now)])


def _is_said(kind: str, change: Change) -> bool:
    """What is entered, and what had a price of its own that it has no more; the others follow input and output."""
    if kind in NEEDED or kind in change.kinds:
        return True
    held = change.old.list_rates if change.old else change.new
    return getattr(held, kind) not in (getattr(held, SAME_AS[kind]), getattr(change.new, kind))


def _part(kind: str, change: Change) -> str:
    steps, tokens = getattr(change.new, kind), _(TOKENS[kind])
    new = _rate(steps, change.currency)
    if change.old is None:
        return _("{price} for {tokens}", price=new, tokens=tokens)
    old = getattr(change.old.list_rates, kind)
    if (old, change.old.currency) == (steps, change.currency):
        return _("{price} as before for {tokens}", price=new, tokens=tokens)
    return _("{price} instead of {old} for {tokens}", price=new, old=_rate(old, change.old.currency), tokens=tokens)


def _rate(steps: Steps, currency: str) -> str:
    return " · ".join(
        _("{price} over {tokens}", price=price(each, currency), tokens=say.count(start))
        if start
        else price(each, currency)
        for start, each in steps
    )


def price(amount: Decimal, currency: str) -> str:
    """`$2.50`, `$0.0375`: all of it, in cents at least."""
    exponent = int(amount.normalize().as_tuple().exponent)
    return say.with_currency(say.amount(amount, max(2, -exponent)), currency)


def _ended(said: str, change: Change) -> str:
    """With what the last days would have cost, where that is known."""
    if change.old is None:
        return _("{said}; without it there is no price then.", said=said)
    if change.moved is None:
        return _("{said}.", said=said)
    n, amount = say.count(change.moved.tokens), say.watched(abs(change.moved.more), change.currency)
    if not change.moved.more:
        return _("{said}; the {n} tokens of the last {days} days would have cost the same.", said=said, n=n, days=DAYS)
    if change.moved.more < 0:
        return _(
            "{said}; the {n} tokens of the last {days} days would have cost {amount} less.", said=said, n=n, days=DAYS,
            amount=amount,
        )  # fmt: skip
    return _(
        "{said}; the {n} tokens of the last {days} days would have cost {amount} more.", said=said, n=n, days=DAYS,
        amount=amount,
    )  # fmt: skip


def _notes(change: Change, now: datetime) -> list[str]:
    notes = []
    if change.old is not None and change.old.percent:
        notes.append(_("A contract takes {percent} % off.", percent=plain(change.old.percent)))
    if change.starts <= now:
        notes.append(_("Calls since then that have no price get this one; those that have one keep theirs."))
    if change.until is not None:
        notes.append(_("It holds until {day}, when what was entered before changes again.", day=day_year(change.until)))
    if not change.met:
        notes.append(_("No call has named this model of this provider yet: look whether the names are right."))
    if change.pool:
        notes.append(_("No pool is called {pool} yet.", pool=change.pool))
    return notes


def _listed(parts: list[str]) -> str:
    *most, last = parts
    return _("{first} and {last}", first=reduce(_beside, most), last=last)


def _beside(said: str, part: str) -> str:
    return _("{said}, {part}", said=said, part=part)
