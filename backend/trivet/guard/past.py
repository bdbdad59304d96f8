"""Stored buckets of one scenario as a card's guards are run over them. Pure.

Per guard the sums of what is bad and of what it is a share of, bucket by bucket, so that the steps near a limit are found at
once; the verdicts themselves are `decide`'s.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from trivet.card.content import LOWER_IS_WORSE, Card, Guard
from trivet.guard import burn
from trivet.guard.measures import Burned, Reading
from trivet.guard.tally import BUDGETS
from trivet.guard.window import Slice
from trivet.kit import histogram

Array = npt.NDArray[np.float64]
Steps = npt.NDArray[np.bool_]  # at the end of which buckets
DAY_S = 86_400
HOUR_S = 3_600
TIMES = {"latency_ms": "latency", "ttft_ms": "ttft", "inter_token_ms": "inter_token"}
OUTCOMES = {"error_rate": ("errors", "timeouts"), "timeout_rate": ("timeouts",), "refusal_rate": ("refusals",)}
NOT_STORED = "what it watches is not in the stored buckets of usage"
NO_CURRENCY = "none of the past was priced in {}"


@dataclass(frozen=True, slots=True)
class Plan:
    """One guard and what it is run on: past its limit where the sums over its window say `bad > limit * of`."""

    guard: Guard
    first: datetime
    grain_s: int
    bad: Array  # running sums, one longer than there are buckets
    of: Array
    sample: Array
    enter: float
    bad_at_leave: Array  # what is bad where the limit is `leave`; the same but for percentiles
    leave: float

    def near(self) -> Steps:
        """At the end of which buckets it could be past its limit."""
        if self.guard.burn is not None:
            return self._burning(1.0)
        if self.guard.metric == "cost_per_day":
            return as_steps(self._of_day() > self.enter)
        return self._past(self.bad, self.enter)

    def heals(self) -> Steps:
        """At the end of which buckets it could be whole again."""
        if self.guard.burn is not None:
            return ~self._burning(burn.GOES_ON)
        if self.guard.metric == "cost_per_day":
            return as_steps(self._of_day() <= self.leave)
        return ~self._past(self.bad_at_leave, self.leave)

    def _past(self, sums: Array, limit: float) -> Steps:
        steps = self.guard.window_s // self.grain_s
        bad, of = _over(sums, steps), _over(self.of, steps)
        past = bad < limit * of if self.guard.metric in LOWER_IS_WORSE else bad > limit * of
        return as_steps(past & (_over(self.sample, steps) >= self.guard.minimum_sample))

    def reading(self, step: int) -> Reading | None:
        """The cost of the day so far, for a guard on that."""
        if self.guard.metric != "cost_per_day":
            return None
        begin = self._midnight(step)
        return Reading(
            float(self.bad[step + 1] - self.bad[begin]), round(self.sample[step + 1] - self.sample[begin]), "", "today"
        )

    def burned(self, step: int) -> Burned | None:
        """Requests and bad ones over each lookback, for a guard that burns a budget."""
        if self.guard.burn is None:
            return None
        found = {}
        for seconds in burn.lookbacks(self.guard.burn):
            begin = max(0, step + 1 - seconds // self.grain_s)
            found[seconds] = round(self.of[step + 1] - self.of[begin]), round(self.bad[step + 1] - self.bad[begin])
        return found

    def _burning(self, part: float) -> Steps:
        """Where both windows of a pair burn past its factor, the long one past this part of it."""
        assert self.guard.burn is not None
        found = np.zeros(len(self.bad) - 1, dtype=np.bool_)
        for pair in burn.pairs(self.guard.burn):
            past = np.ones_like(found)
            for seconds, times in ((pair.long_s, part), (pair.short_s, 1.0)):
                steps = max(1, seconds // self.grain_s)
                allowed = times * pair.factor * (1 - self.guard.burn.objective)
                past &= _over(self.bad, steps) > allowed * _over(self.of, steps)
            found |= past
        return found

    def _midnight(self, step: int) -> int:
        """The first bucket of the UTC day that a step is in."""
        at = int(self.first.timestamp()) + step * self.grain_s
        return max(0, step - at % DAY_S // self.grain_s)

    def _of_day(self) -> Array:
        steps = np.arange(len(self.bad) - 1)
        into = (int(self.first.timestamp()) + steps * self.grain_s) % DAY_S // self.grain_s
        spent: Array = self.bad[1:] - self.bad[np.maximum(0, steps - into)]
        return spent


class Past:
    """The buckets of one scenario from before `start` (as far back as any guard looks) until `end`."""

    def __init__(self, slices: Sequence[Slice], start: datetime, end: datetime, grain_s: int) -> None:
        self.start, self.end, self.grain_s = start, end, grain_s
        self.slices = sorted(slices, key=lambda each: each.bucket)
        self.first = min([start, *(each.bucket for each in self.slices[:1])])
        self.count = math.ceil((end - self.first).total_seconds() / grain_s)
        self.first_step = round((start - self.first).total_seconds() / grain_s)
        self.at = np.array([self._index(each.bucket) for each in self.slices], dtype=np.int64)
        self._offsets = np.searchsorted(self.at, np.arange(self.count + 1))
        self.requests = sum(each.usage.requests for each in self.slices if each.bucket >= start)

    def instant(self, step: int) -> datetime:
        """The end of a bucket: when its guards are judged."""
        return self.first + timedelta(seconds=(step + 1) * self.grain_s)

    def since(self, start: datetime, end: datetime) -> Sequence[Slice]:
        """The buckets of a window."""
        low, high = (min(self.count, max(0, self._index(at))) for at in (start, end))
        return self.slices[self._offsets[low] : self._offsets[high]]

    def widened(self, guard: Guard) -> Guard:
        """The guard with a window of whole buckets."""
        window_s = math.ceil(guard.window_s / self.grain_s) * self.grain_s
        return guard if window_s == guard.window_s else guard.model_copy(update={"window_s": window_s})

    def sums(self, values: Sequence[float]) -> Array:
        """Running sums by bucket of one value for each slice, beginning at 0."""
        by_bucket = np.zeros(self.count)
        np.add.at(by_bucket, self.at, np.array(values, dtype=np.float64))
        return np.concatenate([[0.0], np.cumsum(by_bucket)])

    def above(self, measure: str, limit_us: int, *, bin_too: bool) -> tuple[Array, Array]:
        """Running sums of the values of a histogram above a limit (with its own bin, or beyond it), and of all of them."""
        parts = [getattr(each.usage, measure) for each in self.slices]
        records = np.frombuffer(b"".join(parts), dtype=histogram.RECORD)
        owner = np.repeat(np.arange(len(parts)), [len(part) // histogram.RECORD.itemsize for part in parts])
        weights = records["count"].astype(np.float64)
        over = weights * (records["bin"] >= histogram.bin_of(limit_us) + (not bin_too))
        found = (np.bincount(owner, weights=each, minlength=len(parts)) for each in (over, weights))
        slow, all_ = (self.sums(each.tolist()) for each in found)
        return slow, all_

    def _index(self, at: datetime) -> int:
        return int((at - self.first).total_seconds() // self.grain_s)


def as_steps(found: Any) -> Steps:
    """As an array of truths."""
    return np.asarray(found, dtype=np.bool_)


def plans(card: Card, past: Past) -> tuple[list[Plan], Mapping[str, str]]:
    """The guards that can be run over the past, and why the others cannot, by name."""
    able, left_out = [], {}
    for guard in card.guards:
        columns = _columns(guard, card, past)
        if isinstance(columns, str):
            left_out[guard.name] = columns
        else:
            able.append(Plan(past.widened(guard), past.first, past.grain_s, *columns))
    return able, left_out


Columns = tuple[Array, Array, Array, float, Array, float]


def _columns(guard: Guard, card: Card, past: Past) -> Columns | str:
    """(bad, of, sample, enter, bad at leave, leave) of a guard, or why there is none."""
    percentile, _, what = guard.metric.partition("_")
    if percentile in BUDGETS and what in TIMES:
        slow, all_ = past.above(TIMES[what], round(guard.enter * 1000), bin_too=True)
        at_leave, _ = past.above(TIMES[what], round(guard.leave * 1000), bin_too=False)
        return slow, all_, all_, BUDGETS[percentile], at_leave, BUDGETS[percentile]
    if guard.metric in OUTCOMES:
        bad = past.sums([sum(getattr(s.usage, part) for part in OUTCOMES[guard.metric]) for s in past.slices])
        served = past.sums([s.usage.served for s in past.slices])
        return bad, served, served, guard.enter, bad, guard.leave
    if guard.metric == "quality":
        scores = past.sums([s.usage.scores for s in past.slices])
        lost = past.sums([s.usage.score_total for s in past.slices])
        return lost, scores, scores, guard.enter, lost, guard.leave
    if guard.metric in ("cost_per_request", "cost_per_hour", "cost_per_day"):
        return _spent(guard, card.cost.currency, past)
    return NOT_STORED


def _spent(guard: Guard, currency: str, past: Past) -> Columns | str:
    own: list[Any] = [s.usage if s.currency == currency else None for s in past.slices]
    if not any(own):
        return NO_CURRENCY.format(currency)
    cost = past.sums([float(each.cost) if each else 0.0 for each in own])
    priced = past.sums([each.priced if each else 0 for each in own])
    hours = np.arange(past.count + 1) * past.grain_s / HOUR_S
    of = hours if guard.metric == "cost_per_hour" else priced
    return cost, of, priced, guard.enter, cost, guard.leave


def _over(sums: Array, steps: int) -> Array:
    """Of running sums, what lies in the last so many buckets at the end of each."""
    before = np.maximum(0, np.arange(1, len(sums)) - steps)
    found: Array = sums[1:] - sums[before]
    return found
