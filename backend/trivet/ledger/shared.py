"""Costs for many, as arithmetic: how much of one falls on an hour, and who bears it. Pure.

An amount is spread over its hours so that they add up to it exactly: each gets the same whole picos, the first ones one
pico more. Who bears an hour (or a day) is a rule: fixed shares, even shares, or in proportion to usage cost. What cannot
be split (no share names it, or nobody used anything) is a line of its own that names nobody.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from trivet.kit.interval import Interval, month_of
from trivet.kit.money import EXACT, from_picos, split, to_picos
from trivet.ledger.month import bounds
from trivet.ledger.posting import CostCentres, Entries, Line, checked

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
HUNDRED = Decimal(100)
ONCE, MONTHLY = "once", "monthly"
FIXED, EVEN, PROPORTIONAL = "fixed", "even", "proportional"
OF_HOUR, OF_DAY, OF_MONTH = "hour", "day", "month"

Target = tuple[int, int]  # cost centre id and tenant id, one of them 0
NOBODY: Target = (0, 0)
Usage = tuple[int, int, Decimal]  # cost centre id, tenant id, usage cost


@dataclass(frozen=True, slots=True)
class Term:
    """What a cost amounts to: of a one-off for [start, end), of a monthly one for each month from `start` on."""

    start: datetime
    end: datetime | None
    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class Rule:
    """How it is split from `start` on. `shares` name whom, with a percentage where fixed; none at all is everybody."""

    start: datetime
    kind: str
    usage_of: str  # hour | day | month, where proportional
    shares: tuple[tuple[Target, Decimal], ...]

    @property
    def by_day(self) -> bool:
        """Whether it can be told only when the day is over: then the day is posted whole, at its first hour."""
        return self.usage_of in (OF_DAY, OF_MONTH)


def of_hour(recurs: str, terms: Sequence[Term], hour: datetime) -> tuple[Decimal, str] | None:
    """How much of a cost falls on an hour, and its currency; None where nothing does. Terms in the order they were made."""
    term = term_at(recurs, terms, hour)
    if term is None or not term.amount:
        return None
    whole = bounds(month_of(hour)) if recurs == MONTHLY else Interval(term.start, term.end or term.start + HOUR)
    part = hour_part(term.amount, (hour - whole.start) // HOUR, (whole.end - whole.start) // HOUR)
    return (part, term.currency) if part else None


def of_day(recurs: str, terms: Sequence[Term], day: datetime) -> dict[str, Decimal]:
    """What the hours of a UTC day add up to, by currency."""
    found: dict[str, Decimal] = {}
    for n in range(24):
        own = of_hour(recurs, terms, day + HOUR * n)
        if own:
            found[own[1]] = EXACT.add(found.get(own[1], Decimal(0)), own[0])
    return found


def hour_part(amount: Decimal, index: int, hours: int) -> Decimal:
    """The part of one of `hours` equal hours: all parts add up to the amount to the last pico."""
    each, left = divmod(to_picos(amount), hours)
    return from_picos(each + (1 if index < left else 0))


def rule_at(rules: Iterable[Rule], at: datetime) -> Rule | None:
    """The rule that holds at an instant: the latest start, of equal ones the last made."""
    held = [rule for rule in rules if rule.start <= at]
    return max(reversed(held), key=lambda rule: rule.start) if held else None


def shares(amount: Decimal, rule: Rule, weights: Mapping[Target, Decimal]) -> dict[Target, Decimal]:
    """Who bears how much of an amount; `weights` are usage costs, and count where the rule is proportional."""
    if rule.kind == FIXED:
        given = dict(rule.shares)
        rest = HUNDRED - sum(given.values())
        return split(amount, given | ({NOBODY: rest} if rest else {}))
    if rule.kind == EVEN:
        return split(amount, {target: 1 for target, _ in rule.shares})
    used = {target: weight for target, weight in sorted(weights.items()) if weight > 0}
    return split(amount, used) if used else {NOBODY: amount}


def weigh(rule: Rule, usage: Iterable[Usage], above: Mapping[int, int]) -> dict[Target, Decimal]:
    """Usage cost by whom a rule names. Each cost counts once: for its tenant where that is named, else for its cost centre
    or the first named one above it. Where the rule names nobody, for its own cost centre.
    """
    named = {target for target, _ in rule.shares}
    found: dict[Target, Decimal] = {}
    for centre, tenant, cost in usage:
        target = _target(centre, tenant, named, above) if named else (centre, 0)
        if target is not None:
            found[target] = EXACT.add(found.get(target, Decimal(0)), cost)
    return found


def entries(parts: Mapping[Target, Decimal], currency: str, centres: CostCentres) -> Entries:
    """Entries of a cost that is split: a tenant's part stands on the cost centre it is charged to as well."""
    found: Entries = {}
    for (centre, tenant), amount in parts.items():
        own = centre or centres.get(tenant, 0)
        found[Line("shared", own, tenant, 0, 0, 0, currency)] = amount
    total = sum(parts.values(), Decimal(0))
    found[Line("supply.shared", 0, 0, 0, 0, 0, currency)] = total.copy_negate()
    return checked(found)


def term_at(recurs: str, terms: Sequence[Term], hour: datetime) -> Term | None:
    """The term that holds in an hour: of a one-off the last made, of a monthly cost the one with the latest start."""
    if recurs == ONCE:
        last = terms[-1]
        return last if last.end and last.start <= hour < last.end else None
    held = [term for term in terms if term.start <= hour]
    return max(reversed(held), key=lambda term: term.start) if held else None


def _target(centre: int, tenant: int, named: set[Target], above: Mapping[int, int]) -> Target | None:
    if (0, tenant) in named:
        return (0, tenant)
    seen: set[int] = set()
    while centre and centre not in seen:
        if (centre, 0) in named:
            return (centre, 0)
        seen.add(centre)
        centre = above.get(centre, 0)
    return None
