"""Why a reservation is refused, as problems that name what to do."""

from decimal import Decimal
from typing import Any, ClassVar

from trivet.budget.reserve.decide import Refusal
from trivet.kit.clock import rfc3339, when
from trivet.kit.errors import TrivetError
from trivet.kit.money import EXACT, money


class BudgetExceeded(TrivetError):
    """A hold that does not fit one of its layers. 402, which no client repeats by itself, as it would 429 or 503."""

    status: ClassVar[int] = 402

    def __init__(self, refusal: Refusal) -> None:
        layer = refusal.layer
        self.refusal = refusal
        until = f" It resets at {rfc3339(layer.resets_at)}." if layer.resets_at else ""
        super().__init__(
            f"Budget {layer.budget!r} ({layer.scope}) has {said(layer.measure, refusal.remaining, layer.currency)} left; "
            f"this would hold {said(layer.measure, layer.need or Decimal(0), layer.currency)}.{until} "
            "Ask for less, use a cheaper model, or wait."
        )

    def problem(self) -> dict[str, Any]:
        layer = self.refusal.layer
        return super().problem() | {
            "budget": layer.budget,
            "layer": layer.scope,
            "asked": quantity(layer.measure, layer.need or Decimal(0), layer.currency),
            "limit": quantity(layer.measure, layer.limit, layer.currency),
            "remaining": quantity(layer.measure, self.refusal.remaining, layer.currency),
            "resets_at": when(layer.resets_at),
        }


class NoBound(TrivetError):
    """A hold whose cost has no bound, on a budget that is closed to unknown prices."""

    status: ClassVar[int] = 422

    def __init__(self, refusal: Refusal) -> None:
        layer = refusal.layer
        self.refusal = refusal
        super().__init__(
            f"Budget {layer.budget!r} ({layer.scope}) takes no hold without a bound, and {layer.missing}. Give the missing "
            "bound or price, or an amount; or let the budget be open to unknown prices."
        )

    def problem(self) -> dict[str, Any]:
        layer = self.refusal.layer
        return super().problem() | {"budget": layer.budget, "layer": layer.scope, "missing": layer.missing}


def refuse(refusal: Refusal) -> TrivetError:
    """The problem for a refusal."""
    return NoBound(refusal) if refusal.unknown else BudgetExceeded(refusal)


def quantity(measure: str, value: Decimal, currency: str) -> dict[str, str] | int:
    """A value in a budget's measure as the wire has it: money as an amount, tokens and requests as whole numbers."""
    return money(value, currency) if measure == "money" else int(value)


def said(measure: str, value: Decimal, currency: str) -> str:
    """The same for people."""
    if measure != "money":
        return f"{int(value):,} {measure}"
    places = EXACT.quantize(value, Decimal("0.000001"))
    return f"{places:,f} {currency}"
