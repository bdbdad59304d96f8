"""What each scenario does now, seen as its guards see it: only what was measured after the last change."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
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
WINDOWS_MAX = 4
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
    """Of each scenario, in a few statements: everything of the last seconds, and scores of its card's window."""
    if not ids:
        return {}
    asked = [_asked(id_, active.get(id_), ladders.get(id_), now) for id_ in ids]
    last, scored = _last(session, ids, now), _scored(session, asked, now)
    return {each.id: _now(last[each.id], scored[each.id], each, active.get(each.id), now) for each in asked}


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is asked of one scenario: `governs` None where it has no card."""

    id: int
    governs: Governing | None
    window_s: int
    settled: bool  # nothing changed within the window, so that one sum tells it


def _asked(id_: int, active: ActiveCard | None, ladder: LadderState | None, now: datetime) -> _Asked:
    if active is None:
        return _Asked(id_, None, LATELY_S, settled=True)
    governs, window_s = present_of(active, ladder), active.card.quality.window_s
    settled = governs.since is None or governs.since <= back(now, window_s).start
    return _Asked(id_, governs, window_s, settled)


def _last(session: Session, ids: Sequence[int], now: datetime) -> Slices:
    by = ["scenario_id", "bucket", "revision", "level", "currency"]
    slices: Slices = {id_: [] for id_ in ids}
    found = read.usage(session, back(now, LATELY_S), by, {"scenario_id": ids}, grain_s=BUCKET_S)
    for (id_, bucket, revision, level, currency), usage in found.items():
        slices[id_].append(Slice(bucket, revision, level, currency, usage))
    return slices


def _scored(session: Session, asked: Sequence[_Asked], now: datetime) -> Scores:
    """Scores alone: their window is long, and histograms of it are many. Of what changed lately by bucket; of the others
    the sum of their window, where so few windows are asked for that a statement each is less than all of their buckets.
    """
    scores: Scores = {each.id: [] for each in asked}
    settled: dict[int, list[int]] = {}
    for each in asked:
        if each.settled:
            settled.setdefault(each.window_s, []).append(each.id)
    if len(settled) > WINDOWS_MAX:
        settled = {}
    for window_s, ids in settled.items():
        begin = back(now, window_s).start
        for (id_, revision, level), sums in _sums(session, ids, window_s, ["revision", "level"], now):
            scores[id_].append(Scored(begin, revision, level, *sums))
    together = {id_ for ids in settled.values() for id_ in ids}
    alone = [each for each in asked if each.id not in together]
    if alone:
        longest = max(each.window_s for each in alone)
        by = ["bucket", "revision", "level"]
        for (id_, *key), sums in _sums(session, [each.id for each in alone], longest, by, now):
            scores[id_].append(Scored(*key, *sums))
    return scores


def _sums(session: Session, ids: list[int], window_s: int, by: list[str], now: datetime) -> Iterable[tuple[Any, Any]]:
    """By scenario and more, what was scored in the window up to now."""
    return read.sums(
        session, back(now, window_s), ["scenario_id", *by], SCORES, {"scenario_id": ids}, grain_s=BUCKET_S,
        some=SCORES[0],
    ).items()  # fmt: skip


def _now(slices: list[Slice], scores: list[Scored], asked: _Asked, active: ActiveCard | None, now: datetime) -> Now:
    start, governs = back(now, LATELY_S).start, asked.governs
    here = measured_under(slices, governs) if governs else slices
    from_before = bool(slices) and not here
    scored_from = back(now, asked.window_s).start
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
