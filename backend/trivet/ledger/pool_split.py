"""A pool's hour as used, headroom, idle and down: its time, and what each cost. Pure.

awake time    used       share of it that was filled, see `fill`
              headroom   the rest of it
other time    down, else idle
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_HALF_EVEN, Decimal

from trivet.fleet.capacity import HOUR_US, Stretch, capacity_cost, sum_of
from trivet.kit.interval import Interval
from trivet.kit.money import EXACT, split
from trivet.ledger.pool_states import SLICE, Span, States, clipped, fullness

PARTS = ("used", "headroom", "idle", "down")
ALL_AWAKE, BY_WORK, BY_CONCURRENCY, BY_REQUEST_TIME = "all-awake-1", "work-1", "concurrency-1", "request-time-1"
METHODS = {
    ALL_AWAKE: "No capacity is known: all awake time is used.",
    BY_WORK: "Used is the work units served over those that the load test says the awake time could serve.",
    BY_CONCURRENCY: "Used is, slice by slice, calls running over the pool's cap, or the share of the KV cache in use if "
    "that is more; all where calls waited.",
    BY_REQUEST_TIME: "Used is the time of all requests over the pool's cap of calls at once; never more than awake.",
}
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Kept:
    """What was found of a stretch before: its microseconds by `PARTS`, by which method, on which evidence."""

    us: Mapping[str, int]
    method: str
    evidence: str


@dataclass(frozen=True, slots=True)
class Split:
    """One stretch: microseconds and amounts by `PARTS`, how they were found, its part of the hour's work by awake time, and
    the work that all of it could serve.
    """

    stretch: Stretch
    method: str  # of `fill`
    us: Mapping[str, int]
    amounts: Mapping[str, Decimal]
    work: Decimal
    capacity_work: Decimal | None

    @property
    def cost(self) -> Decimal:
        return sum_of(self.amounts.values())


def splits(
    capacity: Sequence[Stretch],
    known: States,
    work: Decimal,
    request_us: int,
    kept: Sequence[Kept] | None = None,
) -> list[Split]:
    """Each stretch of an hour. `work` and `request_us` are those of all requests in the hour.

    `kept` is each stretch as it was found when what told its states was still there.
    """
    awake = [sum_us(clipped(known.awake, _interval(part))) for part in capacity]
    whole = sum(awake)
    found = []
    costs = _costs(capacity)
    for n, part in enumerate(capacity):
        share = EXACT.divide(Decimal(awake[n]), Decimal(whole)) if whole else Decimal(n == 0)
        own = EXACT.multiply(work, share)
        method, used = fill(part, known, awake[n], own, request_us * share)
        down = sum_us(clipped(known.down, _interval(part)))
        us = {"used": used, "headroom": awake[n] - used, "idle": part.length_us - awake[n] - down, "down": down}
        if kept:
            method, us = kept[n].method, dict(kept[n].us)
        found.append(Split(part, method, us, split(costs[n], us), own, _could_serve(part)))
    return found


def fill(part: Stretch, known: States, awake: int, work: Decimal, request_us: Decimal) -> tuple[str, int]:
    """How much of a stretch's awake microseconds was used, and by which method.

    Measured capacity in work units comes first, as in the formula; then the cap of calls at once, by counters or spans.
    """
    could, cap = _could_serve(part), part.term.max_concurrency if part.term else None
    if could is not None:
        served = EXACT.divide(work, could) * part.length_us  # work over what a microsecond serves
        return BY_WORK, min(awake, _whole(served))
    if cap and known.fill:
        slices = ((overlap_us(part, (at, at + SLICE)), fullness(said, cap)) for at, said in known.fill.items())
        return BY_CONCURRENCY, min(awake, _whole(sum((us * full for us, full in slices), Decimal(0))))
    if cap:
        return BY_REQUEST_TIME, min(awake, _whole(request_us / cap))
    return ALL_AWAKE, awake


def _could_serve(part: Stretch) -> Decimal | None:
    """Work units that a stretch could serve from its start to its end."""
    each = part.term.work_per_hour if part.term else None
    return None if each is None else EXACT.divide(EXACT.multiply(each, Decimal(part.length_us)), HOUR_US)


def _costs(capacity: Sequence[Stretch]) -> dict[int, Decimal]:
    """What each stretch cost: of each currency the cost, which is rounded once, split by what they cost exactly."""
    found: dict[int, Decimal] = {}
    for currency, cost in capacity_cost(capacity).items():
        own = {
            n: EXACT.multiply(p.per_hour, Decimal(p.length_us))
            for n, p in enumerate(capacity)
            if p.currency == currency
        }
        found |= split(cost, own) if any(own.values()) else dict.fromkeys(own, Decimal(0))
    return found


def sum_us(spans: Iterable[Span]) -> int:
    """Microseconds of disjoint spans."""
    return sum(((end - start) // _MICROSECOND for start, end in spans), 0)


def overlap_us(part: Stretch, span: Span) -> int:
    """Microseconds of a span that lie in a stretch."""
    return max(0, (min(part.end, span[1]) - max(part.start, span[0])) // _MICROSECOND)


def _interval(part: Stretch) -> Interval:
    return Interval(part.start, part.end)


def _whole(us: Decimal) -> int:
    return int(us.to_integral_value(rounding=ROUND_HALF_EVEN))
