"""What the page of commands says, and the points of its picture. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from trivet.console.control.control_views import Track

LEFT, WIDTH, STEP, TOP = 220.0, 660.0, 22.0, 6.0
SOLID_LEAST = 16.0
LONGEST_S = 60.0  # what took longer is drawn to the edge
TRACKS_MAX = 12
MARKS = {
    "pending": "pending",
    "observed": "observed",
    "effective": "effective",
}  # how a status's pill looks; else a cross


@dataclass(frozen=True, slots=True)
class Told:
    """A command as it is drawn."""

    label: str
    status: str
    created_at: datetime
    observed_at: datetime | None
    ended_at: datetime | None


def sentence(ways: Sequence[str], waiting: int, behind: int) -> str:
    """Who is there, how they learn, and whether anything that was asked for is not yet held."""
    if not any(way != "silent" for way in ways):
        return "No backend has asked in the last minute, so a command would reach nobody yet."
    counts = [
        (ways.count("listens"), "listen"),
        (ways.count("webhook"), "told by webhook"),
        (ways.count("polls"), "poll"),
    ]
    there = ", ".join(
        f"{count} {word if count > 1 or word != 'listen' else 'listens'}" for count, word in counts if count
    )
    total = sum(count for count, _ in counts)
    who = f"{total} backend{'' if total == 1 else 's'} in sight: {there}"
    if behind or waiting:
        late = f"{behind} of them {'does' if behind == 1 else 'do'} not hold what they should" if behind else ""
        open_ = f"{waiting} command{'' if waiting == 1 else 's'} not yet proven" if waiting else ""
        return f"{who}; {' and '.join(part for part in (late, open_) if part)}."
    return f"{who}; all hold what they should."


def tracks(commands: Sequence[Told], now: datetime) -> tuple[tuple[Track, ...], float]:
    """From given to observed, hollow; from observed on, solid. The height of the drawing with them."""
    found = []
    for number, one in enumerate(commands[:TRACKS_MAX]):
        until = one.observed_at or one.ended_at or now
        took_s = max(0.0, (until - one.created_at).total_seconds())
        held = one.observed_at is not None
        # What took longer than the width still ends in a solid piece: it was held in the end.
        x = min(took_s / LONGEST_S, 1.0) * (WIDTH - SOLID_LEAST if held else WIDTH)
        took = held_after(took_s) if held else f"not observed for {_span(took_s)}"
        says = f"{one.label}: {took}, {one.status}"
        found.append(Track(one.label, says, TOP + number * STEP, round(x, 1), round(WIDTH - x, 1) if held else 0.0))
    return tuple(found), TOP + len(found) * STEP + 4


def held_after(took_s: float) -> str:
    return f"held after {_span(max(0.0, took_s))}"


def _span(seconds: float) -> str:
    """`0.4 s`, `45 s`, `12 min`, `3.5 h`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7_200 else f"{seconds / 3_600:.1f} h"
