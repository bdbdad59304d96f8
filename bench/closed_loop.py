"""A day of the ladder in closed loop against a queue: what it decides changes the load that it then sees. Simulated clock.

Calls come as a Poisson process along a day's curve and wait first come, first served, for the places of one pool. The real
`judge`, `step` and `verdict` look every two seconds; a level shortens calls, sends them to a small model or limits who is
let in; backends obey two seconds later. Incidents: an overload, a dead GPU, a slow model, a burst of errors. Required: no
move without an incident, no more than one change of direction for each, and level 0 again after each.
"""

import heapq
import itertools
import math
import random
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from bench import say

from trivet.card.content import Card, parse
from trivet.card.presets import preset
from trivet.card.service import ActiveCard
from trivet.guard.decide import Standing
from trivet.guard.headroom import Flow, Load
from trivet.guard.judgement import Case, judge
from trivet.guard.ladder import State, Step
from trivet.guard.ways import Way
from trivet.guard.window import BUCKET_S, Governing, Slice
from trivet.kit import histogram
from trivet.kit.clock import floor
from trivet.rollup.read import Usage

T0 = datetime(2026, 11, 21, tzinfo=UTC)
DAY_S, TICK_S, OBEYED_S = 86_400, 2, 2
PLACES, SERVICE_S, SPREAD = 16, 0.8, 4  # calls at once; mean seconds of a call at level 0, as a sum of so many phases
LEAST_PER_S, MOST_PER_S = 2.0, 7.0  # at four in the morning, at four in the afternoon
TIMEOUT_S = 12.0
# What a level makes of a call's time, whether it runs on the small model, and how many are let in.
SHORTER = (1.0, 0.75, 0.4, 0.35)
SMALL = (False, False, True, True)
LET_IN = (1.0, 1.0, 1.0, 0.5)
SEED = 20261121
TOOK_GOAL_S = 60.0
SEEN_FULL_S, FLOW_S, KEPT_S = 900, 60, 140


@dataclass(frozen=True)
class Incident:
    """Something goes wrong from `start_s` on for `seconds`, by `size`: times the load, places lost, times slower, share of errors."""

    kind: str
    start_s: int
    seconds: int
    size: float

    def holds(self, at_s: float) -> bool:
        return self.start_s <= at_s < self.start_s + self.seconds


DAY = (
    Incident("overload", 9 * 3600, 1800, 6.0),
    Incident("dead GPU", 11 * 3600 + 1800, 2400, 12),
    Incident("slow model", 14 * 3600, 1800, 4.0),
    Incident("error burst", 16 * 3600 + 1800, 900, 0.4),
    Incident("overload", 19 * 3600, 5400, 6.0),
    Incident("dead GPU", 22 * 3600, 1200, 13),
)


def card() -> Card:
    """P95 over 2.4 s raises to 1, over 3.2 s to 2; timeouts to 2, many errors to 3. Probes of 5, 20, 50 %, half a minute each."""
    body = preset("real-time-chat").model_dump(mode="json")
    common = {"window_s": 30, "minimum_sample": 20, "for_s": 4}
    body["guards"] = [
        {**common, "name": "p95", "metric": "p95_latency_ms", "enter": 2400, "leave": 2000, "raises_to": 1},
        {**common, "name": "p95-high", "metric": "p95_latency_ms", "enter": 3200, "leave": 2600, "raises_to": 2},
        {**common, "name": "timeouts", "metric": "timeout_rate", "enter": 0.05, "leave": 0.02, "raises_to": 2},
        {**common, "name": "refusals", "metric": "refusal_rate", "enter": 0.2, "leave": 0.1, "window_s": 120},
        {**common, "name": "errors", "metric": "error_rate", "enter": 0.1, "leave": 0.05, "raises_to": 3},
    ]
    body["cost"]["stop_loss"] = []
    body["latency"] |= {"p95_ms": 2400.0, "timeout_ms": 12_000}
    body["rollback"]["automatic"] = False
    for level in body["ladder"]:
        level |= {"min_stay_s": 20, "recover_after_s": 60, "probe": {"shares": [0.05, 0.2, 0.5], "step_s": 30}}
    return parse(body)


@dataclass
class Pool:
    """First come, first served, on places of which some can die. As service times are known, a call's end is too."""

    free_at: list[float] = field(default_factory=lambda: [0.0] * PLACES)
    starts: deque[float] = field(default_factory=deque)

    def resize(self, places: int, now_s: float) -> None:
        while len(self.free_at) > places:
            self.free_at.remove(max(self.free_at))
        while len(self.free_at) < places:
            self.free_at.append(now_s)
        heapq.heapify(self.free_at)

    def take(self, now_s: float, service_s: float) -> float:
        """When the call ends, by its time limit at the latest."""
        starts = max(now_s, self.free_at[0])
        if starts >= now_s + TIMEOUT_S:
            return now_s + TIMEOUT_S
        ends = min(starts + service_s, now_s + TIMEOUT_S)
        heapq.heapreplace(self.free_at, ends)
        self.starts.append(starts)
        return ends

    def stands(self, now_s: float) -> tuple[int, int]:
        """How many run and how many wait."""
        while self.starts and self.starts[0] <= now_s:
            self.starts.popleft()
        return sum(free > now_s for free in self.free_at), len(self.starts)


@dataclass
class Second:
    """What ended in one second, by level."""

    latencies_us: dict[int, list[int]] = field(default_factory=dict)
    errors: dict[int, int] = field(default_factory=dict)
    timeouts: dict[int, int] = field(default_factory=dict)
    turned_away: dict[int, int] = field(default_factory=dict)
    calls: dict[int, int] = field(default_factory=dict)  # all that ended or were turned away
    busy_s: dict[int, float] = field(default_factory=dict)  # how long they took together


@dataclass
class Loop:
    """The closed loop: `run` plays some seconds and keeps every move as (second, level, share, reason)."""

    incidents: Sequence[Incident]
    random: random.Random
    card: Card = field(default_factory=card)
    state: State = field(default_factory=lambda: State(0, T0))
    moves: list[tuple[int, int, float, str]] = field(default_factory=list)
    worst_ms: float = 0.0

    def __post_init__(self) -> None:
        self.pool = Pool()
        self.ended: dict[int, Second] = {}
        self.standing = {guard.name: Standing() for guard in self.card.guards}
        self.active = ActiveCard(1, "loop", 1, 1, self.card, T0, None, first=True)
        self.obeyed: deque[tuple[int, int, float]] = deque([(0, 0, 0.0)])
        self.full: deque[tuple[int, int]] = deque(maxlen=3)
        self.buckets: dict[tuple[datetime, int], Usage] = {}

    def run(self, seconds: int, first: int = 0) -> "Loop":
        for at_s in range(first, first + seconds):
            self._serve(at_s)
            self._end(at_s)
            if at_s % TICK_S == 0:
                self._look(at_s)
        return self

    def _now(self, kind: str, at_s: float) -> float:
        return next((one.size for one in self.incidents if one.kind == kind and one.holds(at_s)), 0.0)

    def _serve(self, at_s: int) -> None:
        """One second of arrivals, under the policy that backends hold."""
        while len(self.obeyed) > 1 and self.obeyed[1][0] <= at_s:
            self.obeyed.popleft()
        _, whole, share = self.obeyed[0]
        self.pool.resize(PLACES - int(self._now("dead GPU", at_s)), at_s)
        rate = rate_per_s(at_s) * (self._now("overload", at_s) or 1.0)
        slower, failing = self._now("slow model", at_s) or 1.0, self._now("error burst", at_s)
        for arrives_s in self._arrivals(at_s, rate):
            level = whole - 1 if self.random.random() < share else whole
            if self.random.random() >= LET_IN[level]:
                second = self._second(int(arrives_s))
                second.turned_away[level] = second.turned_away.get(level, 0) + 1
                continue
            service_s = SERVICE_S * SHORTER[level] * self.random.gammavariate(SPREAD, 1 / SPREAD)
            ends_s = self.pool.take(arrives_s, service_s * (1.0 if SMALL[level] else slower))
            fails = failing and not SMALL[level] and self.random.random() < failing
            self._ends(level, arrives_s, ends_s, fails=bool(fails))

    def _arrivals(self, at_s: int, rate: float) -> Iterator[float]:
        arrives_s = at_s + self.random.expovariate(rate)
        while arrives_s < at_s + 1:
            yield arrives_s
            arrives_s += self.random.expovariate(rate)

    def _ends(self, level: int, arrives_s: float, ends_s: float, *, fails: bool) -> None:
        second = self._second(int(ends_s))
        second.latencies_us.setdefault(level, []).append(int((ends_s - arrives_s) * 1e6))
        late = ends_s - arrives_s >= TIMEOUT_S
        counts = second.timeouts if late else second.errors
        counts[level] = counts.get(level, 0) + (late or fails)

    def _second(self, at_s: int) -> Second:
        return self.ended.setdefault(at_s, Second())

    def _end(self, at_s: int) -> None:
        """What ended in this second is added to its bucket; what is long ago is forgotten."""
        second = self._second(at_s)
        bucket = floor(T0 + timedelta(seconds=at_s), BUCKET_S)
        for level in {*second.latencies_us, *second.turned_away}:
            latencies, away = second.latencies_us.get(level, []), second.turned_away.get(level, 0)
            second.calls[level], second.busy_s[level] = len(latencies) + away, sum(latencies) / 1e6
            before = self.buckets.get((bucket, level), Usage())
            self.buckets[bucket, level] = Usage(
                requests=before.requests + len(latencies) + away, rejections=before.rejections + away,
                errors=before.errors + second.errors.get(level, 0), timeouts=before.timeouts + second.timeouts.get(level, 0),
                latency=before.latency + histogram.of(latencies),
            )  # fmt: skip
        self.ended.pop(at_s - KEPT_S, None)
        if at_s % BUCKET_S == 0:
            first = bucket - timedelta(seconds=KEPT_S)
            self.buckets = {key: usage for key, usage in self.buckets.items() if key[0] >= first}
            running, waiting = self.pool.stands(at_s + 1)
            if waiting >= 1:
                self.full.append((at_s, running))

    def _look(self, at_s: int) -> None:
        now = T0 + timedelta(seconds=at_s + 1)
        since = None if self.state.raised_at is None else self.state.since
        slices = [Slice(bucket, 1, level, "USD", usage) for (bucket, level), usage in self.buckets.items()]
        away = self.state.level > 0 and (self.state.calm_since or self.state.probe)
        way = Way(loads=(self._load(at_s),)) if away else Way()
        case = Case(self.active, self.state, self.standing, slices, Governing(1, self.state.level, since), way=way)
        found = judge(case, now)
        self.standing = {name: verdict.standing for name, verdict in found.verdicts.items()}
        self.worst_ms = max(self.worst_ms, found.verdicts["p95"].value or 0.0)
        self.state = found.ladder.state
        if isinstance(found.ladder, Step):
            self.moves.append((at_s, self.state.level, self.state.share, found.ladder.reason))
            self.obeyed.append((at_s + OBEYED_S, self.state.level, self.state.share))

    def _load(self, at_s: int) -> Load:
        """What the pool's engine and the requests say, as `guard.stations` reads it."""
        running, waiting = self.pool.stands(at_s + 1)
        seen = [running for then_s, running in self.full if at_s - then_s < SEEN_FULL_S]
        last = [self.ended[s] for s in range(at_s - FLOW_S + 1, at_s + 1) if s in self.ended]
        every = sum(sum(second.calls.values()) for second in last) / FLOW_S
        here, back = (_flow(last, level, every) for level in (self.state.level, self.state.level - 1))
        return Load("the pool", running, waiting, float(max(seen) if seen else PLACES), None, here, back)


def _flow(seconds: Sequence[Second], level: int, calls_per_s: float) -> Flow:
    calls = sum(second.calls.get(level, 0) for second in seconds)
    away = sum(second.turned_away.get(level, 0) for second in seconds)
    busy_s = sum(second.busy_s.get(level, 0.0) for second in seconds)
    served = calls - away
    return Flow(calls_per_s if calls else 0.0, served / calls if calls else 1.0, busy_s / served if served else 0.0)


def rate_per_s(at_s: float) -> float:
    """The day's curve of calls."""
    wave = 0.5 - 0.5 * math.cos(2 * math.pi * (at_s / DAY_S - 4 / 24))
    return LEAST_PER_S + (MOST_PER_S - LEAST_PER_S) * wave


@dataclass(frozen=True)
class Told:
    """What the ladder did about one incident (None: before the first)."""

    incident: Incident | None
    top: int
    turns: int
    raised_after_s: int | None
    back_after_s: int | None  # after its end
    failed_probes: int
    level_after: int


def told(moves: Sequence[tuple[int, int, float, str]], incidents: Sequence[Incident]) -> list[Told]:
    """The moves of a run, incident by incident: each has the time until the next."""
    found = []
    level = 0
    for number, incident in enumerate([None, *incidents]):
        start = incident.start_s if incident else -1
        end = incidents[number].start_s if number < len(incidents) else math.inf
        own = [move for move in moves if start <= move[0] < end]
        levels = [level, *(to for _, to, _, _ in own)]
        steps = [after - before for before, after in itertools.pairwise(levels) if after != before]
        turns = sum(one * other < 0 for one, other in itertools.pairwise(steps))
        raised = next((at_s for at_s, to, _, _ in own if to > level), None)
        back = next((at_s for at_s, to, _, _ in reversed(own) if to == 0), None)
        level = levels[-1]
        ended = incident.start_s + incident.seconds if incident else 0
        found.append(
            Told(
                incident, max(levels), turns, raised - start if raised is not None and incident else None,
                back - ended if back is not None and level == 0 else None,
                sum("probe failed" in why or "probe halved" in why for *_, why in own), level,
            )
        )  # fmt: skip
    return found


def main() -> bool:
    """A line an incident, then whether the day went as required."""
    began = time.process_time()
    loop = Loop(DAY, random.Random(SEED)).run(DAY_S)
    took_s = time.process_time() - began
    stories = told(loop.moves, DAY)
    print(
        f"{'incident':<14}{'lasts':>8}{'raised after':>14}{'to level':>10}{'turns':>7}{'probes failed':>15}{'back after':>12}"
    )
    for one in stories[1:]:
        assert one.incident is not None
        raised = "never" if one.raised_after_s is None else f"{one.raised_after_s} s"
        back = "not" if one.back_after_s is None else f"{one.back_after_s} s"
        lasts = f"{one.incident.seconds // 60} min"
        print(
            f"{one.incident.kind:<14}{lasts:>8}{raised:>14}{one.top:>10}{one.turns:>7}{one.failed_probes:>15}{back:>12}"
        )
    most = max(one.turns for one in stories[1:])
    return all(
        [
            say.verdict("moves without an incident", f"{stories[0].top}", "0", met=stories[0].top == 0),
            say.verdict("incidents that were acted on", f"{sum(one.top > 0 for one in stories[1:])}", f"{len(DAY)}",
                        met=all(one.top > 0 for one in stories[1:])),
            say.verdict("changes of direction an incident", f"{most} at most", "1", met=most <= 1),
            say.verdict("level after each", f"{max(one.level_after for one in stories)}", "0",
                        met=all(one.level_after == 0 for one in stories)),
            say.verdict("24 hours took", f"{took_s:.0f} s of a core", f"{TOOK_GOAL_S:.0f} s", met=took_s < TOOK_GOAL_S),
        ]
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
