"""How a verdict is said: the value, the side of the limit, and evidence in words that people use. Pure."""

import math

from trivet.card.content import LOWER_IS_WORSE, Guard
from trivet.guard.measures import Measure, Window
from trivet.guard.sequential import Evidence

WHAT_IS_BAD = {
    "error_rate": "failed",
    "timeout_rate": "timed out",
    "refusal_rate": "were refused",
    "rate_limit_rate": "were rate limited",
    "cold_start_rate": "started cold",
}
LUCK = ((1e9, "a billion"), (1e8, "100 million"), (1e7, "10 million"), (1e6, "a million"))


def said(measure: Measure, window: Window, value: float) -> str:
    """The value, and what it counts that has not ended."""
    running = f" with {window.overdue} still running" if window.overdue else ""
    more = f" {window.reading.words}" if window.reading and window.reading.words else ""
    return f"{measure.label} {measure.show(value)}{running}{more}"


def side(guard: Guard) -> str:
    """On which side of `enter` it is broken."""
    return "under" if guard.metric in LOWER_IS_WORSE else "over"


def limit(guard: Guard, measure: Measure, window: Window, value: float, *, past: bool) -> str:
    """The value and where it lies against the guard's limit."""
    between = f" {side(guard)} " if past else ", limit "
    return f"{said(measure, window, value)}{between}{measure.show(guard.enter)}"


def counted(guard: Guard, measure: Measure, found: Evidence) -> str:
    """How many were bad where how many may be."""
    if guard.metric == "quality":
        return f"{found.n} scores lost {found.bad:.3g} points where {_few(found.allowed)} may be lost"
    bad = WHAT_IS_BAD.get(guard.metric) or f"took over {measure.show(guard.enter)}"
    return f"{found.bad:.0f} of {found.n} {bad} where {_few(found.allowed)} may"


def evident(guard: Guard, measure: Measure, found: Evidence) -> str:
    """Why it is no luck."""
    bunched = f", counted as {found.bad / found.clump:.0f} as they come in bunches" if found.clump >= 1.5 else ""
    return f"{counted(guard, measure, found)}{bunched}; chance of this by luck under 1 in {_odds(found.luck)}"


def sudden(guard: Guard, measure: Measure, found: Evidence, window: Window, value: float) -> str:
    """Why it is a breach although the window as a whole is still within the limit: since when, and what that is."""
    since = f"since {found.since:%H:%M:%S} UTC " if found.since else ""
    whole = f"{said(measure, window, value)} in all {window.seconds:.0f} s, limit {measure.show(guard.enter)}"
    return f"{since}{evident(guard, measure, found)}; {whole}"


def unproven(guard: Guard, measure: Measure, found: Evidence) -> str:
    """Why it is not called a breach although the value is past the limit."""
    return f"not yet a breach, it could be luck: {counted(guard, measure, found)}"


def _few(number: float) -> str:
    return f"{number:.0f}" if number >= 10 or number == int(number) else f"{number:.1f}"


def _odds(luck: float) -> str:
    for once_in, words in LUCK:
        if luck * once_in <= 1:
            return words
    return f"{10 ** max(1, math.floor(-math.log10(luck))):,}" if luck < 0.1 else "10"
