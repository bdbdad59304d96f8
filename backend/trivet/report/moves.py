"""What is compared when an amount moved: a statement's items, or pools' cost per token, as terms for `why`. Pure.

A statement's amount in one currency:

    item (model on a pool)   volume × mix × price × efficiency
        volume      tokens of all items
        mix         the item's work over these tokens: which models, pools and kinds of tokens they were
        price       of a pool: what one GPU hour cost; else: cost over what the same tokens cost at reference rates
        efficiency  of a pool: GPU hours over work; else nothing moves it
    idle, shared, bill       capacity that nobody used, shared costs and what bills said beyond, as far as the statement bears it

A pool's cost per token:

    price ÷ efficiency ÷ utilisation × mix
        price        what one GPU hour cost
        efficiency   work units in a GPU hour of the load test; where none was made it stands still
        utilisation  work done over what the load test could have done in these GPU hours
        mix          the pool's work over the tokens of all pools: which pools, models and kinds of tokens they were
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from trivet.kit.money import EXACT, MILLION, of_million
from trivet.report.why import PRECISE, Term, ratio, split_change

ONE, ZERO = Decimal(1), Decimal(0)
STATEMENT = ("volume", "price", "mix", "efficiency", "idle", "shared", "bill")
PER_TOKEN = ("price", "efficiency", "utilisation", "mix")
KEPT = ("idle", "shared", "bill")


@dataclass(frozen=True, slots=True)
class Item:
    """One model on one pool (or metered): what was borne for its use, its work, and the price of a unit of supply.

    `work` is in any unit that stays the same between the two statements: work units, or money at reference rates.
    `price` None: the whole of amount over work is its price.
    """

    amount: Decimal
    work: Decimal
    price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """What somebody bore in one currency, and the tokens behind it."""

    tokens: int
    items: Mapping[Any, Item] = field(default_factory=dict)
    kept: Mapping[str, Decimal] = field(default_factory=dict)  # by `KEPT`

    @property
    def total(self) -> Decimal:
        """All of it."""
        total = ZERO
        for amount in (*(item.amount for item in self.items.values()), *self.kept.values()):
            total = EXACT.add(total, amount)
        return total


def statement_moved(before: Statement, after: Statement) -> dict[str, Decimal]:
    """The change of a statement by `STATEMENT`; the parts are the change to the pico.

    An item that appears or vanishes is mix, unless there was no item at all: then all of it is volume. What costs without
    tokens (tools, bandwidth, storage) is volume.
    """
    appears = "mix" if before.tokens and after.tokens else "volume"
    return split_change(_terms(before), _terms(after), STATEMENT, appears=appears)


def _terms(of: Statement) -> dict[Any, Term]:
    found: dict[Any, Term] = {}
    for key, item in of.items.items():
        if item.work > 0 and of.tokens:
            price = ratio(item.amount, item.work) if item.price is None else item.price
            cost = PRECISE.multiply(price, item.work)
            efficiency = ratio(item.amount, cost) if cost else item.amount
            mix = ratio(item.work, of.tokens)
            found["used", key] = Term(item.amount, _factors(volume=Decimal(of.tokens), price=price or ONE, mix=mix,
                                                           efficiency=efficiency))  # fmt: skip
        elif item.amount:
            found["plain", key] = Term(item.amount, _factors(volume=item.amount))
    for name in KEPT:
        found["kept", name] = Term(of.kept.get(name, ZERO), _factors(**{name: of.kept.get(name, ZERO)}))
    return found


def _factors(**given: Decimal) -> tuple[Decimal, ...]:
    return tuple(given.get(name, ONE) for name in STATEMENT)


@dataclass(frozen=True, slots=True)
class Running:
    """One pool in an interval: what its capacity cost, its GPU hours, the work it did and the tokens it served.

    `rated` is the work units of a GPU hour under load test; None where none was made.
    """

    cost: Decimal
    gpu_hours: Decimal
    work: Decimal
    tokens: int
    rated: Decimal | None = None


def per_million(pools: Mapping[Any, Running]) -> Decimal | None:
    """Cost of a million tokens over all pools, rounded to picos; None where none was served."""
    tokens = sum(pool.tokens for pool in pools.values())
    if not tokens:
        return None
    cost = sum((pool.cost for pool in pools.values()), ZERO)
    return of_million(cost, tokens)


def per_token_moved(before: Mapping[Any, Running], after: Mapping[Any, Running]) -> dict[str, Decimal] | None:
    """The change of the cost of a million tokens, by `PER_TOKEN`; None where either interval served none.

    A pool that appears or vanishes is mix; one that did no work in either of the two counts by its cost, as utilisation.
    """
    then, now = per_million(before), per_million(after)
    if then is None or now is None:
        return None
    return split_change(
        _running(before, after), _running(after, before), PER_TOKEN, appears="mix", whole=EXACT.subtract(now, then)
    )  # fmt: skip


def _running(pools: Mapping[Any, Running], other: Mapping[Any, Running]) -> dict[Any, Term]:
    tokens = sum(pool.tokens for pool in pools.values())
    return {key: _term(pool, other.get(key, pool), tokens) for key, pool in pools.items() if pool.cost}


def _term(pool: Running, other: Running, tokens: int) -> Term:
    amount = ratio(PRECISE.multiply(pool.cost, MILLION), tokens)
    if not (pool.work and other.work and pool.gpu_hours and other.gpu_hours):
        return Term(amount, (ONE, ONE, amount, ONE))  # there is no utilisation to divide by: its whole cost is that
    could = pool.rated if pool.rated and other.rated else ONE
    over = ratio(PRECISE.multiply(could, pool.gpu_hours), pool.work)  # one over utilisation
    return Term(
        amount,
        (ratio(pool.cost, pool.gpu_hours), ratio(1, could), over, ratio(PRECISE.multiply(MILLION, pool.work), tokens)),
    )
