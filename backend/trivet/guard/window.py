"""What a guard looks at: which buckets count, and their sum. Pure.

Only what was measured under the present revision and level counts: what is still in flight from before a change must not
judge what came after. Requests that say neither count from the first whole bucket after the change. A rate in time counts
from there too, and only once that bucket is whole: what has finished a moment after a change says nothing of an hour.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Protocol, TypeVar

from trivet.card.content import Card, Guard
from trivet.guard import flow
from trivet.guard.flow import Event, InFlight
from trivet.guard.measures import Burned, Reading, Silence, Window
from trivet.guard.sequential import MEMORY_S, Counts, Normal
from trivet.guard.tally import Series, merged
from trivet.ingest.signal.running import Overdue
from trivet.ingest.store.tallies import Limit
from trivet.kit.clock import floor
from trivet.kit.histogram import of, total
from trivet.rollup.read import Usage

BUCKET_S = 10
MICROSECOND = timedelta(microseconds=1)
AHEAD = timedelta(seconds=2 * BUCKET_S)  # the running bucket and one more, for clocks that go a little fast


@dataclass(frozen=True, slots=True)
class Slice:
    """Usage of one scenario in one bucket under one revision, level and currency."""

    bucket: datetime
    revision: int
    level: int
    currency: str
    usage: Usage


class Measured(Protocol):
    """What was measured in one bucket under one revision and level."""

    @property
    def bucket(self) -> datetime: ...
    @property
    def revision(self) -> int: ...
    @property
    def level(self) -> int: ...


Kind = TypeVar("Kind", bound=Measured)


@dataclass(frozen=True, slots=True)
class Governing:
    """What governs now, and since when; `since` None where nothing governed before, so that nothing is left of it."""

    revision: int
    level: int
    since: datetime | None

    def counts(self, measured: Measured) -> bool:
        """Whether it was measured under what governs now."""
        return self._counts(measured.revision, measured.level, measured.bucket)

    def counts_running(self, call: Overdue, now: datetime) -> bool:
        """Whether a running call would count, were it to end now."""
        return self._counts(call.revision, call.level, floor(now, BUCKET_S))

    def _counts(self, revision: int, level: int, bucket: datetime) -> bool:
        says = (revision, level) == (self.revision, self.level)
        says_nothing = revision == 0 and level in (0, self.level)
        if not (says or says_nothing):
            return False
        if self.since is None:
            return True
        return bucket >= (floor(self.since, BUCKET_S) if says else _first_whole(self.since))


def _first_whole(since: datetime) -> datetime:
    """The first bucket that lies wholly after an instant."""
    first = floor(since, BUCKET_S)
    return first if first == since else first + timedelta(seconds=BUCKET_S)


def starts(guard: Guard, now: datetime) -> datetime:
    """First bucket of the guard's window: the one that its length, back from the running bucket, reaches into."""
    return _starts(guard.window_s, now)


@lru_cache(maxsize=64)
def _starts(window_s: int, now: datetime) -> datetime:
    return floor(floor(now, BUCKET_S) - timedelta(seconds=window_s), BUCKET_S)


def measured_under(measured: Iterable[Kind], governing: Governing) -> list[Kind]:
    """Those that count."""
    return [each for each in measured if governing.counts(each)]


@dataclass(frozen=True, slots=True)
class Beside:
    """What is known of a scenario beside the requests that have ended.

    `finished_in` is the newest bucket in which anything was served, under whatever revision and level; `quiet_since` is
    since when something should have come, where that is known to the second. `counts` (`arm_counts` of those that are back by
    a probe), `readings`, `burns` and `normals` are by guard.
    """

    calls: Sequence[Overdue] = ()
    events: Sequence[Event] = ()
    finished_in: datetime | None = None
    in_flight: InFlight | None = None
    in_flight_since: datetime | None = None
    quiet_since: datetime | None = None
    counts: Mapping[str, Sequence[Counts]] = field(default_factory=dict)
    arm_counts: Mapping[str, Sequence[Counts]] = field(default_factory=dict)
    readings: Mapping[str, Reading] = field(default_factory=dict)
    burns: Mapping[str, Burned] = field(default_factory=dict)
    normals: Mapping[str, Normal] = field(default_factory=dict)


ALONE = Beside()


def window(
    slices: Iterable[Slice], guard: Guard, governing: Governing, now: datetime, card: Card, *, beside: Beside = ALONE
) -> Window:
    """The sum of the slices in the guard's window, over the part of it in which they could be measured.

    A call that still runs and is older than the guard's limit is slow already: it counts with the age it has. One past the
    card's timeout counts as a timeout. Both leave when their request comes, which then counts instead.
    """
    start = starts(guard, now)
    began = max(start, governing.since or start)
    seconds = max(float(BUCKET_S), (now - began).total_seconds())
    if guard.metric == "cost_per_hour":
        start = max(start, _first_whole(began))
        seconds = (now - start).total_seconds()
    used = [s for s in slices if s.bucket >= start]
    priced = [s for s in used if s.currency == card.cost.currency and seconds >= BUCKET_S]
    timed = guard.metric.removesuffix("_ms").partition("_")[
        2
    ]  # of the histograms only that of the guard is put together
    latency = b"".join(s.usage.latency for s in used) if timed == "latency" else b""
    ttft = b"".join(s.usage.ttft for s in used) if timed == "ttft" else b""
    calls = [call for call in beside.calls if governing.counts_running(call, now)]
    slow = _past_limit(guard, calls, now)
    late = [c for c in calls if now - c.since > timedelta(milliseconds=card.latency.timeout_ms)]
    late = late if guard.metric in ("timeout_rate", "error_rate") else []
    if guard.metric.endswith("_latency_ms"):
        latency += of(slow)
    if guard.metric.endswith("_ttft_ms"):
        ttft += of(slow)
    first_event = start if governing.since is None else max(start, _first_whole(governing.since))
    events = [event for event in beside.events if event.bucket >= first_event]
    return Window(
        seconds=max(0.0, seconds),
        served=sum(s.usage.requests - s.usage.rejections for s in used) + len(late),
        errors=sum(s.usage.errors for s in used),
        timeouts=sum(s.usage.timeouts for s in used) + len(late),
        refusals=sum(s.usage.refusals for s in used),
        priced=sum(s.usage.priced for s in priced),
        cost=float(sum(s.usage.cost for s in priced)),  # compared with a threshold, never booked
        scores=sum(s.usage.scores for s in used),
        score_total=sum(s.usage.score_total for s in used),
        score_parts=[(s.usage.scores, float(s.usage.score_total)) for s in used if s.usage.scores],
        latency=latency,
        latency_count=total(latency) if latency else 0,
        ttft=ttft,
        ttft_count=total(ttft) if ttft else 0,
        inter_token=b"".join(s.usage.inter_token for s in used) if timed == "inter_token" else b"",
        overdue=len(slow) + len(late),
        rate_limits=flow.count(events, flow.LIMITS),
        health_events=flow.count(events, flow.BREAKS_SERVING),
        cold_starts=flow.count(events, (flow.COLD_START,)),
        out_of_memory=flow.count(events, (flow.OUT_OF_MEMORY,)),
        finished=beside.finished_in is not None and beside.finished_in >= start,
        silence=_silence(start, governing, beside, beside.counts.get(guard.name, ())),
        reading=beside.readings.get(guard.name),
        counts=beside.counts.get(guard.name, ()),
        burned=beside.burns.get(guard.name, {}),
        normal=beside.normals.get(guard.name),
    )


def _past_limit(guard: Guard, calls: Iterable[Overdue], now: datetime) -> list[int]:
    """Ages, in microseconds, of running calls that are past the guard's limit: of those without a first token, for that one."""
    if not guard.metric.endswith(("_latency_ms", "_ttft_ms")):
        return []
    first_token = guard.metric.endswith("_ttft_ms")
    ages = [(now - c.since) // MICROSECOND for c in calls if not first_token or (c.streamed and not c.answering)]
    return [age for age in ages if age > guard.enter * 1000]


def _silence(start: datetime, governing: Governing, beside: Beside, ended: Sequence[Counts] = ()) -> Silence | None:
    """Whether work is in flight and nothing finishes. What came before a change is no sign after it.

    Where something finished since `start`, a sign of work tells of one that is newer than the quiet, or that told of more
    than has ended since: a backend that hangs may not send another.
    """
    if beside.in_flight is None or beside.in_flight_since is None:
        return None
    quiet, sign = beside.quiet_since, beside.in_flight.at
    known = quiet is not None and sign is not None and (sign > quiet or _left(beside.in_flight, sign, ended) > 0)
    if beside.finished_in is not None and beside.finished_in >= start and not known:
        return None
    since = beside.in_flight_since
    since = since if governing.since is None else max(since, governing.since)
    return Silence(since, beside.in_flight.words, quiet if known else None)


def _left(told: InFlight, sign: datetime, ended: Sequence[Counts]) -> float:
    """How many of those that ran or waited then have not ended, if all that ended since were of them."""
    return told.running + told.waiting - sum(each.n for each in ended if each.at >= floor(sign, 1)) if ended else 0.0


def arms(governing: Governing) -> list[tuple[int, int]]:
    """The revisions and levels that requests say where they count: the present ones, or none."""
    return sorted({(governing.revision, governing.level), (0, 0), (0, governing.level)})


def counts(series: Series, limit: Limit, guard: Guard, governing: Governing, now: datetime) -> list[Counts]:
    """The seconds that count of the guard's window, or of as long as evidence reaches back, oldest first."""
    start = min(starts(guard, now), now - timedelta(seconds=MEMORY_S))
    start = max(start, governing.since or start)
    seconds = ([second.counts(limit) for second in series.since(arm, start)] for arm in arms(governing))
    return merged(*seconds)
