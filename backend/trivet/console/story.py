"""What is happening now, in words, from the facts the page also shows as tables. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from trivet.command.models import Command
from trivet.command.service import AUTOMATIC
from trivet.console.views import LEVEL_WORDS, Event
from trivet.guard.ladder import STEPPING_BACK
from trivet.guard.models import Breach
from trivet.guard.service import ANOTHER_REVISION

EVENTS_SHOWN = 12
OF_GUARDS = frozenset({"breach", "clear", "afresh"})
_REASON = re.compile(
    r"(?P<measure>\D.*?) [\d.]+(?: (?:m?s|%))? (?P<side>over|under) (?P<limit>[\d.]+(?: (?:m?s|%))?)(?:[,:;].*)?"
)


def newest(events: Iterable[Event], count: int = EVENTS_SHOWN) -> tuple[Event, ...]:
    """The newest events first; guards of one scenario that break or heal at the same instant are one event."""
    together: dict[tuple[datetime, str, str, str], list[Event]] = {}
    for event in events:
        alone = "" if event.kind in OF_GUARDS else event.words
        together.setdefault((event.at, event.kind, event.scenario, alone), []).append(event)
    ordered = sorted(together.items(), key=lambda item: item[0][0], reverse=True)
    return tuple(_joined(found) for _, found in ordered[:count])


def _joined(events: list[Event]) -> Event:
    others = len(events) - 1
    if not others:
        return events[0]
    more = f" {others} other guard{'s' if others > 1 else ''} too."
    return replace(events[-1], words=events[-1].words + more)


def of_breach(breach: Breach, scenario: str) -> list[Event]:
    """It opened; and, once it is over, how it ended."""
    name, end = spoken(breach.guard), ending(breach)
    opened = Event(breach.opened_at, "breach", scenario, f"{name} broke: {breach.reason}.")
    if breach.closed_at is None or end is None:
        return [opened]
    kind = "afresh" if breach.closed_reason == ANOTHER_REVISION else "clear"
    return [opened, Event(breach.closed_at, kind, scenario, f"{name} {end}.")]


def ending(breach: Breach) -> str | None:
    """How a breach ended. Another revision does not make a guard whole: it is judged anew, by its own data."""
    if breach.closed_at is None:
        return None
    if breach.closed_reason == ANOTHER_REVISION:
        return f"is judged afresh: {ANOTHER_REVISION}"
    return f"is whole again: {breach.closed_reason}"


def of_command(command: Command, scenario: str, tenant: str | None, who: str) -> Event:
    """One change from being asked for to its proof, told as far as it has come. Its kind says how far that is."""
    level = command.level or 0 if command.kind in {"degrade", "restore"} else None
    words = f"{_asked(command, tenant, who)} {_came(command)}"
    return Event(command.created_at, progress(command), scenario, words, level)


def progress(command: Command) -> str:
    """How far a command came: what telemetry proved stays proven, also after the next command has taken over."""
    return "effective" if command.effective_at else command.status


def _asked(command: Command, tenant: str | None, who: str) -> str:
    calm = _calm_before(command)
    if calm is not None:
        return f"{who} stepped back to level {command.level}: {calm}."
    whom = f" for {tenant}" if tenant else ""
    return f"{who} asked to {lower(what(command))}{whom}: {command.reason.rstrip('.')}."


def _came(command: Command) -> str:
    held = f"Held by every backend present after {_after(command, command.observed_at)}" if command.observed_at else ""
    if command.effective_at:
        proven = f"roven by telemetry after {_after(command, command.effective_at)}."
        return f"{held}, p{proven}" if held else f"P{proven}"
    if command.status == "expired":
        return f"{held}, ended without proof." if held else "It ended and no backend had asked for it."
    if command.status == "superseded":
        return f"{held}, then another took over." if held else "Another took over before any backend held it."
    return f"{held}, not yet proven." if held else "Not yet held by every backend."


def _after(command: Command, at: datetime | None) -> str:
    return f"{(at - command.created_at).total_seconds():.1f} s" if at else ""


def what(command: Command) -> str:
    """`Degrade to level 2`, `Step back to level 1`, `Bring 5 % back to normal`, `Roll back to revision 3`, `Cut off`."""
    if command.share and command.kind in {"degrade", "restore"}:
        some = f"{100 * command.share:.3g} %"
        to = f"level {command.level}" if command.level else "normal"
        return f"Bring {some} back to {to}" if command.kind == "restore" else f"Degrade all but {some} to {to}"
    if command.kind == "degrade" and _calm_before(command):
        return f"Step back to level {command.level}"
    if command.kind == "degrade":
        return f"Degrade to level {command.level}"
    if command.kind == "restore":
        return f"Restore to level {command.level}" if command.level else "Restore to normal"
    if command.kind == "rollback":
        return f"Roll back to revision {command.revision}"
    return f"Activate revision {command.revision}" if command.kind == "activate" else "Cut off"


def calm_before(reason: str) -> str | None:
    """`calm for 31 s` out of the ladder's reason for a step down to a level above 0; None where it is no such reason."""
    return reason.partition(": ")[2].rstrip(".") if reason.startswith(STEPPING_BACK) else None


def _calm_before(command: Command) -> str | None:
    """A person may write what they like, so only the automaton's words are read."""
    return calm_before(command.reason) if is_automatic(command.actor) else None


def person(actor: str, names: Mapping[str, str]) -> str:
    """Who gave a command, by name where it was somebody with an account."""
    return {"ladder": "The ladder", "expiry": "Its time limit"}.get(actor) or names.get(actor, actor)


def is_automatic(actor: str) -> bool:
    """Whether the automaton and not a person gave a command."""
    return actor in AUTOMATIC


def status_at(command: Command) -> datetime | None:
    """When the command came to its present status."""
    return {"observed": command.observed_at, "effective": command.effective_at}.get(command.status, command.ended_at)


def level_words(level: int) -> str:
    """`level 2 (medium)`."""
    return f"level {level} ({LEVEL_WORDS[level]})"


def spoken(guard: str) -> str:
    """`p95-latency` as `P95 latency`."""
    text = guard.replace("-", " ").replace("_", " ")
    return text[:1].upper() + text[1:]


def lower(words: str) -> str:
    """The same inside a sentence; `P95` and `SLO` keep their capitals."""
    return words if words[1:2].isupper() or words[1:2].isdigit() else words[:1].lower() + words[1:]


def passed(reason: str) -> str:
    """A guard's reason as the end of a sentence: `P95 2.87 s over 2.4 s` becomes `P95 passed 2.4 s`."""
    found = _REASON.fullmatch(reason.rstrip("."))
    if not found:
        return lower(reason.rstrip("."))
    verb = "passed" if found["side"] == "over" else "fell below"
    return f"{lower(found['measure'])} {verb} {found['limit']}"
