"""Shared costs as they are stored, and the usage that some of them are split by. Only reads."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from trivet.kit.interval import Interval
from trivet.ledger.models import BalanceDay, Entry, Posting, SharedCost, SharedCostRule, SharedCostTerm
from trivet.ledger.shared import DAY, HOUR, PROPORTIONAL, Rule, Term, Usage
from trivet.pricing.exchange import rates
from trivet.tenant.service import cost_centres_at
from trivet.tenant.tree import parents

_Spent = tuple[int, int, str, Decimal]  # cost centre id, tenant id, currency, usage cost
CHARGED = ("cost_centre", "unattributed")  # usage cost: what requests and the like cost at standard rates


@dataclass(frozen=True, slots=True)
class Cost:
    """One shared cost with all its terms and rules, in the order they were made."""

    id: int
    name: str
    recurs: str
    note: str
    terms: tuple[Term, ...]
    rules: tuple[Rule, ...]


def costs(session: Session, name: str | None = None, after: int = 0, limit: int | None = None) -> list[Cost]:
    """Every shared cost (or the one of that name), by id."""
    wanted = select(SharedCost).where(SharedCost.id > after).order_by(SharedCost.id).limit(limit)
    found = session.scalars(wanted if name is None else wanted.where(SharedCost.name == name)).all()
    ids = [row.id for row in found]
    terms: dict[int, list[Term]] = {}
    rules: dict[int, list[Rule]] = {}
    for term in _of(session, SharedCostTerm, ids):
        made = Term(term.effective_from, term.ends_at, term.amount, term.currency)
        terms.setdefault(term.shared_cost_id, []).append(made)
    for rule in _of(session, SharedCostRule, ids):
        rules.setdefault(rule.shared_cost_id, []).append(_rule(rule))
    return [Cost(row.id, row.name, row.recurs, row.note, tuple(terms[row.id]), tuple(rules[row.id])) for row in found]


def first_start(session: Session) -> datetime | None:
    """When the first of them begins."""
    return session.scalar(select(func.min(SharedCostTerm.effective_from)))


def first_naming(session: Session, tenant_id: int) -> datetime | None:
    """When the first cost begins that some rule splits by this tenant's name."""
    naming = (
        min(term.start for term in cost.terms)
        for cost in costs(session)
        if any(tenant == tenant_id for rule in cost.rules for (_, tenant), _ in rule.shares)
    )
    return min(naming, default=None)


def first_proportional(session: Session) -> datetime | None:
    """When the first cost begins that some rule splits by usage: the tree of cost centres matters to it."""
    found = (
        min(term.start for term in cost.terms)
        for cost in costs(session)
        if any(rule.kind == PROPORTIONAL for rule in cost.rules)
    )
    return min(found, default=None)


class Reader:
    """Reads usage cost, the tree and the mapping, each once for however many shared costs are split by it."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._exchange = rates(session)
        self._usage: dict[Interval, list[_Spent]] = {}
        self._above: dict[datetime, dict[int, int]] = {}
        self._centres: dict[datetime, dict[int, int]] = {}

    def usage(self, within: Interval, currency: str, at: datetime) -> list[Usage]:
        """Usage cost of an hour or of whole UTC days as it is posted, in one currency at the rates of `at`.

        `NoRate` where some is in a currency that has no rate.
        """
        if within not in self._usage:
            read = _of_hour if within.end - within.start == HOUR else _of_days
            self._usage[within] = [tuple(row) for row in read(self._session, within) if row[3]]
        found = self._usage[within]
        return [
            (centre, tenant, self._exchange.convert(cost, own, currency, at)) for centre, tenant, own, cost in found
        ]

    def above(self, at: datetime) -> dict[int, int]:
        """Parents of cost centres at an instant."""
        if at not in self._above:
            self._above[at] = parents(self._session, at)
        return self._above[at]

    def centres(self, at: datetime) -> dict[int, int]:
        """Cost centres of tenants at an instant."""
        if at not in self._centres:
            self._centres[at] = cost_centres_at(self._session, at)
        return self._centres[at]


def _of_hour(session: Session, within: Interval) -> Iterable[Any]:
    keys = (Entry.cost_centre_id, Entry.tenant_id, Entry.currency)
    query = select(*keys, func.sum(Entry.amount)).join(Posting, Posting.id == Entry.posting_id)
    query = query.where(Posting.hour == within.start, Entry.account.in_(CHARGED)).group_by(*keys)
    return session.execute(query)


def _of_days(session: Session, within: Interval) -> Iterable[Any]:
    keys = (BalanceDay.cost_centre_id, BalanceDay.tenant_id, BalanceDay.currency)
    query = select(*keys, func.sum(BalanceDay.amount)).where(
        BalanceDay.day >= within.start, BalanceDay.day <= within.end - DAY, BalanceDay.account.in_(CHARGED)
    )
    return session.execute(query.group_by(*keys))


def _of(session: Session, table: Any, ids: list[int]) -> Any:
    return session.scalars(select(table).where(table.shared_cost_id.in_(ids)).order_by(table.id)) if ids else ()


def _rule(row: SharedCostRule) -> Rule:
    shares = tuple(
        ((int(share["cost_centre_id"]), int(share["tenant_id"])), Decimal(share["percent"])) for share in row.shares
    )
    return Rule(row.effective_from, row.kind, row.window, shares)
