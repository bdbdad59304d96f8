"""The answers of `/budgets`, as the OpenAPI document tells them, and how they are made. Amounts are exact text."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Literal

from pydantic import Field

from trivet.budget.models import Budget, BudgetAct, BudgetOver, BudgetTerms
from trivet.budget.reading import Crossing, OneBudget, OneWindow
from trivet.budget.words import exact_percent
from trivet.kit.answer import Answer, Page
from trivet.kit.clock import rfc3339, when
from trivet.kit.money import EXACT, plain


class Measured(Answer):
    """An exact amount of what a budget measures: `unit` is a currency, `tokens` or `requests`."""

    amount: str
    unit: str


class Terms(Answer):
    """What holds from `effective_from` on, until later terms; `ended`: nothing does."""

    effective_from: str
    limit: Measured
    lines: list[int] = Field(description="Soft lines, in % of the limit.")
    hard: bool
    action: Literal["refuse", "degrade", "break"] | None
    level: int | None
    way_back: Literal["next_window", "manual"]
    owners: list[str] = Field(description="Who is told; empty for a tenant's key.")
    unknown_price: Literal["closed", "open"]
    unreachable: Literal["closed", "open"]
    ended: bool
    author: str
    reason: str


class Window(Answer):
    """One window of one whose it is. `committed` is spent + held; `at_least`: something has no price, or no rate."""

    id: int
    of: str = Field(description="Whose it is, in words.")
    interaction: str | None
    starts_at: str
    ends_at: str
    limit: Measured
    spent: Measured
    held: Measured
    committed: Measured
    percent: str = Field(description="Spent, in % of the limit.")
    requests: int
    at_least: bool
    unpriced_requests: int
    gaps: dict[str, str] = Field(description="Spent in currencies that no rate converts, by currency.")
    gone: str = Field(description="How much of the window is over, 0 to 1.")
    forecast: Measured | None = Field(description="What it ends at, at this pace; null where it is too early to say.")


class Action(Answer):
    """What a hard line did to one scenario, for one tenant or everyone."""

    scenario: str
    tenant: str | None
    kind: Literal["degrade", "break"]
    level: int | None
    command_id: int | None
    returned_by_command_id: int | None
    outcome: str


class Crossed(Answer):
    """A line that was crossed. `breach_to_command_ms` is from the first span over the limit to the command."""

    id: int
    budget: str
    of: str
    window_id: int
    starts_at: str
    line: int
    hard: bool
    limit: Measured
    spent: Measured
    crossed_at: str
    told: bool = Field(description="Whether a message named it: of several crossed at once, the highest.")
    reason: str
    breached_at: str | None
    commanded_at: str | None
    returned_at: str | None
    breach_to_command_ms: int | None
    over: Measured
    actions: list[Action]


class Over(Answer):
    """A request (trace/span) or interaction over its budget."""

    what: str
    tenant: str
    scenario: str
    amount: Measured
    limit: Measured
    ended_at: str
    received_at: str
    command_id: int | None


class Item(Answer):
    """A budget with its terms and, of its windows of now, the one that is nearest to its limit."""

    name: str
    scope: str
    subject: str | None
    each: bool = Field(description="Whether each of its scope has its own windows.")
    tenant: str | None
    scenario: str | None
    measure: Literal["money", "tokens", "requests"]
    currency: str | None
    window: str
    zone: str
    terms: Terms
    in_force: bool
    windows_open: int
    foremost: Window | None
    over: int = Field(description="How many requests or interactions were over it, ever.")


class Budgets(Page):
    """By name."""

    items: list[Item]


class One(Item):
    """… with its windows, newest first, the lines they crossed, and what was over."""

    windows: list[Window]
    next_cursor: str | None
    crossings: list[Crossed]
    over_list: list[Over]


class Taken(Answer):
    """What a restore came to."""

    restored: int


EACH = ("tenant", "key", "scenario", "cost_centre", "end_user")


def item(one: OneBudget, *, bound: bool) -> dict[str, Any]:
    """An `Item`."""
    row = one.row
    return {
        "name": row.name,
        "scope": row.scope,
        "subject": one.subject or None,
        "each": row.scope in EACH and not row.subject_id,
        "tenant": one.tenant or None,
        "scenario": one.scenario or None,
        "measure": row.measure,
        "currency": row.currency or None,
        "window": row.window,
        "zone": row.zone,
        "terms": terms(row, one.terms, bound=bound),
        "in_force": one.standing is not None,
        "windows_open": one.open,
        "foremost": window(row, one.foremost) if one.foremost else None,
        "over": one.over,
    }


def measured(budget: Budget, value: Decimal) -> dict[str, str]:
    """A `Measured`: money with twelve places, counts as whole numbers."""
    if budget.measure == "money":
        return {"amount": plain(value), "unit": budget.currency}
    return {"amount": f"{value.quantize(Decimal(1))}", "unit": budget.measure}


def terms(budget: Budget, row: BudgetTerms, *, bound: bool) -> dict[str, Any]:
    """A `Terms`."""
    return {
        "effective_from": rfc3339(row.effective_from),
        "limit": measured(budget, row.limit),
        "lines": row.lines,
        "hard": row.hard,
        "action": row.action or None,
        "level": row.level,
        "way_back": row.way_back,
        "owners": [] if bound else row.owners,
        "unknown_price": row.unknown_price,
        "unreachable": row.unreachable,
        "ended": row.ended,
        "author": "" if bound else row.author,
        "reason": "" if bound else row.reason,
    }


def window(budget: Budget, one: OneWindow) -> dict[str, Any]:
    """A `Window`."""
    row = one.row
    return {
        "id": row.id,
        "of": one.whose,
        "interaction": row.interaction or None,
        "starts_at": rfc3339(row.starts_at),
        "ends_at": rfc3339(row.ends_at),
        "limit": measured(budget, row.limit),
        "spent": measured(budget, row.spent),
        "held": measured(budget, row.held),
        "committed": measured(budget, EXACT.add(row.spent, row.held)),
        "percent": f"{exact_percent(row.spent, row.limit)}",
        "requests": row.requests,
        "at_least": bool(budget.measure == "money" and (row.unpriced or row.gaps)),
        "unpriced_requests": row.unpriced,
        "gaps": row.gaps,
        "gone": f"{one.pace.gone:.4f}",
        "forecast": None if one.pace.ends_at is None else measured(budget, one.pace.ends_at),
    }


def crossed(budget: Budget, one: Crossing) -> dict[str, Any]:
    """A `Crossed`."""
    row = one.row
    return {
        "id": row.id,
        "budget": budget.name,
        "of": one.window.whose,
        "window_id": row.window_id,
        "starts_at": rfc3339(one.window.row.starts_at),
        "line": row.line,
        "hard": row.hard,
        "limit": measured(budget, row.limit),
        "spent": measured(budget, row.spent),
        "crossed_at": rfc3339(row.crossed_at),
        "told": row.told,
        "reason": row.reason,
        "breached_at": when(row.breached_at),
        "commanded_at": when(row.commanded_at),
        "returned_at": when(row.returned_at),
        "breach_to_command_ms": one.overshoot.breach_to_command_ms,
        "over": measured(budget, one.overshoot.over),
        "actions": [action(*act) for act in one.acts],
    }


def action(act: BudgetAct, scenario: str, tenant: str) -> dict[str, Any]:
    """An `Action`."""
    return {
        "scenario": scenario,
        "tenant": tenant or None,
        "kind": act.kind,
        "level": act.level,
        "command_id": act.command_id,
        "returned_by_command_id": act.returned_by,
        "outcome": act.outcome,
    }


def over(budget: Budget, row: BudgetOver, tenant: str, scenario: str) -> dict[str, Any]:
    """An `Over`."""
    return {
        "what": row.what,
        "tenant": tenant,
        "scenario": scenario,
        "amount": measured(budget, row.amount),
        "limit": measured(budget, row.limit),
        "ended_at": rfc3339(row.at),
        "received_at": rfc3339(row.received_at),
        "command_id": row.command_id,
    }


def crossings_of(budget: Budget, found: Sequence[Crossing]) -> list[dict[str, Any]]:
    """All of them."""
    return [crossed(budget, each) for each in found]
