"""What a cost report adds up while it reads: sums by bucket and ids, and what is kept apart. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from trivet.kit.money import EXACT
from trivet.report import limits, names

CENTRE = "cost_centre_id"
CHARGED = ("cost_centre", "unattributed")  # accounts that hold standard cost, by who is charged
OWN = (*CHARGED, "variance")  # always somebody's, also where nobody knows whose
# Of nobody, where the line names neither tenant nor cost centre; `hidden` always.
KEPT_APART = ("idle", "headroom", "down", "shared", "bill_variance", "hidden")
ALWAYS_APART = "hidden"
# What can be asked of rows kept apart: who asks for somebody's rows does not see them.
APART_BY = frozenset({"pool_id", "model_id", "purchase", "account", "period"})
ZERO = Decimal(0)


@dataclass(slots=True)
class Sum:
    """Amounts of one group: on the basis `allocation`, at standard cost, and the part that is not posted yet."""

    amount: Decimal = ZERO
    listed: Decimal = ZERO
    provisional: Decimal = ZERO

    def add(self, amount: Decimal, listed: Decimal, provisional: Decimal) -> None:
        self.amount = EXACT.add(self.amount, amount)
        self.listed = EXACT.add(self.listed, listed)
        self.provisional = EXACT.add(self.provisional, provisional)

    def of(self, basis: str) -> Decimal:
        """The amount on a basis."""
        return self.amount if basis == "allocation" else self.listed


Key = tuple[Any, ...]


@dataclass(slots=True)
class Gathered:
    """Sums by (bucket, the values of `columns`, currency); those kept apart by (account, …) in front of that."""

    columns: tuple[str, ...]
    groups_max: int
    sums: dict[Key, Sum] = field(default_factory=dict)
    apart: dict[Key, Decimal] = field(default_factory=dict)

    def add(self, key: Key, amount: Decimal, listed: Decimal, provisional: Decimal = ZERO) -> None:
        own = self.sums.get(key)
        if own is None:
            own = self.sums[key] = Sum()
            limits.check(self.sums, self.groups_max)
        own.add(amount, listed, provisional)

    def add_apart(self, account: str, key: Key, amount: Decimal) -> None:
        self.apart[account, *key] = EXACT.add(self.apart.get((account, *key), ZERO), amount)
        limits.check(self.apart, self.groups_max)

    def ids(self, key: Key) -> dict[str, Any]:
        """A key's values by column."""
        return dict(zip((names.BUCKET, *self.columns, "currency"), key, strict=True))


def shows_apart(where: Mapping[str, Any]) -> bool:
    """Whether a filter leaves what is nobody's in: only one on what such rows have."""
    return where.keys() <= APART_BY
