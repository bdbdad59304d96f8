"""The sentence of unit costs: what a million tokens cost, against when, and of what that is told. Pure."""

from dataclasses import dataclass
from decimal import Decimal

from trivet.console import format as say
from trivet.console.money.costs_words import during, ended
from trivet.console.tongue import _
from trivet.kit.interval import Interval

HUNDRED = Decimal(100)


@dataclass(frozen=True, slots=True)
class Cost:
    """Facts of one currency. `first` and `last` are the earliest and the newest whole day that have a unit cost."""

    interval: Interval
    running: bool
    currency: str
    per_million: Decimal | None
    per_request: Decimal | None
    of: str = ""
    first: tuple[str, Decimal] | None = None
    last: tuple[str, Decimal] | None = None


def sentence(cost: Cost) -> str:
    """`A million tokens cost 2.31 USD in November so far, a request 0.0041 USD; from 1 Nov to 20 Nov it fell by 12 %.`"""
    whole = during(cost.interval, running=cost.running, of=cost.of)
    if cost.per_million is None:
        return _("{whole} has no tokens that cost anything, so there is nothing to divide.", whole=whole)
    million = f"{say.amount(cost.per_million, say.watched_places([cost.per_million]))} {cost.currency}"
    said = _("{whole}: a million tokens cost {amount}", whole=whole, amount=million)
    if cost.per_request is not None:
        request = f"{say.amount(cost.per_request, say.watched_places([cost.per_request]))} {cost.currency}"
        said = _(
            "{whole}: a million tokens cost {amount}, a request {request}", whole=whole, amount=million, request=request
        )
    return ended([said, _course(cost)])


def _course(cost: Cost) -> str:
    if cost.first is None or cost.last is None or cost.first[0] == cost.last[0] or cost.first[1] <= 0:
        return ""
    change = (cost.last[1] - cost.first[1]) / cost.first[1] * HUNDRED
    days = {"first": cost.first[0], "last": cost.last[0], "percent": f"{abs(change):.0f}"}
    if abs(change) < 1:
        return _("on {last} it was what it was on {first}", **days)
    if change > 0:
        return _("on {last} it was {percent} % more than on {first}", **days)
    return _("on {last} it was {percent} % less than on {first}", **days)
