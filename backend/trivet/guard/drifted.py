"""How far inputs and scores of the window lie from those of the same hours of the last seven days."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from trivet.guard import drift
from trivet.guard.asked import Ask, Key, back
from trivet.guard.drift import Moments
from trivet.guard.measures import Reading
from trivet.ingest.request.context import CLASSES
from trivet.kit.clock import floor
from trivet.kit.interval import Interval
from trivet.rollup import read

DAYS, HOUR_S = 7, 3_600
AROUND = timedelta(hours=1)  # of the hour, on either side
REFERENCE_MIN = 100  # requests or scores, before they say what is usual
NOTHING = CLASSES.index("none")
Where = dict[str, list[int]]
Parts = list[tuple[int, float]]  # how many, and what they are or come to together
PartsOf = Callable[[Session, Interval, Where, int], dict[int, Parts]]


def lengths(session: Session, asks: Sequence[Ask], now: datetime) -> dict[Key, Reading]:
    """Of the input: by classes of its length, each four times the one before, so in steps of a logarithm."""
    return _readings(session, asks, now, _lengths, moments=_of_lengths, what="requests")


def scores(session: Session, asks: Sequence[Ask], now: datetime) -> dict[Key, Reading]:
    """Of the quality, downwards."""
    return _readings(session, asks, now, _scores, moments=drift.of_sums, what="scores")


def _lengths(session: Session, interval: Interval, where: Where, _: int) -> dict[int, Parts]:
    found: dict[int, Parts] = {}
    by = ["scenario_id", "context_class"]
    for (id_, step), (requests,) in read.counts(session, interval, by, ["requests"], where).items():
        if step != NOTHING and requests > 0:
            found.setdefault(id_, []).append((requests, float(step)))
    return found


def _of_lengths(parts: Parts) -> Moments:
    counts: dict[int, int] = {}
    for requests, step in parts:
        counts[int(step)] = counts.get(int(step), 0) + requests
    return drift.of_classes(counts)


def _scores(session: Session, interval: Interval, where: Where, grain_s: int) -> dict[int, Parts]:
    found: dict[int, Parts] = {}
    by, of = ["scenario_id", "bucket"], ["scores", "score_total"]
    for (id_, _), (count, total) in read.sums(session, interval, by, of, where, grain_s=grain_s).items():
        found.setdefault(id_, []).append((int(count), float(total)))
    return found


def _readings(
    session: Session,
    asks: Sequence[Ask],
    now: datetime,
    parts_of: PartsOf,
    *,
    moments: Callable[[Parts], Moments],
    what: str,
) -> dict[Key, Reading]:
    where = {"scenario_id": sorted({ask.scenario_id for ask in asks})}
    usual: dict[int, Parts] = {}
    for interval in usual_hours(now):
        for id_, parts in parts_of(session, interval, where, HOUR_S).items():
            usual.setdefault(id_, []).extend(parts)
    found: dict[Key, Reading] = {}
    for window_s in sorted({ask.guard.window_s for ask in asks}):
        here = parts_of(session, back(now, window_s), where, 10)
        for ask in asks:
            if ask.guard.window_s == window_s:
                reference = moments(usual.get(ask.scenario_id, []))
                found[ask.key] = _reading(ask, moments(here.get(ask.scenario_id, [])), reference, what)
    return found


def usual_hours(now: datetime) -> list[Interval]:
    """This hour and the one on either side, of each of the last seven days. Pure."""
    hour = floor(now, HOUR_S)
    starts = [hour - AROUND - timedelta(days=day) for day in range(1, DAYS + 1)]
    return [Interval(start, start + 2 * AROUND + timedelta(hours=1)) for start in starts]


def _reading(ask: Ask, here: Moments, usual: Moments, what: str) -> Reading:
    if usual.n < REFERENCE_MIN:
        return Reading(
            None,
            here.n,
            f"{usual.n} {what} at these hours of the last {DAYS} days, {REFERENCE_MIN} needed to compare with",
        )
    found = drift.drift(here, usual, only_down=ask.guard.metric == "quality_drift")
    if found is None:
        return Reading(None, here.n)
    side = "up" if found.shift > 0 else "down"
    return Reading(found.size, here.n, words=f"({side}, of {usual.n} {what} at these hours of the last {DAYS} days)")
