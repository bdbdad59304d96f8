"""What a guard looks at: which buckets count, and their sum. Pure.

Only what was measured under the present revision and level counts: what is still in flight from before a change must not
judge what came after. Requests that say neither count from the first whole bucket after the change. A rate in time counts
from there too, and only once that bucket is whole: what has finished a moment after a change says nothing of an hour.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from trivet.card.content import Guard
from trivet.guard.decide import Window
from trivet.kit.clock import floor
from trivet.kit.histogram import total
from trivet.rollup.read import Usage

BUCKET_S = 10
AHEAD = timedelta(seconds=2 * BUCKET_S)  # the running bucket and one more, for clocks that go a little fast


@dataclass(frozen=True, slots=True)
class Slice:
    """Usage of one scenario in one bucket under one revision, level and currency."""

    bucket: datetime
    revision: int
    level: int
    currency: str
    usage: Usage


@dataclass(frozen=True, slots=True)
class Present:
    """What governs now, and since when; `since` None where nothing governed before, so that nothing is left of it."""

    revision: int
    level: int
    since: datetime | None

    def counts(self, of: Slice) -> bool:
        """Whether the slice was measured under what governs now."""
        says = (of.revision, of.level) == (self.revision, self.level)
        says_nothing = of.revision == 0 and of.level in (0, self.level)
        if not (says or says_nothing):
            return False
        if self.since is None:
            return True
        return of.bucket >= (floor(self.since, BUCKET_S) if says else _first_whole(self.since))


def _first_whole(since: datetime) -> datetime:
    """The first bucket that lies wholly after an instant."""
    first = floor(since, BUCKET_S)
    return first if first == since else first + timedelta(seconds=BUCKET_S)


def starts(guard: Guard, now: datetime) -> datetime:
    """First bucket of the guard's window: the one that its length, back from the running bucket, reaches into."""
    return floor(floor(now, BUCKET_S) - timedelta(seconds=guard.window_s), BUCKET_S)


def of_present(slices: Iterable[Slice], present: Present) -> list[Slice]:
    """Those that count."""
    return [of for of in slices if present.counts(of)]


def window(slices: Iterable[Slice], guard: Guard, present: Present, now: datetime, currency: str) -> Window:
    """The sum of the slices in the guard's window, over the part of it in which they could be measured."""
    start = starts(guard, now)
    began = max(start, present.since or start)
    seconds = max(float(BUCKET_S), (now - began).total_seconds())
    if guard.metric == "cost_per_hour":
        start = max(start, _first_whole(began))
        seconds = (now - start).total_seconds()
    used = [s for s in slices if s.bucket >= start]
    priced = [s for s in used if s.currency == currency and seconds >= BUCKET_S]
    latency, ttft = b"".join(s.usage.latency for s in used), b"".join(s.usage.ttft for s in used)
    return Window(
        seconds=max(0.0, seconds),
        served=sum(s.usage.requests - s.usage.rejections for s in used),
        errors=sum(s.usage.errors for s in used),
        timeouts=sum(s.usage.timeouts for s in used),
        refusals=sum(s.usage.refusals for s in used),
        priced=sum(max(0, s.usage.requests - s.usage.rejections - s.usage.unpriced_requests) for s in priced),
        cost=float(sum(s.usage.cost for s in priced)),  # compared with a threshold, never booked
        scores=sum(s.usage.scores for s in used),
        score_total=sum(s.usage.score_total for s in used),
        latency=latency,
        latency_count=total(latency),
        ttft=ttft,
        ttft_count=total(ttft),
    )
