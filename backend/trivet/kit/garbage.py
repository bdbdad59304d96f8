"""How often Python looks for garbage in cycles. Importing makes hundreds of thousands of objects that all stay."""

import gc


def seldom() -> None:
    """While a process starts: a fifth of its start would be spent looking."""
    gc.set_threshold(200_000, 20, 50)


def as_usual() -> None:
    """Once it has started: what stands now is looked at no more, and a pool process shares it with its parent."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
