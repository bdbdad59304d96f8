"""From an hour's usage to balanced entries. Pure: what should stand in the ledger, and what is still to be posted.

Supply is credited (negative), everyone who bears it debited (positive), so every posting sums to zero per currency:

    metered hour   cost_centre or unattributed  +standard cost      supply.metered   -standard cost
    pool hour      cost_centre or unattributed  +standard cost      supply.capacity  -capacity cost
                   variance                     +share - standard
                   idle                         +capacity in which nothing ran
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from trivet.fleet.capacity import Stretch, capacity_cost
from trivet.kit.money import EXACT, split

_MICROSECOND = timedelta(microseconds=1)


class UnbalancedError(Exception):
    """Entries that do not sum to zero: a fault of ours, never booked."""


@dataclass(frozen=True, slots=True, order=True)
class User:
    """Who used supply, by id; 0 is none."""

    tenant_id: int
    scenario_id: int
    model_id: int


@dataclass(frozen=True, slots=True, order=True)
class Line:
    """Where an amount stands: account, dimensions, currency."""

    account: str
    cost_centre_id: int
    tenant_id: int
    scenario_id: int
    model_id: int
    pool_id: int
    currency: str
    purchase: str = ""


Entries = dict[Line, Decimal]
Span = tuple[datetime, datetime]
CostCentres = Mapping[int, int]  # tenant id -> cost centre id; tenants that are not there are unattributed


@dataclass(frozen=True, slots=True)
class PoolHour:
    """What is known of one pool in one hour.

    `busy` are disjoint spans in which any request ran; `work` the work units and `requests` the number of requests of
    each user in the hour; `standard` their provisional costs by currency.
    """

    pool_id: int
    capacity: list[Stretch]
    busy: list[Span] = field(default_factory=list)
    work: Mapping[User, Decimal] = field(default_factory=dict)
    requests: Mapping[User, int] = field(default_factory=dict)
    standard: Mapping[tuple[User, str], Decimal] = field(default_factory=dict)


def metered_entries(costs: Mapping[tuple[User, int, str], Decimal], cost_centres: CostCentres) -> Entries:
    """Entries of metered supply: costs by (user, pool id, currency), each charged to its tenant's cost centre."""
    entries: Entries = {}
    for (user, pool_id, currency), cost in costs.items():
        _add(entries, _charged(user, pool_id, currency, cost_centres), cost)
        _add(entries, Line("supply.metered", 0, 0, 0, user.model_id, pool_id, currency), cost.copy_negate())
    return checked(entries)


def pool_entries(hour: PoolHour, cost_centres: CostCentres) -> Entries:
    """Entries of a pool's hour: its capacity cost, to the tenants that used it and to idle."""
    entries: Entries = {}
    for (user, currency), cost in hour.standard.items():
        _add(entries, _charged(user, hour.pool_id, currency, cost_centres), cost)
        _add(entries, _variance(user, hour.pool_id, currency, cost_centres), cost.copy_negate())
    for currency, cost in capacity_cost(hour.capacity).items():
        _add(entries, Line("supply.capacity", 0, 0, 0, 0, hour.pool_id, currency), cost.copy_negate())
        used, idle = used_and_idle(hour, currency, cost)
        _add(entries, Line("idle", 0, 0, 0, 0, hour.pool_id, currency), idle)
        for user, share in _shares(hour, used).items():
            _add(entries, _variance(user, hour.pool_id, currency, cost_centres), share)
    return checked(entries)


def moved(posted: Entries, cost_centres: CostCentres) -> Entries:
    """The same amounts, each on the cost centre that its tenant is charged to: all that can still change in an hour whose
    requests are gone.
    """
    entries: Entries = {}
    for line, amount in posted.items():
        user = User(line.tenant_id, line.scenario_id, line.model_id)
        to = {"cost_centre": _charged, "unattributed": _charged, "variance": _variance}.get(line.account)
        _add(entries, to(user, line.pool_id, line.currency, cost_centres) if to else line, amount)
    return checked(entries)


def used_and_idle(hour: PoolHour, currency: str, cost: Decimal) -> tuple[Decimal, Decimal]:
    """Split a pool's cost into what busy time and what idle time took; both exact, together the whole."""
    busy = idle = Decimal(0)
    for part in hour.capacity:
        if part.currency == currency:
            busy_us = _overlap_us(part, hour.busy)
            busy = EXACT.fma(part.per_hour, Decimal(busy_us), busy)
            idle = EXACT.fma(part.per_hour, Decimal(part.length_us - busy_us), idle)
    if not busy or not hour.requests:
        return Decimal(0), cost
    parts = split(cost, {"used": busy, "idle": idle})
    return parts["used"], parts["idle"]


def busy_us(hour: PoolHour) -> int:
    """Microseconds of the hour's capacity in which any request ran."""
    return sum(_overlap_us(part, hour.busy) for part in hour.capacity)


def _overlap_us(part: Stretch, busy: Iterable[Span]) -> int:
    spans = (min(part.end, end) - max(part.start, start) for start, end in busy)
    return sum((span // _MICROSECOND for span in spans if span > timedelta(0)), 0)


def _shares(hour: PoolHour, used: Decimal) -> dict[User, Decimal]:
    """The used cost by work units; by requests where no request of the hour did countable work."""
    if not used:
        return {}
    weights: Mapping[User, Decimal | int] = hour.work if any(hour.work.values()) else hour.requests
    return split(used, {user: weights[user] for user in sorted(weights)})


def _charged(user: User, pool_id: int, currency: str, cost_centres: CostCentres) -> Line:
    centre = cost_centres.get(user.tenant_id, 0)
    account = "cost_centre" if centre else "unattributed"
    return Line(account, centre, user.tenant_id, user.scenario_id, user.model_id, pool_id, currency)


def _variance(user: User, pool_id: int, currency: str, cost_centres: CostCentres) -> Line:
    centre = cost_centres.get(user.tenant_id, 0)
    return Line("variance", centre, user.tenant_id, user.scenario_id, user.model_id, pool_id, currency)


def _add(entries: Entries, line: Line, amount: Decimal) -> None:
    entries[line] = EXACT.add(entries.get(line, Decimal(0)), amount)


def to_post(target: Entries, posted: Entries) -> Entries:
    """What is to be posted so that the ledger stands at the target: target less posted, in order, without zeros.

    Exact, so that rounding never drifts however often an hour is corrected; empty where nothing changed.
    """
    lines = sorted(target.keys() | posted.keys())
    change = {line: EXACT.subtract(target.get(line, Decimal(0)), posted.get(line, Decimal(0))) for line in lines}
    return checked({line: amount for line, amount in change.items() if amount})


def checked(entries: Entries) -> Entries:
    """The entries, if they sum to zero in each currency; else `UnbalancedError`."""
    totals: dict[str, Decimal] = {}
    for line, amount in entries.items():
        totals[line.currency] = EXACT.add(totals.get(line.currency, Decimal(0)), amount)
    odd = {currency: total for currency, total in totals.items() if total}
    if odd:
        raise UnbalancedError(f"entries do not sum to zero: {odd}")
    return entries
