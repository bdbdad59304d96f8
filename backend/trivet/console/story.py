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

EVENTS_SHOWN = 4
_REASON = re.compile(
    r"(?P<measure>\D.*?) [\d.]+(?: (?:m?s|%))? (?P<side>over|under) (?P<limit>[\d.]+(?: (?:m?s|%))?)(?:,.*)?"
)


def newest(events: Iterable[Event], count: int = EVENTS_SHOWN) -> tuple[Event, ...]:
    """The newest events first; guards of one scenario that break or heal at the same instant are one event."""
    together: dict[tuple[datetime, str, str], list[Event]] = {}
    for event in events:
        together.setdefault((event.at, event.kind, event.scenario), []).append(event)
    ordered = sorted(together.items(), key=lambda item: item[0][0], reverse=True)
    return tuple(_joined(found) for _, found in ordered[:count])


def _joined(events: list[Event]) -> Event:
    others = len(events) - 1
    if not others:
        return events[0]
    more = f" {others} other guard{'s' if others > 1 else ''} too."
    return replace(events[-1], words=events[-1].words + more)


def of_breach(breach: Breach, scenario: str) -> list[Event]:
    """It opened; and, once it is over, it closed."""
    name = spoken(breach.guard)
    opened = Event(breach.opened_at, "breach", scenario, f"{name} broke: {breach.reason}.")
    if breach.closed_at is None:
        return [opened]
    return [opened, Event(breach.closed_at, "clear", scenario, f"{name} is whole again: {breach.closed_reason}.")]


def of_command(command: Command, scenario: str, tenant: str | None, who: str) -> list[Event]:
    """It was given; it was proven; it ended unproven."""
    calm = _calm_before(command)
    if calm is None:
        asked = (
            f"{who} asked to {lower(what(command))}{f' for {tenant}' if tenant else ''}: {command.reason.rstrip('.')}."
        )
    else:
        asked = f"{who} stepped back to level {command.level}: {calm}."
    events = [Event(command.created_at, "command", scenario, asked)]
    if command.effective_at:
        took = (command.effective_at - command.created_at).total_seconds()
        events.append(Event(command.effective_at, "proof", scenario, f"{what(command)} is effective: telemetry carries it, {took:.1f} s after it was asked for."))  # fmt: skip
    elif command.observed_at:
        took = (command.observed_at - command.created_at).total_seconds()
        events.append(Event(command.observed_at, "command", scenario, f"{what(command)} is observed: every backend present holds it, {took:.1f} s after it was asked for."))  # fmt: skip
    if command.status == "expired" and command.ended_at:
        events.append(
            Event(command.ended_at, "clear", scenario, f"{what(command)} ended and no backend had asked for it.")
        )
    return events


def what(command: Command) -> str:
    """`Degrade to level 2`, `Step back to level 1`, `Roll back to revision 3`, `Cut off`."""
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
