"""From an hour's usage to balanced entries. Pure: what should stand in the ledger, and what is still to be posted.

Supply is credited (negative), everyone who bears it debited (positive), so every posting sums to zero per currency:

    metered hour   cost_centre or unattributed  +standard cost      supply.metered   -standard cost
    pool hour      cost_centre or unattributed  +standard cost      supply.capacity  -capacity cost
                   variance                     +share of used - standard
                   headroom, idle               +as the pool's policy says: apart, hidden, or borne by those who used it
                   down                         +capacity that could not serve
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

from trivet.fleet.capacity import Stretch, sum_of
from trivet.kit.interval import Interval
from trivet.kit.money import EXACT
from trivet.ledger.line import CostCentres, Entries, Line, User
from trivet.ledger.pool_share import Phases, Shares, Weights, shares, spread, weights
from trivet.ledger.pool_split import Kept, Split, splits
from trivet.ledger.pool_states import Counters, Span, States, states

__all__ = ["CostCentres", "Entries", "Line", "PoolHour", "Span", "User"]

SPREAD = {"spread_use": False, "spread_even": True}  # policy: whether evenly
ZERO = Decimal(0)
HOUR = timedelta(hours=1)
Place = tuple[int, str, str]  # pool id, currency, purchase


class UnbalancedError(Exception):
    """Entries that do not sum to zero: a fault of ours, never booked."""


@dataclass(frozen=True, slots=True)
class PoolHour:
    """What is known of one pool in one hour in which it had capacity.

    `busy` are disjoint spans in which any request ran; `work` the work units and `requests` the number of requests of
    each user in the hour; `standard` their provisional costs by currency; `request_us` the time of all of them. `kept`:
    each stretch as it was found before what told its states was dropped.
    """

    pool_id: int
    capacity: list[Stretch]
    busy: list[Span] = field(default_factory=list)
    work: Mapping[User, Decimal] = field(default_factory=dict)
    requests: Mapping[User, int] = field(default_factory=dict)
    standard: Mapping[tuple[User, str], Decimal] = field(default_factory=dict)
    phases: Phases | None = None
    counters: Counters | None = None
    taken: list[Span] = field(default_factory=list)
    request_us: int = 0
    kept: list[Kept] | None = None

    @property
    def interval(self) -> Interval:
        """The clock hour that the capacity lies in."""
        start = self.capacity[0].start.replace(minute=0, second=0, microsecond=0)
        return Interval(start, start + HOUR)


@dataclass(frozen=True, slots=True)
class Judged:
    """A pool's hour as it is to be posted: its states, each stretch's split, and whose share of it what is."""

    states: States
    splits: list[Split]
    shares: list[Shares]


def metered_entries(costs: Mapping[tuple[User, int, str], Decimal], cost_centres: CostCentres) -> Entries:
    """Entries of metered supply: costs by (user, pool id, currency), each charged to its tenant's cost centre."""
    entries: Entries = {}
    for (user, pool_id, currency), cost in costs.items():
        _add(entries, _charged(user, (pool_id, currency, ""), cost_centres), cost)
        _add(entries, Line("supply.metered", 0, 0, 0, user.model_id, pool_id, currency), cost.copy_negate())
    return checked(entries)


def judged(hour: PoolHour) -> Judged:
    """Split a pool's hour: what was used, by whom, and what was not."""
    known = states(hour.interval, hour.busy, hour.counters, hour.taken)
    found = splits(hour.capacity, known, sum_of(hour.work.values()), hour.request_us, hour.kept)
    return Judged(known, found, [shares(each.amounts["used"], hour.work, hour.requests, hour.phases) for each in found])


def pool_entries(hour: PoolHour, cost_centres: CostCentres, as_judged: Judged | None = None) -> Entries:
    """Entries of a pool's hour: its capacity cost, to the tenants that used it and to nobody."""
    entries: Entries = {}
    mostly = max(hour.capacity, key=lambda part: part.length_us).purchase  # of standard cost, which knows no stretch
    for (user, currency), cost in hour.standard.items():
        at = (hour.pool_id, currency, mostly)
        _add(entries, _charged(user, at, cost_centres), cost)
        _add(entries, _own("variance", user, at, cost_centres), cost.copy_negate())
    own = as_judged or judged(hour)
    for each_split, each_share in zip(own.splits, own.shares, strict=True):
        _stretch(entries, hour, each_split, each_share, cost_centres)
    return checked(entries)


def _stretch(entries: Entries, hour: PoolHour, own: Split, share: Shares, cost_centres: CostCentres) -> None:
    """One stretch: supply, what was used, and what becomes of the rest by its term's policies."""
    part, term = own.stretch, own.stretch.term
    at = (hour.pool_id, part.currency, part.purchase)
    apart = (0, 0, 0, 0, *at)
    _add(entries, Line("supply.capacity", *apart), own.cost.copy_negate())
    by_use = weights(share.of, weights(hour.work, hour.requests))
    borne = {"used": ("variance", share.of), "down": ("down", {})}
    for name, policy in (
        ("headroom", term.headroom_policy if term else "apart"),
        ("idle", term.idle_policy if term else "apart"),
    ):
        borne[name] = ("hidden" if policy == "hidden" else name, _spread(own.amounts[name], policy, by_use))
    for name, (account, by_user) in borne.items():
        for user, amount in by_user.items():
            _add(entries, _own(account, user, at, cost_centres), amount)
        if not by_user:  # nobody is known who would bear it
            _add(entries, Line(account, *apart), own.amounts[name])


def _spread(amount: Decimal, policy: str, by_use: Weights) -> Mapping[User, Decimal]:
    """Who bears it; empty where it is kept apart, or nobody used the pool in the hour."""
    return spread(amount, SPREAD[policy], by_use) if policy in SPREAD else {}


def moved(posted: Entries, cost_centres: CostCentres) -> Entries:
    """The same amounts, each on the cost centre that its tenant is charged to: all that can still change in an hour whose
    requests are gone.
    """
    entries: Entries = {}
    for line, amount in posted.items():
        user = User(line.tenant_id, line.scenario_id, line.model_id)
        at, to = (line.pool_id, line.currency, line.purchase), line
        if line.account in ("cost_centre", "unattributed"):
            to = _charged(user, at, cost_centres)
        elif line.tenant_id:
            to = _own(line.account, user, at, cost_centres)
        _add(entries, to, amount)
    return checked(entries)


def _charged(user: User, at: Place, cost_centres: CostCentres) -> Line:
    centre = cost_centres.get(user.tenant_id, 0)
    return Line("cost_centre" if centre else "unattributed", centre, *user, *at)


def _own(account: str, user: User, at: Place, cost_centres: CostCentres) -> Line:
    return Line(account, cost_centres.get(user.tenant_id, 0), *user, *at)


def _add(entries: Entries, line: Line, amount: Decimal) -> None:
    before = entries.get(line)
    entries[line] = amount if before is None else EXACT.add(before, amount)


def to_post(target: Entries, posted: Entries) -> Entries:
    """What is to be posted so that the ledger stands at the target: target less posted, in order, without zeros.

    Exact, so that rounding never drifts however often an hour is corrected; empty where nothing changed.
    """
    change = dict(target)
    for line, amount in posted.items():
        change[line] = EXACT.subtract(target.get(line, ZERO), amount)
    return checked({line: amount for line, amount in sorted(change.items()) if amount})


def checked(entries: Entries) -> Entries:
    """The entries, if they sum to zero in each currency; else `UnbalancedError`."""
    totals: dict[str, Decimal] = {}
    for line, amount in entries.items():
        totals[line.currency] = EXACT.add(totals.get(line.currency, ZERO), amount)
    odd = {currency: total for currency, total in totals.items() if total}
    if odd:
        raise UnbalancedError(f"entries do not sum to zero: {odd}")
    return entries
