"""Which revision governs and which one a rollback would return to, from the activations in order. Pure."""

from collections.abc import Iterable


def standing(activations: Iterable[tuple[int, int | None]]) -> tuple[int | None, int | None]:
    """(active, previous) out of (number, rolled_back_from) pairs, oldest first.

    An activation goes on top; a rollback takes the bad revision away, so the one below it is never the bad one. It may
    return to one further down, or to one that was taken away before and lies on top again.
    """
    stack: list[int] = []
    for number, rolled_back_from in activations:
        if rolled_back_from is not None:
            stack = _taken_away(stack, rolled_back_from, number)
        if not stack or stack[-1] != number:
            stack.append(number)
    return (stack[-1] if stack else None), (stack[-2] if len(stack) > 1 else None)


def _taken_away(stack: list[int], bad: int, to: int) -> list[int]:
    if to in stack:
        return stack[: len(stack) - stack[::-1].index(to)]
    # Without the bad one on top the history before is cut off, and what lay below is not known.
    return stack[:-1] if stack and stack[-1] == bad else []
