"""Days on which a tenant cost more or less than its days usually do, and what drove it. Pure.

A day is held against the same days of the week before it (eight weeks; at least four, else the last fourteen days of any
kind): their median is what was expected, and the median of how far they lay from it (MAD) how much they vary. It is an
anomaly where it lies more than `LIMIT` such deviations away, and by an amount that is worth a look: at least `SHARE_MIN` of
what was expected and at least the least amount of the setting. What varied by nothing is taken to vary by five per cent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from statistics import median
from typing import Any

from trivet.kit.money import EXACT, PICO
from trivet.report.moves import Item, Statement, statement_moved
from trivet.report.why import PRECISE

METHOD = "weekday-mad-1"
WEEKS, WEEKS_MIN, DAYS, DAYS_MIN = 8, 4, 14, 7
LIMIT = Decimal("3.5")
SHARE_MIN = Decimal("0.25")
SIGMA = Decimal("1.4826")
STILL = Decimal("0.05")  # of what is expected
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Odd:
    """A day that stands out: `score` is how many robust deviations, with its sign; `compared` which days it was held against."""

    day: date
    amount: Decimal
    expected: Decimal
    score: Decimal
    compared: tuple[date, ...]

    @property
    def excess(self) -> Decimal:
        """Less than expected where it is negative."""
        return EXACT.subtract(self.amount, self.expected)


def odd(day: date, daily: Mapping[date, Decimal], least: Decimal) -> Odd | None:
    """Whether a day stands out of some days' costs; days that are not there cost nothing, before the first they are unknown."""
    known = [each for each in daily if each < day]
    if not known:
        return None
    days = _like(day, min(known))
    if not days:
        return None
    amounts = [daily.get(each, ZERO) for each in days]
    amount, expected = daily.get(day, ZERO), _median(amounts)
    excess = EXACT.subtract(amount, expected)
    spread = EXACT.multiply(_median([abs(EXACT.subtract(each, expected)) for each in amounts]), SIGMA)
    spread = max(spread, EXACT.multiply(abs(expected), STILL))
    if abs(excess) < max(least, EXACT.multiply(abs(expected), SHARE_MIN)) or not excess:
        return None
    score = EXACT.divide(excess, spread) if spread else LIMIT.copy_sign(excess)
    if abs(score) < LIMIT:
        return None
    return Odd(day, amount, expected, EXACT.quantize(score, Decimal("0.01")), days)


def _like(day: date, first: date) -> tuple[date, ...]:
    weeks = [day - timedelta(days=7 * n) for n in range(1, WEEKS + 1)]
    same = tuple(each for each in weeks if each >= first)
    if len(same) >= WEEKS_MIN:
        return same
    near = tuple(each for n in range(1, DAYS + 1) if (each := day - timedelta(days=n)) >= first)
    return near if len(near) >= DAYS_MIN else ()


def _median(amounts: Sequence[Decimal]) -> Decimal:
    return EXACT.quantize(median(amounts), PICO)


@dataclass(frozen=True, slots=True)
class Driver:
    """What moved an odd day most: `by` is model, scenario, kind or price; `amount` its part of the change."""

    by: str
    name: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Part:
    """Cost and tokens of one scenario, model and pool on some days."""

    amount: Decimal
    work: Decimal  # at rates that are the same on all days
    kinds: Mapping[str, int]


def drivers(
    on_the_day: Mapping[tuple[Any, Any, Any], Part], usually: Mapping[tuple[Any, Any, Any], Part], days: int
) -> list[Driver]:
    """What drove a day, largest part first, by (scenario, model, pool) against so many days of before, averaged.

    The change splits exactly into prices and what was used (`moves`); the used part splits exactly by scenario and by model,
    and, as shares of the tokens' change, by kind. Each of the four ways tells its largest.
    """
    before = {key: _average(part, days) for key, part in usually.items()}
    parts = statement_moved(_statement(before), _statement(on_the_day))
    found = [Driver("price", "price", EXACT.add(parts["price"], parts["efficiency"]))]
    keys = on_the_day.keys() | before.keys()
    for place, by in ((0, "scenario"), (1, "model")):
        sums: dict[Any, Decimal] = {}
        for key in keys:
            change = EXACT.subtract(_amount(on_the_day.get(key)), _amount(before.get(key)))
            sums[key[place]] = EXACT.add(sums.get(key[place], ZERO), change)
        found += [Driver(by, str(name), amount) for name, amount in sums.items()]
    found += _kinds(on_the_day, before, EXACT.add(parts["volume"], parts["mix"]))
    return sorted(found, key=lambda driver: (-abs(driver.amount), _RANK.index(driver.by), driver.name))


_RANK = ("price", "model", "scenario", "kind")


def _statement(parts: Mapping[Any, Part]) -> Statement:
    items = {key: Item(part.amount, part.work) for key, part in parts.items()}
    return Statement(sum(sum(part.kinds.values()) for part in parts.values()), items)


def _average(part: Part, days: int) -> Part:
    return Part(
        EXACT.quantize(EXACT.divide(part.amount, Decimal(days)), PICO),
        PRECISE.divide(part.work, Decimal(days)),
        {kind: round(Decimal(count) / days) for kind, count in part.kinds.items()},
    )


def _amount(part: Part | None) -> Decimal:
    return part.amount if part else ZERO


def _kinds(now: Mapping[Any, Part], then: Mapping[Any, Part], used: Decimal) -> list[Driver]:
    """The used part by kind of tokens, in proportion to how many more of it there were."""
    more: dict[str, int] = {}
    for sign, parts in ((1, now), (-1, then)):
        for part in parts.values():
            for kind, count in part.kinds.items():
                more[kind] = more.get(kind, 0) + sign * count
    whole = sum(abs(count) for count in more.values())
    return [
        Driver("kind", kind, EXACT.quantize(EXACT.divide(EXACT.multiply(used, Decimal(abs(count))), Decimal(whole)), PICO))
        for kind, count in more.items()
        if count
    ]  # fmt: skip
