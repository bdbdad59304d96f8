"""One line for each case, all alike: what was measured, what it is to be, and whether it is."""


def verdict(case: str, measured: str, goal: str, *, met: bool) -> bool:
    """Print it; `met` comes back."""
    print(f"{case:<34} {measured:<34} goal {goal:<28} {'met' if met else 'MISSED'}", flush=True)
    return met


def note(text: str) -> None:
    """What stands beside a case."""
    print(f"{'':<34} {text}", flush=True)
