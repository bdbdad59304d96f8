"""What a guard looks at: which buckets count, and their sum. Pure.

Only what was measured after the last change (activation or step) counts, and of requests that say under which revision and
level they ran only those of the present ones: what is still in flight from before must not judge what came after.
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


def starts(guard: Guard, changed_at: datetime, now: datetime) -> datetime:
    """First bucket of the guard's window: its length back from now, and not before the last change."""
    after_change = floor(changed_at - timedelta(microseconds=1), BUCKET_S) + timedelta(seconds=BUCKET_S)
    return max(floor(now, BUCKET_S) - timedelta(seconds=guard.window_s), after_change)


def of_present(slices: Iterable[Slice], revision: int, level: int) -> list[Slice]:
    """Those of the present revision and level, and those that say neither."""
    return [s for s in slices if (s.revision, s.level) in {(revision, level), (0, 0)}]


def window(slices: Iterable[Slice], start: datetime, now: datetime, currency: str) -> Window:
    """The sum of the slices from `start` on."""
    used = [s for s in slices if s.bucket >= start]
    priced = [s for s in used if s.currency == currency]
    latency, ttft = b"".join(s.usage.latency for s in used), b"".join(s.usage.ttft for s in used)
    return Window(
        seconds=max(float(BUCKET_S), (now - start).total_seconds()),
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
