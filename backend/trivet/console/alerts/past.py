"""Alerts of the last days, and what routes and windows would have made of them: what a change is shown by. Pure but for `read`."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
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
READ_MAX: Final = 1_000  # alerts, the newest: what a form is shown by is there within the blink of an eye
Counts = tuple[tuple[str, int], ...]  # a name and how many, the most first


@dataclass(frozen=True, slots=True)
class Past:
    """An alert as it fired. `until` None: it still does."""

    name: str
    labels: Mapping[str, str]
    since: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Moved:
    """What a route takes of `asked` alerts (`takes`, by name), what others take less because of it (`fewer`, by route), and
    what was told before and reaches nobody then (`unheard`, by name).
    """

    asked: int
    takes: Counts
    fewer: Counts
    unheard: Counts


@dataclass(frozen=True, slots=True)
class Kept:
    """What fits a window of `asked` alerts, and what of that (`quiet`, by name) fired while it was or would have been in force."""

    asked: int
    fits: int
    quiet: Counts


def read(session: Session, now: datetime) -> tuple[Past, ...]:
    """Alerts that fired at any time in the last `DAYS`; at most `READ_MAX`, those that are open first, the newest first."""
    newest = select(Alert).order_by(Alert.id.desc())
    open_ = session.scalars(newest.where(Alert.ended_at.is_(None)).limit(READ_MAX)).all()
    rest = READ_MAX - len(open_)
    over = session.scalars(newest.where(Alert.ended_at >= now - timedelta(days=DAYS)).limit(rest)).all() if rest else []
    facts = [standing.fact_of(row) for row in (*open_, *over)]
    return tuple(Past(fact.name, fact.labels, fact.started_at, fact.ended_at) for fact in facts)


def replaced(ways: Sequence[Way], positions: Mapping[str, int], way: Way, position: int) -> list[Way]:
    """Routes in their order as they are once this one is made or changed. A new one comes after those of its position."""
    old = next((each.id for each in ways if each.name == way.name), 0)
    asked = [(positions[each.name], each.id, each) for each in ways if each.name != way.name]
    last = max((each.id for each in ways), default=0) + 1
    return [each for *_at, each in sorted([*asked, (position, old or last, way)], key=lambda found: found[:2])]


def moved(every: Iterable[Past], before: Sequence[Way], after: Sequence[Way], name: str) -> Moved:
    """What the route of this name takes `after` a change; where it is not there any more, what it takes `before` it."""
    there = any(way.name == name for way in after)
    asked, takes, fewer, unheard = 0, Counter[str](), Counter[str](), Counter[str]()
    alike = Counter((each.name, tuple(sorted(each.labels.items()))) for each in every)
    for (title, labels), many in alike.items():
        asked += many
        was, will = (_names(dict(labels), ways) for ways in (before, after))
        if name in (will if there else was):
            takes[title] += many
        for other in was - will - {name}:
            fewer[other] += many
        if was and not will:
            unheard[title] += many
    return Moved(asked, *(tuple(found.most_common()) for found in (takes, fewer, unheard)))


def kept(every: Iterable[Past], window: Window, now: datetime) -> Kept:
    """What of these a window keeps quiet while it is in force, or would have."""
    held = times(window, now - timedelta(days=DAYS), now)
    asked, fits, quiet = 0, 0, Counter[str]()
    for each in every:
        asked += 1
        if all_fit(window.matchers, each.labels):
            fits += 1
            quiet[each.name] += any(begin < (each.until or now) and end > each.since for begin, end in held)
    return Kept(asked, fits, tuple((name, many) for name, many in quiet.most_common() if many))


def _names(labels: Mapping[str, str], ways: Sequence[Way]) -> set[str]:
    return {way.name for way in routes_for(labels, ways)}
