"""What the pages of commands say, and the points of their picture. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from trivet.command.models import Command
from trivet.console.control.control_views import Track
from trivet.console.tongue import N_, _, _n

WIDTH = 1000.0
SOLID_LEAST = 24.0
LONGEST_S = 60.0  # what took longer is drawn to the edge
TRACKS_MAX = 12
KINDS: Final[Mapping[str, str]] = {
    "degrade": N_("degrade"), "restore": N_("restore"), "rollback": N_("roll back"), "break": N_("break"),
    "activate": N_("activate"), "trial": N_("trial"),
}  # fmt: skip
# How far the newest command has come, after "…: ".
STATES: Final[Mapping[str, str]] = {
    "pending": N_("it waits for its proof"),
    "observed": N_("every backend in sight holds it, and no telemetry proves it yet"),
    "effective": N_("telemetry proves it"),
    "superseded": N_("another took over"),
    "expired": N_("it ended and nobody was seen to hold it"),
}


@dataclass(frozen=True, slots=True)
class Told:
    """A command as it is drawn."""

    id: int
    label: str
    status: str
    created_at: datetime
    observed_at: datetime | None
    ended_at: datetime | None


def what(command: Command) -> str:
    """`degrade to level 2`, `restore, 5 % of conversations`, `break`."""
    kind = _(KINDS[command.kind])
    if command.share:
        share = f"{100 * command.share:.3g} %"
        return _("{kind} for {share} of conversations, level {n}", kind=kind, share=share, n=command.level or 0)
    if command.kind == "degrade":
        return _("degrade to level {n}", n=command.level)
    if command.kind in ("activate", "rollback"):
        return _("{kind} to revision {n}", kind=kind, n=command.revision)
    return kind


def sentence(newest: tuple[str, str, str, str] | None, waiting: int, silent: bool) -> str:
    """What was commanded last and how far it came. `newest`: what, for whom, by whom, its status; None where none was given.

    `waiting` commands of now have no proof yet; `silent`: no backend is in sight.
    """
    nobody = _(" No backend has asked in the last minute, so a command would reach nobody yet.") if silent else ""
    if newest is None:
        return _("Nothing was commanded in this time.") + nobody
    what_, scope, by, status = newest
    first = _(
        "The newest is {what} for {scope} by {who}: {state}.", what=what_, scope=scope, who=by, state=_(STATES[status])
    )
    if not waiting:
        return first + nobody
    open_ = _n(" {n} command is not proven yet.", " {n} commands are not proven yet.", waiting)
    return first + open_ + nobody


def of_one(what_: str, scope: str, by: str, status: str, missing: int) -> str:
    """The sentence of one command's page. `missing`: backends of its scope that were not seen to hold it."""
    what_ = what_[:1].upper() + what_[1:]
    first = _("{what} for {scope}, by {who}: {state}.", who=by, what=what_, scope=scope, state=_(STATES[status]))
    if status != "pending" or not missing:
        return first
    return first + _n(" {n} backend in sight does not hold it.", " {n} backends in sight do not hold it.", missing)


def tracks(commands: Sequence[Told], now: datetime) -> tuple[Track, ...]:
    """From given to observed, hollow; from observed on, solid."""
    return tuple(_track(one, now) for one in commands[:TRACKS_MAX])


def _track(one: Told, now: datetime) -> Track:
    until = one.observed_at or one.ended_at or now
    took_s = max(0.0, (until - one.created_at).total_seconds())
    held = one.observed_at is not None
    # What took longer than the width still ends in a solid piece: it was held in the end.
    x = min(took_s / LONGEST_S, 1.0) * (WIDTH - SOLID_LEAST if held else WIDTH)
    took = held_after(took_s) if held else _("not observed for {span}", span=span(took_s))
    says = f"{one.label}: {took}, {_(one.status)}"
    return Track(one.id, one.label, says, round(x, 1), round(WIDTH - x, 1) if held else 0.0)


def held_after(took_s: float) -> str:
    """How long until every backend in sight held it."""
    return _("held after {span}", span=span(max(0.0, took_s)))


def span(seconds: float) -> str:
    """`0.4 s`, `45 s`, `12 min`, `3.5 h`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return _("{n} min", n=f"{seconds / 60:.0f}") if seconds < 7_200 else f"{seconds / 3_600:.1f} h"
