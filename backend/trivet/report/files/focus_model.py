"""What FOCUS rows are made of: groups of ledger lines, the tokens behind them, their prices, the pools' capacity. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from trivet.kit.money import EXACT, from_picos, split, to_picos

TOKENS = ("input", "output", "cache_read", "cache_write", "reasoning")
METERED = "metered"  # what stands for the purchase of supply that is no capacity
USE = ("cost_centre", "unattributed", "variance")  # accounts that are somebody's use
UNUSED = ("idle", "headroom", "down", "hidden")  # capacity in which nobody's request ran
UNIT = "unit:"  # before the name of what is no token and no GPU hour
ZERO = Decimal(0)
# Amounts of units by (start, tenant, provider, model, pool, unit).
Quantities = Mapping[tuple[Any, ...], Decimal]


@dataclass(frozen=True, slots=True)
class Group:
    """Who bears what, when: one group of a cost report by all that a row of FOCUS names. `account` "" is use."""

    start: datetime
    end: datetime
    period: str
    centre: str
    tenant: str
    provider: str
    model: str
    pool: str
    purchase: str
    account: str
    currency: str

    @property
    def corrects(self) -> bool:
        """Whether it is booked in a later month than its own."""
        return self.period > self.start.strftime("%Y-%m")

    @property
    def metered(self) -> bool:
        return self.purchase == METERED

    @property
    def unit(self) -> str:
        """The unit that this is of; "" where it is of tokens, capacity or shared cost."""
        return self.account.removeprefix(UNIT) if self.account.startswith(UNIT) else ""

    @property
    def of_usage(self) -> "Of":
        return Of(self.start, self.tenant, self.provider, self.model, self.pool, self.currency)


@dataclass(slots=True)
class Sum:
    """Amounts of a group, exact."""

    amount: Decimal = ZERO
    provisional: Decimal = ZERO

    def add(self, amount: Decimal, provisional: Decimal) -> None:
        self.amount, self.provisional = EXACT.add(self.amount, amount), EXACT.add(self.provisional, provisional)


@dataclass(frozen=True, slots=True)
class Of:
    """Whose usage, as usage is counted."""

    start: datetime
    tenant: str
    provider: str
    model: str
    pool: str
    currency: str


@dataclass(frozen=True, slots=True)
class Used:
    """Requests, and tokens by kind."""

    requests: int = 0
    tokens: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unit:
    """List and contracted price of a million tokens of each kind, in a currency."""

    currency: str
    listed: Mapping[str, Decimal]
    contracted: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class Capacity:
    """A pool's capacity in a charge period: what its hours are called, and the price of one where there is one price."""

    unit: str
    price: Decimal | None
    currency: str
    gpu_type: str
    size: int
    method: str


@dataclass(frozen=True, slots=True)
class Facts:
    """All there is to say of some charge periods."""

    sums: Mapping[Group, Sum]
    used: Mapping[Of, Used]
    units: Mapping[tuple[datetime, str, str, str], Unit]  # by (start, provider, model, pool)
    capacities: Mapping[tuple[datetime, str], Capacity]  # by (start, pool)
    quantities: Quantities = field(default_factory=dict)

    def unit(self, group: Group) -> Unit | None:
        """The price of a group's tokens, where it is in the group's currency."""
        pool = "" if group.pool == "none" else group.pool
        found = self.units.get((group.start, group.provider, group.model, pool))
        return found if found and found.currency == group.currency else None


def shared_out(used: Used, weights: Mapping[Group, Decimal]) -> dict[Group, Used]:
    """One tenant's usage over the groups that bear it (a mapping or a purchase that changed within the period), whole tokens.

    By what each bears, and all to the first where none bears anything.
    """
    positive = {group: max(ZERO, amount) for group, amount in weights.items()}
    if len(weights) == 1 or not any(positive.values()):
        first, *others = weights
        return {first: used} | dict.fromkeys(others, Used())

    def parts(count: int) -> dict[Group, int]:
        return {group: to_picos(part) for group, part in split(from_picos(count), positive).items()}

    requests = parts(used.requests)
    tokens = {kind: parts(count) for kind, count in used.tokens.items()}
    return {group: Used(requests[group], {kind: of[group] for kind, of in tokens.items()}) for group in weights}


def by_kind(amount: Decimal, used: Used, unit: Unit | None) -> dict[str, Decimal]:
    """An amount over the kinds of tokens, by tokens times contracted price: exact, largest remainder. {} without tokens.

    Without a price the tokens themselves are the weights.
    """
    tokens = {kind: Decimal(count) for kind, count in used.tokens.items() if count > 0}
    if not tokens:
        return {}
    priced = {kind: EXACT.multiply(count, unit.contracted[kind]) for kind, count in tokens.items()} if unit else tokens
    return split(amount, priced if any(priced.values()) else tokens)
