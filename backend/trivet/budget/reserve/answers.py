"""What the endpoints of reservations answer."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from trivet.budget.reserve.ask import Told
from trivet.budget.reserve.costs import Bounded
from trivet.budget.reserve.decide import Layer
from trivet.budget.reserve.refusals import quantity
from trivet.budget.reserve.standing import NONE, Amounts
from trivet.budget.reserve.work import Came
from trivet.kit.answer import Amount, Answer, Page
from trivet.kit.clock import rfc3339, when
from trivet.kit.errors import TrivetError
from trivet.kit.money import money, plain


class InMeasures(Answer):
    """The same in every measure of a budget; no money where no price and no amount is known."""

    money: Amount | None
    tokens: int
    requests: int


class OneReservation(Answer):
    """Where a reservation stands. `held` is what it holds now; `settled_at` since when it holds nothing more."""

    id: UUID
    state: str
    calls: int
    open_calls: int
    each: InMeasures
    held: InMeasures
    posted: InMeasures
    used: InMeasures
    excess: InMeasures
    unbounded: str
    tenant: str
    scenario: str
    provider: str
    model: str
    interaction: str
    actor: str
    created_at: str
    expires_at: str
    ended_at: str | None
    settled_at: str | None


class Reservations(Page):
    """Newest first."""

    items: list[OneReservation]


def granted(told: Told) -> dict[str, Any]:
    """A hold that fits, or an operation that was done: what is held now, and of which layers."""
    held = told.standing.held
    return {
        "id": str(told.id),
        "state": told.standing.state,
        "amount": plain(held.money),
        "currency": told.currency,
        "tokens": held.tokens,
        "requests": held.requests,
        "calls": told.standing.calls,
        "open_calls": told.standing.open_calls,
        "expires_at": rfc3339(told.expires_at),
        "unbounded": told.unbounded,
        "layers": [_layer(layer, committed) for layer, committed in told.layers],
    }


def _layer(layer: Layer, committed: Decimal | None) -> dict[str, Any]:
    """A limit and what is left of it; of one that judges each request on its own nothing is committed."""
    done = NONE if committed is None else committed
    return {
        "budget": layer.budget,
        "layer": layer.scope,
        "limit": quantity(layer.measure, layer.limit, layer.currency),
        "committed": quantity(layer.measure, done, layer.currency),
        "remaining": quantity(layer.measure, max(layer.limit - done, NONE), layer.currency),
        "resets_at": when(layer.resets_at),
        "hard": layer.hard,
        "unreachable": layer.unreachable,
    }


def batch(came: Sequence[Came]) -> dict[str, Any]:
    """`{"items": [{"granted": …} | {"refused": problem}, …]}`, in the order in which they were asked."""
    return {"items": [_either(each) for each in came]}


def _either(came: Came) -> dict[str, Any]:
    return {"refused": came.problem()} if isinstance(came, TrivetError) else {"granted": granted(came)}


def estimated(bounded: Bounded) -> dict[str, Any]:
    """The most that one call may cost, line by line, all attempts included."""
    parts = bounded.estimate.parts if bounded.estimate else ()
    has_bound = bounded.money is not None
    return {
        "amount": plain(bounded.each.money) if has_bound else None,
        "currency": bounded.currency,
        "tokens": bounded.tokens,
        "requests": bounded.each.requests,
        "missing": "" if has_bound else bounded.missing,
        "lines": [
            {
                "what": part.what,
                "count": part.count,
                "unit_price": plain(part.unit_price),
                "per": part.per,
                "amount": plain(part.amount),
            }
            for part in parts
        ],
    }


def reservation(values: Mapping[str, Any], standing: Any, tenant: str, scenario: str) -> dict[str, Any]:
    """One reservation as it is looked up."""

    def of(amounts: Amounts) -> dict[str, Any]:
        known = money(amounts.money, values["currency"]) if values["currency"] else None
        return {"money": known, "tokens": amounts.tokens, "requests": amounts.requests}

    times: dict[str, datetime | None] = {
        name: values[name] for name in ("created_at", "expires_at", "ended_at", "settled_at")
    }
    return {
        "id": str(values["id"]),
        "state": standing.state,
        "calls": standing.calls,
        "open_calls": standing.open_calls,
        **{name: of(getattr(standing, name)) for name in ("each", "held", "posted", "used", "excess")},
        **{name: values[name] for name in ("unbounded", "provider", "model", "interaction", "actor")},
        "tenant": tenant,
        "scenario": scenario,
        **{name: when(at) for name, at in times.items()},
    }
