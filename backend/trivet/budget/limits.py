"""Which budgets a call falls under. Pure: whose the call is, by ids, against the budgets that hold."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from trivet.budget.book import Standing


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose a call is. Ids are 0 where nobody is named; `interaction` is its conversation's or trace's name."""

    tenant_id: int = 0
    scenario_id: int = 0
    key_id: int = 0
    end_user_id: int = 0
    interaction: str = ""


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit that a call falls under. `window_id` is None where each request is judged on its own."""

    window_id: int | None
    budget_id: int
    budget: str
    scope: str
    measure: str  # money | tokens | requests
    currency: str
    limit: Decimal
    hard: bool
    unknown_price: str  # closed | open
    unreachable: str


@dataclass(frozen=True, slots=True, order=True)
class WindowKey:
    """Identity of a window: the budget, whose it is, and when it begins."""

    budget_id: int
    subject_id: int
    interaction: str
    starts_at: datetime
    ends_at: datetime


def falls_under(
    standings: Iterable[Standing], subject: Subject, centres: Collection[int]
) -> Iterator[tuple[Standing, int]]:
    """Budgets that a call falls under, and whose window each is. `centres`: its cost centre and those above it."""
    own = {
        "tenant": (subject.tenant_id,), "key": (subject.key_id,), "scenario": (subject.scenario_id,),
        "end_user": (subject.end_user_id,), "cost_centre": tuple(centres), "global": (0,), "request": (0,),
    }  # fmt: skip
    for standing in standings:
        if standing.tenant_id not in (0, subject.tenant_id) or standing.scenario_id not in (0, subject.scenario_id):
            continue
        if standing.scope == "interaction":
            if subject.interaction:
                yield standing, subject.tenant_id  # two tenants may call theirs the same
            continue
        for id_ in own[standing.scope]:
            if id_ if standing.each else id_ == standing.subject_id:  # of "each", nobody is not one
                yield standing, id_


def window_key(standing: Standing, subject_id: int, interaction: str, at: datetime) -> WindowKey | None:
    """Identity of the window that holds an instant; None where each request is judged on its own."""
    window = standing.window_at(at)
    if window is None:
        return None
    of = interaction if standing.scope == "interaction" else ""
    return WindowKey(standing.id, subject_id, of, window.start, window.end)
