"""What is happening now, in words, from the facts the page also shows as tables. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from trivet.command.models import Command
from trivet.command.service import AUTOMATIC
from trivet.console.tongue import N_, _, _n
from trivet.console.views import Event
from trivet.guard.ladder import STEPPING_BACK
from trivet.guard.models import Breach
from trivet.guard.service import ANOTHER_REVISION
from trivet.guard.telling import again

EVENTS_SHOWN = 12
OURS = {"ladder": N_("The ladder"), "expiry": N_("Its time limit")}
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
    return tuple(_joined(found) for _at, found in ordered[:count])


def _joined(events: list[Event]) -> Event:
    others = len(events) - 1
    if not others:
        return events[0]
    words = _n("{first} {n} other guard too.", "{first} {n} other guards too.", others, first=events[-1].words)
    return replace(events[-1], words=words)


def of_breach(breach: Breach, scenario: str) -> list[Event]:
    """It opened; and, once it is over, how it ended."""
    name = spoken(breach.guard)
    opened = Event(
        breach.opened_at, "breach", scenario, _("{guard} broke: {reason}.", guard=name, reason=heard(breach.reason))
    )
    if breach.closed_at is None:
        return [opened]
    told = {"guard": name, "reason": heard(breach.closed_reason or "")}
    if breach.closed_reason == ANOTHER_REVISION:
        return [opened, Event(breach.closed_at, "afresh", scenario, _("{guard} is judged afresh: {reason}.", **told))]
    return [opened, Event(breach.closed_at, "clear", scenario, _("{guard} is whole again: {reason}.", **told))]


def ending(breach: Breach) -> str | None:
    """How a breach ended. Another revision does not make a guard whole: it is judged anew, by its own data."""
    if breach.closed_at is None:
        return None
    if breach.closed_reason == ANOTHER_REVISION:
        return _("is judged afresh: {reason}", reason=heard(ANOTHER_REVISION))
    return _("is whole again: {reason}", reason=heard(breach.closed_reason or ""))


def of_command(command: Command, scenario: str, tenant: str | None, who: str) -> Event:
    """One change from being asked for to its proof, told as far as it has come. Its kind says how far that is."""
    level = command.level or 0 if command.kind in {"degrade", "restore"} else None
    words = _("{asked} {came}", asked=_asked(command, tenant, who), came=_came(command))
    return Event(command.created_at, progress(command), scenario, words, level)


def progress(command: Command) -> str:
    """How far a command came: what telemetry proved stays proven, also after the next command has taken over."""
    return "effective" if command.effective_at else command.status


def _asked(command: Command, tenant: str | None, who: str) -> str:
    calm = _calm_before(command)
    if calm is not None:
        return _("{who} stepped back to level {n}: {calm}.", who=who, n=command.level, calm=heard(calm))
    told = {"who": who, "what": lower(what(command)), "reason": why(command.actor, command.reason).rstrip(".")}
    if tenant:
        return _("{who} asked to {what} for {tenant}: {reason}.", **told, tenant=tenant)
    return _("{who} asked to {what}: {reason}.", **told)


def _came(command: Command) -> str:
    held, proven = _after(command, command.observed_at), _after(command, command.effective_at)
    told = {"held": held, "proven": proven}
    if command.effective_at and held:
        return _("Held by every backend present after {held}, proven by telemetry after {proven}.", **told)
    if command.effective_at:
        return _("Proven by telemetry after {proven}.", proven=proven)
    if held:
        return _(_HELD.get(command.status, WAITING), held=held)
    return _(_NOT_HELD.get(command.status, WAITING_FOR_ALL))


WAITING = N_("Held by every backend present after {held}, not yet proven.")
WAITING_FOR_ALL = N_("Not yet held by every backend.")
_HELD = {
    "expired": N_("Held by every backend present after {held}, ended without proof."),
    "superseded": N_("Held by every backend present after {held}, then another took over."),
}
_NOT_HELD = {
    "expired": N_("It ended and no backend had asked for it."),
    "superseded": N_("Another took over before any backend held it."),
}


def _after(command: Command, at: datetime | None) -> str:
    return _("{n} s", n=f"{(at - command.created_at).total_seconds():.1f}") if at else ""


def what(command: Command) -> str:
    """`Degrade to level 2`, `Step back to level 1`, `Bring 5 % back to normal`, `Roll back to revision 3`, `Cut off`."""
    if command.share and command.kind in {"degrade", "restore"}:
        return _of_a_share(command, f"{100 * command.share:.3g} %")
    if command.kind == "degrade" and _calm_before(command):
        return _("Step back to level {n}", n=command.level)
    if command.kind == "degrade":
        return _("Degrade to level {n}", n=command.level)
    if command.kind == "restore":
        return _("Restore to level {n}", n=command.level) if command.level else _("Restore to normal")
    if command.kind == "rollback":
        return _("Roll back to revision {n}", n=command.revision)
    return _("Activate revision {n}", n=command.revision) if command.kind == "activate" else _("Cut off")


def _of_a_share(command: Command, some: str) -> str:
    if command.kind == "restore":
        if command.level:
            return _("Bring {some} back to level {n}", some=some, n=command.level)
        return _("Bring {some} back to normal", some=some)
    if command.level:
        return _("Degrade all but {some} to level {n}", some=some, n=command.level)
    return _("Degrade all but {some} to normal", some=some)


def calm_before(reason: str) -> str | None:
    """`calm for 31 s` out of the ladder's reason for a step down to a level above 0; None where it is no such reason."""
    return reason.partition(": ")[2].rstrip(".") if reason.startswith(STEPPING_BACK) else None


def _calm_before(command: Command) -> str | None:
    """A person may write what they like, so only the automaton's words are read."""
    return calm_before(command.reason) if is_automatic(command.actor) else None


def person(actor: str, names: Mapping[str, str]) -> str:
    """Who gave a command, by name where it was somebody with an account."""
    return _(OURS[actor]) if actor in OURS else names.get(actor, actor)


def is_automatic(actor: str) -> bool:
    """Whether the automaton and not a person gave a command."""
    return actor in AUTOMATIC


def status_at(command: Command) -> datetime | None:
    """When the command came to its present status."""
    return {"observed": command.observed_at, "effective": command.effective_at}.get(command.status, command.ended_at)


def spoken(guard: str) -> str:
    """`p95-latency` as `P95 latency`."""
    text = guard.replace("-", " ").replace("_", " ")
    return text[:1].upper() + text[1:]


def lower(words: str) -> str:
    """The same inside a sentence; `P95` and `SLO` keep their capitals."""
    return words if words[1:2].isupper() or words[1:2].isdigit() else words[:1].lower() + words[1:]


def stored(words: str) -> str:
    """What was written when it happened, inside a sentence: as it was written, and where the language asks for it, quoted."""
    return _("{stored}", stored=words)


def heard(reason: str) -> str:
    """What a guard wrote when it judged, inside a sentence."""
    told = again(reason, _)
    return told if told != reason else stored(reason)


def why(actor: str, reason: str) -> str:
    """Why something was done: the automaton's words in the reader's language, a person's as they were written."""
    return again(reason, _) if is_automatic(actor) else reason


def passed(reason: str) -> str:
    """A guard's reason as the end of a sentence: `P95 2.87 s over 2.4 s` becomes `P95 passed 2.4 s`."""
    words = reason.rstrip(".")
    if found := _REASON.fullmatch(words):
        told = {"what": _(lower(found["measure"])), "limit": found["limit"]}
        over = found["side"] == "over"
        return _("{what} passed {limit}", **told) if over else _("{what} fell below {limit}", **told)
    return lower(words) if calm_before(reason) else heard(lower(words))  # `sentence` says how it stepped back
