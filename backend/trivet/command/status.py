"""What became of a command, from what backends were seen to hold. Pure.

`observed`: every backend of the scope that was seen lately holds its generation or a later one. `effective`: that, and
telemetry carries it. Without a backend in sight nothing is proven. A status never goes back.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

DRILL_PREFIX = "drill-"  # of backends that serve nobody: drills command them by name
RANK = {"pending": 0, "observed": 1, "effective": 2}


@dataclass(frozen=True, slots=True)
class Seen:
    """One backend of a command's scope: what its polls and its telemetry proved, and when."""

    backend: str
    observed_generation: int
    observed_at: datetime | None
    effective_generation: int
    effective_at: datetime | None

    def holds(self, generation: int) -> bool:
        """Telemetry proves what a poll proves, and more."""
        return max(self.observed_generation, self.effective_generation) >= generation

    def held_since(self, generation: int) -> datetime | None:
        """When that was seen, by whatever proved it."""
        return self.observed_at if self.observed_generation >= generation else self.effective_at

    def acts(self, generation: int) -> bool:
        return self.effective_generation >= generation


@dataclass(frozen=True, slots=True)
class Finding:
    """The status and what came of the command, in words."""

    status: str
    outcome: str


def find(status: str, generation: int, seen: Iterable[Seen], strangers: Iterable[str] = ()) -> Finding:
    """The status of a pending, observed or effective command, given the backends of its scope seen lately.

    `strangers` asked too, but nothing says that they serve the scenario; they prove nothing and are waited for by nobody.
    """
    backends = list(seen)
    holding = [b.backend for b in backends if b.holds(generation)]
    acting = [b.backend for b in backends if b.acts(generation)]
    now = "pending"
    if backends and len(holding) == len(backends):
        now = "effective" if acting else "observed"
    now = max(status, now, key=lambda word: RANK[word])
    return Finding(now, _words(now, backends, holding, acting) if backends else _nobody(now, list(strangers)))


def _words(status: str, backends: list[Seen], holding: list[str], acting: list[str]) -> str:
    if status == "effective":
        return f"Telemetry of {_list(acting)} runs under it." if acting else "Telemetry ran under it."
    if status == "observed":
        return f"Held by {_list(holding)}; no telemetry carries it yet." if holding else "It was held; nobody asks now."
    waiting = [b.backend for b in backends if b.backend not in holding]
    return f"Waiting for {_list(waiting)}: {len(holding)} of {len(backends)} hold it."


def _nobody(status: str, strangers: list[str]) -> str:
    if status != "pending":
        return _words(status, [], [], [])
    if not strangers:
        return "No backend has asked lately."
    return (
        f"No backend known to serve it has asked lately; {_list(strangers)} asked: register it, or send its telemetry."
    )


def _list(names: list[str], most: int = 5) -> str:
    shown = ", ".join(sorted(names)[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
