"""Which revision governs and which one a rollback would return to, from the activations in order. Pure."""

from collections.abc import Iterable


def standing(activations: Iterable[tuple[int, int | None]]) -> tuple[int | None, int | None]:
    """(active, previous) out of (number, rolled_back_from) pairs, oldest first.

    An activation goes on top; a rollback takes the bad revision away, so the one below it is never the bad one.
    """
    stack: list[int] = []
    for number, rolled_back_from in activations:
        if rolled_back_from is not None:
            while stack and stack[-1] != number:
                stack.pop()
        if not stack or stack[-1] != number:
            stack.append(number)
    return (stack[-1] if stack else None), (stack[-2] if len(stack) > 1 else None)
