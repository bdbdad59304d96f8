"""What a pool's capacity costs in an interval, from its dated terms. Pure and exact."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from trivet.kit.interval import Interval
from trivet.kit.money import EXACT, from_picos, to_picos

_HOUR_US = Decimal(3_600_000_000)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Term:
    """From `effective_from` on, until the next term: how many GPUs, and what an hour of one costs."""

    effective_from: datetime
    gpus: int
    price_per_gpu_hour: Decimal
    currency: str


def capacity_cost(terms: Sequence[Term], interval: Interval) -> dict[str, Decimal]:
    """Cost by currency: GPUs × price × hours for each term's part of the interval, rounded once, half even, to picos."""
    ordered = sorted(terms, key=lambda term: term.effective_from)
    ends = [term.effective_from for term in ordered[1:]]
    exact: dict[str, Decimal] = {}
    for term, until in zip(ordered, [*ends, interval.end], strict=False):
        part = min(until, interval.end) - max(term.effective_from, interval.start)
        if part > timedelta(0) and term.gpus:
            per_hour = EXACT.multiply(term.price_per_gpu_hour, Decimal(term.gpus))
            units = EXACT.multiply(per_hour, Decimal(part // _MICROSECOND))
            exact[term.currency] = EXACT.add(exact.get(term.currency, Decimal(0)), units)
    return {
        currency: amount
        for currency, units in exact.items()
        if (amount := from_picos(to_picos(EXACT.divide(units, _HOUR_US))))
    }
