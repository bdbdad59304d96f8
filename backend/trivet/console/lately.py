"""What each scenario does now, seen as its guards see it: only what was measured after the last change."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy.orm import Session

from trivet.card.service import ActiveCard
from trivet.console.measures import Now
from trivet.guard.models import LadderState
from trivet.guard.window import Governing, Slice, measured_under
from trivet.ingest.models import COUNTS, HISTOGRAMS
from trivet.kit import histogram
from trivet.kit.clock import floor
from trivet.kit.interval import Interval
from trivet.rollup import fold, read
from trivet.rollup.read import Usage

BUCKET_S = 10
AHEAD_S = 20  # the running bucket and one more, for clocks that go a little fast
LATELY_S = 30
SCORES = ("scores", "score_total")
Slices = dict[int, list[Slice]]


class Scored(NamedTuple):
    """Scores alone of one scenario in one bucket under one revision and level."""

    bucket: datetime
    revision: int
    level: int
    scores: int
    score_total: float


Scores = dict[int, list[Scored]]


def lately(
    session: Session,
    active: Mapping[int, ActiveCard],
    ladders: Mapping[int, LadderState],
    ids: Sequence[int],
    now: datetime,
) -> dict[int, Now]:
    """Of each scenario, in two statements: everything of the last seconds, and scores of its card's window."""
    if not ids:
        return {}
    last, scored = _last(session, ids, now), _scored(session, active, ids, now)
    return {id_: _now(last[id_], scored[id_], active.get(id_), ladders.get(id_), now) for id_ in ids}


def _last(session: Session, ids: Sequence[int], now: datetime) -> Slices:
    by = ["scenario_id", "bucket", "revision", "level", "currency"]
    slices: Slices = {id_: [] for id_ in ids}
    found = read.usage(session, back(now, LATELY_S), by, {"scenario_id": ids}, grain_s=BUCKET_S)
    for (id_, bucket, revision, level, currency), usage in found.items():
        slices[id_].append(Slice(bucket, revision, level, currency, usage))
    return slices


def _scored(session: Session, active: Mapping[int, ActiveCard], ids: Sequence[int], now: datetime) -> Scores:
    """Scores alone: their window is long, and histograms of it are many; and so are these, so they stay as they came."""
    longest = max([LATELY_S, *(card.card.quality.window_s for card in active.values())])
    by = ["scenario_id", "bucket", "revision", "level"]
    scores: Scores = {id_: [] for id_ in ids}
    found = read.sums(session, back(now, longest), by, SCORES, {"scenario_id": ids}, grain_s=BUCKET_S, some=SCORES[0])
    for (id_, *key), sums in found.items():
        scores[id_].append(Scored(*key, *sums))
    return scores


def _now(
    slices: list[Slice], scores: list[Scored], active: ActiveCard | None, ladder: LadderState | None, now: datetime
) -> Now:
    start = back(now, LATELY_S).start
    governs = present_of(active, ladder) if active else None
    here = measured_under(slices, governs) if governs else slices
    from_before = bool(slices) and not here
    scored_from = back(now, active.card.quality.window_s if active else LATELY_S).start
    scored = [each for each in scores if each.bucket >= scored_from]
    if governs and not from_before:
        scored = measured_under(scored, governs)
    currency = active.card.cost.currency if active else "USD"
    seconds = (now - start).total_seconds()
    shown = slices if from_before else here
    usage = total(s.usage for s in shown)
    alike = all(s.currency == currency for s in shown)
    return Now(
        usage=usage,
        priced=usage if alike else total(s.usage for s in shown if s.currency == currency),
        scored=Usage(
            scores=sum(int(each.scores) for each in scored), score_total=sum(float(each.score_total) for each in scored)
        ),
        requests_per_s=sum(s.usage.requests for s in slices) / seconds,
        priced_per_s=max(0, sum(_priced(s.usage) for s in slices if s.currency == currency)) / seconds,
        from_before=from_before,
        since=governs.since if governs else None,
    )


def _priced(usage: Usage) -> int:
    return usage.served - usage.unpriced_requests


def present_of(active: ActiveCard, ladder: LadderState | None) -> Governing:
    """What governs now, and since when, as the guards see it."""
    if ladder is None or (active.first and ladder.since <= active.active_from):
        return Governing(active.number, ladder.level if ladder else 0, None)
    return Governing(active.number, ladder.level, max(active.active_from, ladder.since))


def back(now: datetime, seconds: int) -> Interval:
    """The whole buckets of the last `seconds`, the running one included."""
    here = floor(now, BUCKET_S)
    return Interval(here - timedelta(seconds=seconds), here + timedelta(seconds=AHEAD_S))


def total(usages: Iterable[Usage]) -> Usage:
    """All of them together, their histograms merged once and not pair by pair."""
    found = list(usages)
    if len(found) < 2:  # nothing to add
        return found[0] if found else Usage()
    counts: dict[str, Any] = {name: fold.total(getattr(each, name) for each in found) for name in COUNTS}
    merged: dict[str, Any] = {
        name: histogram.compact(b"".join(getattr(each, name) for each in found)) for name in HISTOGRAMS
    }
    return Usage(**counts, **merged)
