"""Waiting for what another process does: looked at often, not for ever, and what was awaited is said."""

import time
from collections.abc import Callable
from typing import Any


def until(look: Callable[[], Any], what: str, limit_s: float = 30.0) -> Any:
    """The first true answer; `AssertionError` where none comes."""
    deadline = time.monotonic() + limit_s
    while not (found := look()):
        assert time.monotonic() < deadline, f"not within {limit_s:g} s: {what}"
        time.sleep(0.02)
    return found
