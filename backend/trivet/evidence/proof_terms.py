"""On what terms a command is held against the time before it: two stretches of time, each of one level and revision. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from trivet.kit.clock import floor
from trivet.kit.interval import Interval

BEFORE, AFTER = timedelta(minutes=15), timedelta(minutes=30)
COARSE_FROM = timedelta(minutes=8)  # longer stretches are read by the minute
LEAST = timedelta(seconds=50)  # five buckets
LEVELLED: Final = frozenset({"degrade", "restore", "break"})
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
    """Half-open stretches of whole buckets, never of two levels; `missing` says why there are none. `running`: it still grows."""

    level_before: int
    level_after: int
    revision_before: int
    revision_after: int
    before: Interval | None = None
    after: Interval | None = None
    grain_s: int = 10
    running: bool = False
    missing: str = ""


def terms(
    command: Change, earlier: Sequence[Change], until: datetime | None, began: datetime | None, now: datetime
) -> Terms:
    """`earlier`: those of its scope before it, oldest first; `until`: when the next came.

    `began`: when the breach it answers did: calm before that is not what it changed.
    """
    level, revision = _standing(earlier)
    after = (
        (command.level or 0) if command.kind in LEVELLED - {"break"} else level,
        command.revision,
    )
    was = revision if revision is not None else command.revision
    missing = _missing(command, earlier, revision)
    if missing or command.held_at is None:
        return Terms(level, after[0], was, after[1], missing=missing or NOT_HELD)
    end = min(until or now, command.ended_at or now, command.held_at + AFTER, now)
    first = max(command.at - BEFORE, earlier[-1].at if earlier else command.at - BEFORE)
    if began is not None and command.at - began >= LEAST:
        first = max(first, began)
    grain_s = 60 if end - command.held_at > COARSE_FROM and command.at - first > COARSE_FROM else 10
    before, now_ = _within(first, command.at, grain_s), _within(command.held_at, end, grain_s)
    running = end >= now
    if before is None or now_ is None:
        return Terms(
            level, after[0], was, after[1], running=running, missing=TOO_SHORT if now_ is None else BEFORE_SHORT
        )
    return Terms(level, after[0], was, after[1], before, now_, grain_s, running)


def _standing(earlier: Sequence[Change]) -> tuple[int, int | None]:
    """The level and the revision that commands left in place; a share of conversations moves neither."""
    level, revision = 0, None
    for each in earlier:
        if each.share is not None:
            continue
        level = (each.level or 0) if each.kind in ("degrade", "restore") else level
        revision = each.revision
    return level, revision


def _missing(command: Change, earlier: Sequence[Change], revision: int | None) -> str:
    if command.share is not None:
        return PARTLY
    if command.kind in ("activate", "rollback") and (not earlier or revision in (None, command.revision)):
        return NOTHING_BEFORE
    return ""


def _within(start: datetime, end: datetime, grain_s: int) -> Interval | None:
    """The whole buckets that lie inside; None where they are too few."""
    first, last = floor(start, grain_s), floor(end, grain_s)
    first = first if first == start else first + timedelta(seconds=grain_s)
    return Interval(first, last) if last - first >= LEAST else None
