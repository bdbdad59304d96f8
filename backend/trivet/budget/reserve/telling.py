"""Counting what came of operations, after their commit: an attempt that failed counts nothing."""

from collections.abc import Iterable, Sequence

from trivet.budget.reserve import counters
from trivet.budget.reserve.ask import Hold, Operation, Post, Told
from trivet.budget.reserve.refusals import BudgetExceeded, NoBound
from trivet.budget.reserve.work import Came
from trivet.kit.errors import TrivetError, kebab


def count(operations: Sequence[Operation], came: Iterable[Came]) -> None:
    """Set down what came of each."""
    for operation, each in zip(operations, came, strict=True):
        if isinstance(each, TrivetError):
            if isinstance(operation, Hold):
                layer = each.refusal.layer.scope if isinstance(each, BudgetExceeded | NoBound) else ""
                counters.refused.labels(layer, kebab(type(each).__name__)).inc()
        elif isinstance(operation, Hold):
            counters.granted.inc()
            if each.unbounded:
                counters.unbounded.inc()
        elif each.standing.state in ("posted", "void"):
            counters.ended.labels(each.standing.state).inc()
            if isinstance(operation, Post) and _is_over(each):
                counters.excess.inc()


def _is_over(told: Told) -> bool:
    excess = told.standing.excess
    return not told.unbounded and (excess.money > 0 or excess.tokens > 0 or excess.requests > 0)
