"""Unit costs: what a request, a million tokens and a GPU hour cost, and the energy of a million tokens."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy.orm import Session

from trivet.kit.interval import Interval
from trivet.kit.money import EXACT, PICO
from trivet.report import centres, costs, names, pools, tokens
from trivet.report.tokens import Counts

GROUP_BY = ("cost_centre", "tenant", "scenario", "model", "provider", "pool")
MILLION = Decimal(1_000_000)
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class UnitCost:
    """One group in one currency: what it bore, and per unit; None of no units.

    Of a pool also `capacity_cost` (with what nobody used), its GPU hours and the energy that its cards said, all of the
    posted hours; None for other groups.
    """

    key: tuple[Any, ...]
    currency: str
    amount: Decimal
    counts: Counts
    capacity_cost: Decimal | None = None
    gpu_hours: Decimal | None = None
    energy_kwh: Decimal | None = None
    pool_tokens: int = 0

    @property
    def per_request(self) -> Decimal | None:
        """Borne cost of one request."""
        return _per(self.amount, Decimal(self.counts.requests))

    @property
    def per_million_tokens(self) -> Decimal | None:
        """Borne cost of a million tokens, whatever their kind."""
        return _per(EXACT.multiply(self.amount, MILLION), Decimal(self.counts.tokens))

    @property
    def per_gpu_hour(self) -> Decimal | None:
        """Capacity cost of a GPU hour."""
        return None if self.capacity_cost is None or not self.gpu_hours else _per(self.capacity_cost, self.gpu_hours)

    @property
    def kwh_per_million_tokens(self) -> Decimal | None:
        """Energy of a million tokens; not money."""
        if self.energy_kwh is None or not self.pool_tokens:
            return None
        return EXACT.divide(EXACT.multiply(self.energy_kwh, MILLION), Decimal(self.pool_tokens))


def units(
    session: Session,
    interval: Interval,
    group_by: Sequence[str],
    where: Mapping[str, Collection[Any]],
    *,
    basis: str = "allocation",
    cost_centre_depth: int | None = None,
    whole_pools: bool = True,
) -> list[UnitCost]:
    """Unit costs by some of `GROUP_BY`, in key order. The amounts are those of `costs.costs`.

    Without `whole_pools` nothing is told of a pool that others use too: neither GPU hours nor energy.
    """
    found = costs.rows(session, interval, group_by, where, basis=basis, cost_centre_depth=cost_centre_depth)
    served = _counts(session, interval, group_by, where, cost_centre_depth)
    capacity = _capacity(session, interval, where) if list(group_by) == ["pool"] and whole_pools else {}
    rows = []
    for row in found:
        own = capacity.get((row.key[0], row.currency)) if row.key else None
        rows.append(
            UnitCost(
                row.key, row.currency, row.amount, served.get(row.key, Counts()),
                own.cost if own else None, own.gpu_hours if own else None, own.energy_kwh if own else None,
                own.counts.tokens if own else 0,
            )
        )  # fmt: skip
    return rows


def _counts(
    session: Session,
    interval: Interval,
    group_by: Sequence[str],
    where: Mapping[str, Collection[Any]],
    depth: int | None,
) -> dict[tuple[Any, ...], Counts]:
    columns = names.columns(group_by)
    found = tokens.counts(session, interval, columns, centres.with_descendants(session, where, interval.end))
    ids = [dict(zip(columns, key, strict=True)) for key in found]
    labels = centres.rolled_up(session, names.labels(session, group_by, ids), depth, interval.end)
    merged: dict[tuple[Any, ...], Counts] = {}
    for own, each in zip(ids, found.values(), strict=True):
        key = labels.key(group_by, own)
        merged[key] = merged.get(key, Counts()) + each
    return merged


def _capacity(
    session: Session, interval: Interval, where: Mapping[str, Collection[Any]]
) -> dict[tuple[str, str], pools.PoolFigures]:
    found = pools.figures(session, interval, where)
    labels = names.labels(session, ["pool"], [{"pool_id": each.pool_id} for each in found])
    return {(labels.key(["pool"], {"pool_id": each.pool_id})[0], each.currency): each for each in found}


def _per(amount: Decimal, units_: Decimal) -> Decimal | None:
    return EXACT.quantize(EXACT.divide(amount, units_), PICO) if units_ else None
