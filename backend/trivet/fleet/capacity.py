"""What a pool's capacity costs in an interval, from its dated terms. Pure and exact."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from trivet.kit.interval import Interval
from trivet.kit.money import EXACT, from_picos, to_picos

HOUR_US = Decimal(3_600_000_000)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Term:
    """From `effective_from` on, until the next term: how many GPUs, and what an hour of one costs."""

    effective_from: datetime
    gpus: int
    price_per_gpu_hour: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of time in which a pool had GPUs, all at one price. `per_hour` is GPUs × price."""

    start: datetime
    end: datetime
    per_hour: Decimal
    currency: str

    @property
    def length_us(self) -> int:
        return (self.end - self.start) // _MICROSECOND


def stretches(terms: Sequence[Term], interval: Interval) -> list[Stretch]:
    """The stretches of an interval in which the pool had any GPUs, oldest first."""
    ordered = sorted(terms, key=lambda term: term.effective_from)
    ends = [term.effective_from for term in ordered[1:]]
    found = []
    for term, end in zip(ordered, [*ends, interval.end], strict=False):
        start, until = max(term.effective_from, interval.start), min(end, interval.end)
        if start < until and term.gpus:
            per_hour = EXACT.multiply(term.price_per_gpu_hour, Decimal(term.gpus))
            found.append(Stretch(start, until, per_hour, term.currency))
    return found


def capacity_cost(parts: Iterable[Stretch]) -> dict[str, Decimal]:
    """Cost by currency: GPUs × price × hours, rounded once, half even, to picos. Free capacity costs 0 and is there."""
    exact: dict[str, Decimal] = {}
    for part in parts:
        before = exact.get(part.currency, Decimal(0))
        exact[part.currency] = EXACT.fma(part.per_hour, Decimal(part.length_us), before)
    return {currency: from_picos(to_picos(EXACT.divide(units, HOUR_US))) for currency, units in exact.items()}
