"""Alerts of the last days, and what routes and windows would have made of them: what a change is shown by. Pure but for `read`."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet.notify.alert import standing
from trivet.notify.alert_models import Alert
from trivet.notify.rules.matchers import all_fit
from trivet.notify.rules.route import Way, routes_for
from trivet.notify.rules.windows import Window, times

DAYS: Final = 7
READ_MAX: Final = 1_000  # alerts, the newest
PAIRS_MAX: Final = 10_000  # of an alert and a route that are held against each other: a preview is there in a moment
Counts = tuple[tuple[str, int], ...]  # a name and how many, the most first


@dataclass(frozen=True, slots=True)
class Past:
    """An alert as it fired. `until` None: it still does."""

    name: str
    labels: Mapping[str, str]
    since: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Fired:
    """What fired. `more`: there was more, these are the newest."""

    every: tuple[Past, ...]
    more: bool = False


@dataclass(frozen=True, slots=True)
class Moved:
    """What a route takes of `asked` alerts (`takes`, by name; `more`: these are the newest), what others take less because of it (`fewer`, by route), and
    what was told before and reaches nobody then (`unheard`, by name).
    """

    asked: int
    takes: Counts
    fewer: Counts
    unheard: Counts
    more: bool = False


@dataclass(frozen=True, slots=True)
class Kept:
    """What fits a window of `asked` alerts, and what of that (`quiet`, by name) fired while it was or would have been in force."""

    asked: int
    fits: int
    quiet: Counts
    more: bool = False


def read(session: Session, now: datetime, *, routes: int = 1) -> Fired:
    """Alerts that fired at any time in the last `DAYS`, those that are open first, the newest first; as many as can be held
    against so many routes in a moment.
    """
    most = max(min(READ_MAX, PAIRS_MAX // max(routes, 1)), 1)
    newest = select(Alert).order_by(Alert.id.desc())
    open_ = session.scalars(newest.where(Alert.ended_at.is_(None)).limit(most + 1)).all()
    over = session.scalars(
        newest.where(Alert.ended_at >= now - timedelta(days=DAYS)).limit(most + 1 - len(open_))
    ).all()
    facts = [standing.fact_of(row) for row in (*open_, *over)]
    every = tuple(Past(fact.name, fact.labels, fact.started_at, fact.ended_at) for fact in facts[:most])
    return Fired(every, more=len(facts) > most)


def replaced(ways: Sequence[Way], positions: Mapping[str, int], way: Way, position: int) -> list[Way]:
    """Routes in their order as they are once this one is made or changed. A new one comes after those of its position."""
    old = next((each.id for each in ways if each.name == way.name), 0)
    asked = [(positions[each.name], each.id, each) for each in ways if each.name != way.name]
    last = max((each.id for each in ways), default=0) + 1
    return [each for *_at, each in sorted([*asked, (position, old or last, way)], key=lambda found: found[:2])]


def moved(fired: Fired, before: Sequence[Way], after: Sequence[Way], name: str) -> Moved:
    """What the route of this name takes `after` a change; where it is not there any more, what it takes `before` it."""
    there = any(way.name == name for way in after)
    takes, fewer, unheard = Counter[str](), Counter[str](), Counter[str]()
    alike = Counter((each.name, tuple(sorted(each.labels.items()))) for each in fired.every)
    for (title, labels), many in alike.items():
        was, will = (_names(dict(labels), ways) for ways in (before, after))
        if name in (will if there else was):
            takes[title] += many
        for other in was - will - {name}:
            fewer[other] += many
        if was and not will:
            unheard[title] += many
    most, less, none = (tuple(found.most_common()) for found in (takes, fewer, unheard))
    return Moved(len(fired.every), most, less, none, fired.more)


def kept(fired: Fired, window: Window, now: datetime) -> Kept:
    """What of these a window keeps quiet while it is in force, or would have."""
    held = times(window, now - timedelta(days=DAYS), now)
    fitting = [each for each in fired.every if all_fit(window.matchers, each.labels)]
    quiet = Counter(
        each.name for each in fitting if any(begin < (each.until or now) and end > each.since for begin, end in held)
    )
    return Kept(len(fired.every), len(fitting), tuple(quiet.most_common()), fired.more)


def _names(labels: Mapping[str, str], ways: Sequence[Way]) -> set[str]:
    return {way.name for way in routes_for(labels, ways)}
