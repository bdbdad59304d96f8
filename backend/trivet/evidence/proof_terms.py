"""On what terms a command is held against the time before it: two stretches of time, each of one level and revision. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from trivet.kit.clock import floor
from trivet.kit.interval import Interval

BEFORE, AFTER = timedelta(minutes=15), timedelta(minutes=30)
COARSE_FROM = timedelta(minutes=8)  # longer stretches are read by the minute
FINE_S, COARSE_S = 10, 60
LEAST = timedelta(seconds=50)  # five buckets
PASSED_OVER: Final = timedelta(hours=1)  # nothing that ended longer ago is held against a command
CARD_KINDS: Final = frozenset({"activate", "rollback"})
PARTLY: Final = "it moved a share of conversations only, which ran beside the others"
NOT_HELD: Final = "no backend was seen to hold it yet"
NOTHING_BEFORE: Final = "nothing stood before it that it could be held against"
BEFORE_SHORT: Final = "what stood before it stood for less than 50 s"
TOO_SHORT: Final = "what it put in place stood for less than 50 s"


@dataclass(frozen=True, slots=True)
class Change:
    """A command as the terms need it."""

    id: int
    kind: str
    level: int | None
    revision: int
    share: float | None
    at: datetime
    held_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Terms:
    """Half-open stretches of whole buckets, never of two levels; `missing` says why there are none.

    `running`: the one after still grows; `since_breach`: the one before begins with the breach that the command answers.
    """

    level_before: int
    level_after: int
    revision_before: int
    revision_after: int
    before: Interval | None = None
    after: Interval | None = None
    grain_s: int = 10
    running: bool = False
    since_breach: bool = False
    missing: str = ""


@dataclass(frozen=True, slots=True)
class Stood:
    """What a scope was at, from when to when. `start` None: as long as is known; `revision` None: not known."""

    level: int
    revision: int | None
    start: datetime | None
    end: datetime


def terms(
    command: Change, earlier: Sequence[Change], until: datetime | None, began: datetime | None, now: datetime
) -> Terms:
    """`earlier`: those of its scope before it, oldest first; `until`: when the next came. Shares move nobody and are none.

    What stood for less than `LEAST` before it, as a step on a quick climb does, is passed over for what stood before that.
    `began`: when the breach it answers did: calm before that is not what it changed.
    """
    history = _history([each for each in earlier if each.share is None], command)
    last = history[-1]
    level = (command.level or 0) if command.kind in ("degrade", "restore") else last.level
    was = last.revision if last.revision is not None else command.revision
    bare = Terms(last.level, level, was, command.revision)
    missing = PARTLY if command.share is not None else NOT_HELD if command.held_at is None else ""
    if not missing and command.kind in CARD_KINDS and last.revision in (None, command.revision):
        missing = NOTHING_BEFORE
    if missing or command.held_at is None:
        return replace(bare, missing=missing)
    end = min(until or now, command.ended_at or now, command.held_at + AFTER, now)
    after = _within(command.held_at, end, FINE_S)
    if after is None:
        return replace(bare, running=end >= now, missing=TOO_SHORT)
    for stood in reversed(history):
        if stood.revision is None or stood.end <= command.at - PASSED_OVER:
            continue
        before = _before(stood, began)
        same = (stood.level, stood.revision) == (level, command.revision) and command.kind != "break"
        if before is not None and not same:
            coarse = min(before.seconds, after.seconds) >= COARSE_FROM.total_seconds()
            grain_s = COARSE_S if coarse else FINE_S
            return replace(
                bare, level_before=stood.level, revision_before=stood.revision, grain_s=grain_s,
                before=_within(before.start, before.end, grain_s), after=_within(after.start, after.end, grain_s),
                running=end >= now, since_breach=began is not None and before.start >= began,
            )  # fmt: skip
    return replace(bare, running=end >= now, missing=BEFORE_SHORT)


def _history(earlier: Sequence[Change], command: Change) -> list[Stood]:
    """What the scope was at until the command came, oldest first; never empty."""
    changes = [*earlier, command]
    level = 0
    revision = None if changes[0].kind in CARD_KINDS else changes[0].revision
    found = [Stood(level, revision, None, changes[0].at)]
    for each, after in pairwise(changes):
        level = (each.level or 0) if each.kind in ("degrade", "restore") else level
        found.append(Stood(level, each.revision, each.held_at or each.at, after.at))
    return found


def _before(stood: Stood, began: datetime | None) -> Interval | None:
    first = max(stood.end - BEFORE, stood.start or stood.end - BEFORE)
    if began is not None and stood.end - began >= LEAST:
        first = max(first, began)
    return _within(first, stood.end, FINE_S)


def _within(start: datetime, end: datetime, grain_s: int) -> Interval | None:
    """The whole buckets that lie inside; None where they are too few."""
    first, last = floor(start, grain_s), floor(end, grain_s)
    first = first if first == start else first + timedelta(seconds=grain_s)
    return Interval(first, last) if last - first >= LEAST else None
