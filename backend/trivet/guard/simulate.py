"""What a card would have done with the past: its guards and its ladder, run over stored buckets. Pure.

The same `window`, `verdict` and `ladder.step` as every second, at the end of each bucket. Stretches in which no guard is near
its limit and nothing is broken are passed over, as nothing can change in them. What the degradation itself would have done to
the traffic is not known: each bucket counts as it was, whatever level the card would have held then.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from trivet.card.content import Card, Guard
from trivet.guard import judgement, ladder
from trivet.guard.decide import Standing, Verdict, verdict
from trivet.guard.ladder import State, Step
from trivet.guard.past import Past, Plan, plans
from trivet.guard.ways import Way
from trivet.guard.window import Beside, Governing, measured_under, window

JUDGED_MAX = 3_000  # buckets that are judged one by one; a run that needs more ends there and says so
SPANS_MAX = 500


@dataclass(frozen=True, slots=True)
class Span:
    """From when until when; `end` None where it had not ended at the end of the run."""

    start: datetime
    end: datetime | None


@dataclass(frozen=True, slots=True)
class GuardRun:
    """What one guard would have said. `left_out` says why it could not be run; `window_s` is the window it was run with."""

    name: str
    metric: str
    shadow: bool
    raises_to: int
    window_s: int
    times: int = 0
    broken_s: float = 0.0
    spans: tuple[Span, ...] = ()
    left_out: str = ""


@dataclass(frozen=True, slots=True)
class Moved:
    """The ladder would have gone to a level, or a share of conversations back towards the level below."""

    at: datetime
    level: int
    share: float
    reason: str
    guard: str | None


@dataclass(frozen=True, slots=True)
class Simulated:
    """A run from `start` until `end` (`until`, where it was cut short) over buckets of `grain_s` seconds.

    `degraded` is how often it would have left level 0, `degraded_s` how long it would have been away; `level_s` by level.
    """

    start: datetime
    end: datetime
    until: datetime
    grain_s: int
    requests: int
    guards: tuple[GuardRun, ...]
    moves: tuple[Moved, ...]
    level_s: Mapping[int, float]
    degraded: int
    degraded_s: float

    @property
    def complete(self) -> bool:
        """Whether the whole time was run."""
        return self.until >= self.end


@dataclass(slots=True)
class _Run:
    """Where the run stands."""

    state: State
    standings: dict[str, Standing]
    untouched: bool = True  # the ladder has not moved yet, so nothing is cut off before
    moves: list[Moved] = field(default_factory=list)
    spans: dict[str, list[Span]] = field(default_factory=dict)

    @property
    def idle(self) -> bool:
        """Whether nothing can change before a guard is past its limit."""
        return self.state.level == 0 and not any(each.broken or each.over_since for each in self.standings.values())

    @property
    def broken(self) -> frozenset[str]:
        """The guards that are."""
        return frozenset(name for name, each in self.standings.items() if each.broken)

    def held(self, card: Card, now: datetime, longest_s: int) -> bool:
        """Whether broken guards keep the ladder where it is, by windows that lie wholly after its last move."""
        state, broken = self.state, self.broken
        waits = any(each.over_since and not each.broken for each in self.standings.values())
        here = card.level(state.level)
        if here is None or state.probe is not None or waits:
            return False
        wanted = max((guard.raises_to for guard in card.guards if guard.name in broken and not guard.shadow), default=0)
        settled_s = max(longest_s, here.min_stay_s)
        return wanted == state.level and now - state.since > timedelta(seconds=settled_s)


class Events:
    """The buckets at which anything can change, given which guards are broken: another one breaks, or one of these heals."""

    def __init__(self, able: Sequence[Plan]) -> None:
        self.able = able
        self.near = {plan.guard.name: plan.near() for plan in able}
        self.found: dict[frozenset[str], npt.NDArray[np.int64]] = {}

    def following(self, step: int, broken: frozenset[str], end: int) -> int:
        """The first from `step` on; `end` where there is none."""
        at = self.found.get(broken)
        if at is None:
            changes = [plan.heals() if plan.guard.name in broken else self.near[plan.guard.name] for plan in self.able]
            at = self.found[broken] = np.flatnonzero(np.logical_or.reduce(changes)) if changes else np.array([], int)
        ahead = int(np.searchsorted(at, step))
        return int(at[ahead]) if ahead < len(at) else end


def simulate(card: Card, past: Past, zone: str = "UTC") -> Simulated:
    """Run a card from `past.start` on. `zone`: whose midnight begins a budget day."""
    able, left_out = plans(card, past)
    as_run = card.model_copy(update={"guards": tuple(plan.guard for plan in able)})
    events = Events(able)
    longest_s = max((plan.guard.window_s for plan in able), default=0)
    run = _Run(State(0, past.start), {plan.guard.name: Standing() for plan in able})
    step, judged = past.first_step, 0
    while step < past.count and judged < JUDGED_MAX:
        if run.idle or run.held(as_run, past.instant(step), longest_s):
            step = events.following(step, run.broken, past.count)
        if step >= past.count:
            break
        _judge(run, as_run, able, past, step, zone)
        step, judged = step + 1, judged + 1
    until = past.instant(step - 1) if step < past.count else past.end
    return _told(card, past, run, left_out, until)


def _judge(run: _Run, card: Card, able: Sequence[Plan], past: Past, step: int, zone: str) -> None:  # noqa: PLR0917  # what a step rests on
    now, state = past.instant(step), run.state
    governing = Governing(0, state.level, None if run.untouched else state.since)
    readings = {plan.guard.name: reading for plan in able if (reading := plan.reading(step)) is not None}
    burns = {plan.guard.name: burned for plan in able if (burned := plan.burned(step)) is not None}
    beside = Beside(readings=readings, burns=burns)
    verdicts = {
        plan.guard.name: _verdict(plan.guard, past, governing, run.standings[plan.guard.name], card, now, beside)
        for plan in able
    }
    way = Way(zone=zone)
    if state.probe is not None:
        back = judgement.back(governing, state.probe)
        arm = {
            guard.name: _verdict(guard, past, back, Standing(), card, now, beside) for guard in judgement.of_arm(card)
        }
        way = Way(arm=arm, zone=zone)
    for name, seen in verdicts.items():
        _note(run, name, seen.standing, now)
    done = ladder.step(state, verdicts, card, now, way)
    if isinstance(done, Step):
        run.moves.append(Moved(now, done.state.level, done.state.share, done.reason, done.guard))
        run.untouched = run.untouched and done.state.level == state.level
    run.state = done.state


def _verdict(  # noqa: PLR0917  # what a verdict rests on
    guard: Guard, past: Past, governing: Governing, before: Standing, card: Card, now: datetime, beside: Beside
) -> Verdict:
    slices = past.since(now - timedelta(seconds=guard.window_s), now)
    return verdict(
        guard, window(measured_under(slices, governing), guard, governing, now, card, beside=beside), before, now
    )


def _note(run: _Run, name: str, standing: Standing, now: datetime) -> None:
    was = run.standings[name].broken
    run.standings[name] = standing
    spans = run.spans.setdefault(name, [])
    if standing.broken and not was:
        spans.append(Span(now, None))
    elif was and not standing.broken:
        spans[-1] = Span(spans[-1].start, now)


def _told(card: Card, past: Past, run: _Run, left_out: Mapping[str, str], until: datetime) -> Simulated:
    level_s, degraded, level, at = dict.fromkeys(range(card.top + 1), 0.0), 0, 0, past.start
    for move in run.moves:
        level_s[level] += (move.at - at).total_seconds()
        degraded += level == 0 < move.level
        level, at = move.level, move.at
    level_s[level] += (until - at).total_seconds()
    return Simulated(
        start=past.start,
        end=past.end,
        until=until,
        grain_s=past.grain_s,
        requests=past.requests,
        guards=tuple(_of_guard(guard, past, run, left_out, until) for guard in card.guards),
        moves=tuple(run.moves),
        level_s=level_s,
        degraded=degraded,
        degraded_s=sum(seconds for of, seconds in level_s.items() if of),
    )


def _of_guard(guard: Guard, past: Past, run: _Run, left_out: Mapping[str, str], until: datetime) -> GuardRun:
    spans = run.spans.get(guard.name, [])
    broken_s = sum(((span.end or until) - span.start).total_seconds() for span in spans)
    return GuardRun(
        guard.name, guard.metric, guard.shadow, guard.raises_to, past.widened(guard).window_s, len(spans), broken_s,
        tuple(spans[:SPANS_MAX]), left_out.get(guard.name, ""),
    )  # fmt: skip
