"""Which budgets held at an instant. Pure, but for reading the rows: they are only ever added, so a process keeps them."""

import threading
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Self
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from trivet import db
from trivet.budget.models import Budget, BudgetTerms
from trivet.budget.windows import window_at, zone_of
from trivet.kit.interval import Interval


@dataclass(frozen=True, slots=True)
class Terms:
    """What a budget says from an instant on."""

    id: int
    effective_from: datetime
    limit: Decimal
    lines: tuple[int, ...]
    hard: bool
    action: str
    level: int | None
    way_back: str
    owners: tuple[str, ...]
    unknown_price: str
    unreachable: str
    ended: bool

    @property
    def orders(self) -> tuple[object, ...]:
        """What is commanded, and from which limit on."""
        return self.limit, self.hard, self.action, self.level, self.ended


@dataclass(frozen=True, slots=True)
class Standing:
    """A budget and the terms that hold. Ids are 0 where it names none: then it is of all, or each has its own."""

    id: int
    name: str
    scope: str
    subject_id: int
    tenant_id: int
    scenario_id: int
    measure: str
    currency: str
    window: str
    zone: ZoneInfo
    terms: Terms

    @property
    def each(self) -> bool:
        """Whether every tenant, key, scenario, cost centre or end user has its own windows."""
        return self.subject_id == 0 and self.scope not in ("global", "request", "interaction")

    def window_at(self, at: datetime) -> Interval | None:
        """The window that holds an instant; None where it is judged call by call."""
        return None if self.window == "request" else window_at(self.window, self.zone, at)


@dataclass(frozen=True, slots=True)
class Book:
    """Every budget with its terms in the order of their start."""

    budgets: Mapping[int, tuple[Standing, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Iterable[Standing]) -> Self:
        """One `Standing` for each row of terms, in any order."""
        found: dict[int, list[Standing]] = {}
        for row in rows:
            found.setdefault(row.id, []).append(row)
        ordered = {id_: tuple(sorted(own, key=lambda each: each.terms.effective_from)) for id_, own in found.items()}
        return cls(dict(sorted(ordered.items())))

    def at(self, at: datetime) -> Iterator[Standing]:
        """Budgets that hold at an instant, by id."""
        return (found for id_ in self.budgets if (found := self.one(id_, at)) is not None)

    def terms(self, budget_id: int, terms_id: int) -> Standing | None:
        """A budget by what it once said; None where that are no terms of it."""
        return next((each for each in self.budgets.get(budget_id, ()) if each.terms.id == terms_id), None)

    def ordered_since(self, standing: Standing) -> int:
        """Id of the terms with which it began to command what it does: later ones that change nothing of it go on with it."""
        first = standing.terms.id
        for each in reversed([own for own in self.budgets[standing.id] if own.terms.id <= first]):
            if each.terms.orders != standing.terms.orders:
                break
            first = each.terms.id
        return first

    def one(self, budget_id: int, at: datetime) -> Standing | None:
        """One budget where it holds at an instant; None before its start and after its end."""
        terms = self.budgets.get(budget_id, ())
        index = bisect_right(terms, at, key=lambda each: each.terms.effective_from)
        found = terms[index - 1] if index else None
        return None if found is None or found.terms.ended else found


_cache: dict[str, tuple[tuple[int, int], Book]] = {}
_reading = threading.Lock()
db.caches.append(_cache.clear)


def book(session: Session) -> Book:
    """The budgets as this transaction sees them, read anew only when terms were added."""
    newest, count = session.execute(select(func.coalesce(func.max(BudgetTerms.id), 0), func.count())).one()
    state = (int(newest), int(count))
    with _reading:
        cached = _cache.get("book")
        if cached and cached[0] == state:
            return cached[1]
    made = Book.of(_standings(session))
    with _reading:
        _cache["book"] = (state, made)
    return made


def _standings(session: Session) -> Iterator[Standing]:
    rows = session.execute(select(Budget, BudgetTerms).join(BudgetTerms, BudgetTerms.budget_id == Budget.id))
    for budget, terms in rows:
        yield Standing(
            budget.id, budget.name, budget.scope, budget.subject_id, budget.tenant_id, budget.scenario_id,
            budget.measure, budget.currency, budget.window, zone_of(budget.zone), _terms(terms),
        )  # fmt: skip


def _terms(row: BudgetTerms) -> Terms:
    return Terms(
        row.id, row.effective_from, row.limit, tuple(row.lines), row.hard, row.action, row.level, row.way_back,
        tuple(row.owners), row.unknown_price, row.unreachable, row.ended,
    )  # fmt: skip
