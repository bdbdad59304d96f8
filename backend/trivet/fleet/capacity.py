"""What a pool's capacity costs in an interval, from its dated terms. Pure and exact."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from trivet.kit.interval import Interval
from trivet.kit.money import EXACT, from_picos, to_picos

HOUR_US = Decimal(3_600_000_000)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Spread:
    """A price paid for months: its total, over how many, and from when on."""

    total: Decimal
    months: int
    start: datetime


@dataclass(frozen=True, slots=True)
class Running:
    """What owned cards cost beside their purchase: price of a kWh, PUE, declared watts a GPU, operations a month."""

    power_price_per_kwh: Decimal | None = None
    pue: Decimal = Decimal(1)
    watts_per_gpu: Decimal | None = None
    operations_per_month: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Term:
    """From `effective_from` on, until the next term: how many GPUs or units, what an hour costs, and what it can do.

    `price_per_gpu_hour` None: the price book's, by `gpu_type` and `purchase`, or `purchased` (amortisation, commitment)
    and `running` tell the parts. `units` are of provisioned throughput, whose price is of a unit.
    """

    effective_from: datetime
    gpus: int
    price_per_gpu_hour: Decimal | None
    currency: str
    purchase: str = "on_demand"
    gpu_type: str = ""
    units: int = 0
    price_per_unit_hour: Decimal | None = None
    work_per_unit_hour: Decimal | None = None
    purchased: Spread | None = None
    running: Running | None = None
    load_test_tokens_per_gpu_hour: Decimal | None = None
    planned_utilisation: Decimal | None = None
    max_concurrency: int | None = None
    idle_policy: str = "apart"
    headroom_policy: str = "spread_use"

    @property
    def size(self) -> int:
        """GPUs, or units of provisioned throughput."""
        return self.units or self.gpus

    @property
    def work_per_hour(self) -> Decimal | None:
        """Work units that all of it serves in an hour; None where nobody measured that."""
        each = self.work_per_unit_hour if self.units else self.load_test_tokens_per_gpu_hour
        return None if each is None else EXACT.multiply(each, Decimal(self.size))


@dataclass(frozen=True, slots=True)
class Hourly:
    """What an hour of a term costs, part by part; `gaps` name what nobody knows and what is therefore not in it."""

    parts: Mapping[str, Decimal]
    gaps: tuple[str, ...] = ()
    per_hour: Decimal = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "per_hour", sum_of(self.parts.values()))


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of time in which a pool had capacity, all at one price. `per_hour` is what an hour of all of it costs."""

    start: datetime
    end: datetime
    per_hour: Decimal
    currency: str
    term: Term | None = None
    hourly: Hourly | None = None

    @property
    def length_us(self) -> int:
        return (self.end - self.start) // _MICROSECOND

    @property
    def purchase(self) -> str:
        return self.term.purchase if self.term else ""


def rent(term: Term) -> Hourly:
    """GPUs × price, and units × price: all that a term tells which names its price itself."""
    parts = {}
    if term.price_per_gpu_hour is not None and term.gpus:
        parts["gpus"] = EXACT.multiply(term.price_per_gpu_hour, Decimal(term.gpus))
    if term.price_per_unit_hour is not None and term.units:
        parts["units"] = EXACT.multiply(term.price_per_unit_hour, Decimal(term.units))
    return Hourly(parts)


def stretches(terms: Sequence[Term], interval: Interval, hourly: Callable[[Term], Hourly] = rent) -> list[Stretch]:
    """The stretches of an interval in which the pool had any capacity, oldest first; `hourly` prices each."""
    found = []
    for term, start, end in held(terms, interval):
        priced = hourly(term)
        found.append(Stretch(start, end, priced.per_hour, term.currency, term, priced))
    return found


def held(terms: Sequence[Term], interval: Interval) -> list[tuple[Term, datetime, datetime]]:
    """The terms with any capacity that hold in an interval, oldest first, each with its part of it."""
    ordered = sorted(terms, key=lambda term: term.effective_from)
    ends = [term.effective_from for term in ordered[1:]]
    found = []
    for term, end in zip(ordered, [*ends, interval.end], strict=False):
        start, until = max(term.effective_from, interval.start), min(end, interval.end)
        if start < until and term.size:
            found.append((term, start, until))
    return found


def capacity_cost(parts: Iterable[Stretch]) -> dict[str, Decimal]:
    """Cost by currency: price of an hour × hours, rounded once, half even, to picos. Free capacity costs 0 and is there."""
    exact: dict[str, Decimal] = {}
    for part in parts:
        before = exact.get(part.currency, Decimal(0))
        exact[part.currency] = EXACT.fma(part.per_hour, Decimal(part.length_us), before)
    return {currency: from_picos(to_picos(EXACT.divide(units, HOUR_US))) for currency, units in exact.items()}


def sum_of(amounts: Iterable[Decimal]) -> Decimal:
    """The exact sum."""
    total = Decimal(0)
    for amount in amounts:
        total = EXACT.add(total, amount)
    return total
