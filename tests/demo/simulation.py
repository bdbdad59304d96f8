"""The story on a simulated clock: the shipped trace and cards, the engine of the backend, the guards and ladder of Trivet.

Everything that decides is the real pure code; only time, telemetry's way and the policy's way are played, as delays.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from trivet.card.content import Card
from trivet.card.service import ActiveCard
from trivet.demo import trace
from trivet.demo.engine import Engine
from trivet.demo.obey import Asked, plan
from trivet.demo.replay import messages
from trivet.demo.trace import Call
from trivet.demo.wire import Message, turns
from trivet.guard.decide import Standing
from trivet.guard.judgement import Case, judge
from trivet.guard.ladder import State, Step
from trivet.guard.window import BUCKET_S, Beside, Governing, Slice
from trivet.ingest.signal.running import Overdue
from trivet.kit import histogram
from trivet.kit.clock import floor
from trivet_collectors.policy.evaluate import DEFAULTS, within

T0 = datetime(2026, 11, 21, 12, 0, 3, tzinfo=UTC)
TELEMETRY_S = 1.0  # from a call's end to its delta row
POLICY_S = 1.5  # from a step to a backend that obeys


@dataclass
class Use:
    """What `guard.window` reads of usage."""

    requests: int = 0
    errors: int = 0
    timeouts: int = 0
    refusals: int = 0
    rejections: int = 0
    unpriced_requests: int = 0
    scores: int = 0
    score_total: float = 0.0
    latency: bytes = b""
    ttft: bytes = b""
    inter_token: bytes = b""
    cost: int = 0

    @property
    def priced(self):
        return self.requests - self.rejections - self.unpriced_requests


@dataclass
class Ended:
    at_s: float
    call: Call
    latency_s: float
    outcome: str
    quality: float
    revision: int
    level: int


@dataclass
class Watched:
    """One scenario under its card."""

    card: Card
    revision: int = 1
    changed_at: datetime = T0
    state: State = field(default_factory=lambda: State(0, T0))
    standings: dict = field(default_factory=dict)
    history: list = field(default_factory=list)  # (seconds, level, reason), of whole levels
    probes: list = field(default_factory=list)  # (seconds, level, share of conversations at the level below)
    breaches: list = field(default_factory=list)  # (seconds, guard, reason)
    applied: tuple = (1, 0, 0.0)
    previous: Card | None = None


class Simulation:
    def __init__(self, cards, mix, speed, *, scored_every=2, ladder=True):
        self.watched = {name: Watched(card) for name, card in cards.items()}
        self.engine = Engine()
        self.mix, self.speed = mix, speed
        self.scored_every = scored_every
        self.ladder = ladder
        self.ended: list[Ended] = []
        # Of each scenario, those that guards still look at: (number, its ten seconds, the call).
        self._recent = {name: [] for name in cards}
        self.queue: dict[int, int] = {}
        self._pending_policy = []  # (at_s, scenario, revision, level, share at the level below, flags of both)
        self._flags = {name: [{**DEFAULTS, **card.flags_at(0)}] * 2 for name, card in cards.items()}

    def run(self, seconds, then=None):
        """Runs for `seconds`; `then` is {at_s: action(simulation)}."""
        then = dict(then or {})
        ticks = iter(range(1, seconds + 1))
        tick = next(ticks)
        at_s, last_s = 0.0, 0.0
        for call in trace.calls(trace.read(trace.CUT), self.mix):
            at_s += (call.at_s - last_s) / self.speed(at_s)
            last_s = call.at_s
            while tick is not None and tick <= at_s:
                for due in [due for due in then if due <= tick]:
                    then.pop(due)(self)
                self._evaluate(tick)
                tick = next(ticks, None)
            if tick is None:
                return self
            self._serve(at_s, call)
        raise AssertionError("the trace is too short for the story")

    def activate(self, at_s, scenario, card):
        one = self.watched[scenario]
        one.previous, one.card = one.card, card
        one.revision += 1
        one.changed_at = T0 + timedelta(seconds=at_s)
        one.standings = {}
        self._say(at_s, scenario)

    def p95(self, scenario, start_s, end_s):
        """P95 seconds of the calls that ended in [start_s, end_s)."""
        found = sorted(e.latency_s for e in self.ended if e.call.scenario == scenario and start_s <= e.at_s < end_s)
        return found[int(0.95 * len(found))] if found else None

    def quality(self, scenario, start_s, end_s):
        found = [e.quality for e in self.ended if e.call.scenario == scenario and start_s <= e.at_s < end_s]
        return sum(found) / len(found) if found else None

    def _serve(self, at_s, call):
        while self._pending_policy and self._pending_policy[0][0] <= at_s:
            _, name, *applied, flags = self._pending_policy.pop(0)
            self._flags[name], self.watched[name].applied = flags, tuple(applied)
        one = self.watched[call.scenario]
        revision, level, share = one.applied
        is_back = within(f"{call.scenario}:probe", call.conversation, share)
        asked = Asked(call.model, turns([Message(**message) for message in messages(call)]), call.output_tokens)
        served = self.engine.serve(
            at_s,
            plan(asked, self._flags[call.scenario][is_back]),
            conversation=call.conversation,
            timeout_s=one.card.latency.timeout_ms / 1000,
        )
        ran_at = level - is_back
        ended = Ended(served.ends_at_s, call, served.ends_at_s - at_s, served.outcome, served.quality, revision, ran_at)
        bucket = floor(T0 + timedelta(seconds=ended.at_s), BUCKET_S)
        self._recent[call.scenario].append((len(self.ended), bucket, ended))
        self.ended.append(ended)
        self.queue[int(at_s)] = self.engine.waiting(at_s)["demo-large"]

    def _evaluate(self, at_s):
        now = T0 + timedelta(seconds=at_s)
        for name, one in self.watched.items():
            self._recent[name] = [kept for kept in self._recent[name] if kept[2].at_s > at_s - 60]
            present = Governing(one.revision, one.state.level, max(one.changed_at, one.state.since))
            before = {guard.name: one.standings.get(guard.name, Standing()) for guard in one.card.guards}
            active = ActiveCard(1, name, one.revision, one.revision, one.card, one.changed_at, None)
            beside = Beside(calls=self._running(name, at_s))
            found = judge(Case(active, one.state, before, self._slices(name, at_s), present, beside), now)
            for guard, seen in found.verdicts.items():
                if seen.standing.broken and not before[guard].broken:
                    one.breaches.append((at_s, guard, seen.reason))
                one.standings[guard] = seen.standing
            self._move(at_s, now, name, one, found)

    def _move(self, at_s, now, name, one, found):
        decided, before = found.ladder, one.state.level
        if self.ladder:
            one.state = decided.state
        if isinstance(decided, Step) and self.ladder:
            if one.state.level == before:
                one.probes.append((at_s, before, one.state.share))
            else:
                one.history.append((at_s, one.state.level, decided.reason))
            self._say(at_s, name)
        if one.previous is not None and one.standings["quality-floor"].broken:
            one.card, one.previous = one.previous, None
            one.revision, one.changed_at, one.standings = 1, now, {}
            one.history.append((at_s, "rolled back", found.verdicts["quality-floor"].reason))
            self._say(at_s, name)

    def _say(self, at_s, name):
        one = self.watched[name]
        level = one.state.level
        flags = [{**DEFAULTS, **one.card.flags_at(each)} for each in (level, max(0, level - 1))]
        self._pending_policy.append((at_s + POLICY_S, name, one.revision, level, one.state.share, flags))

    def _running(self, name, at_s):
        """Calls that the backend tells of: a second old, and not ended."""
        return [
            Overdue(ended.revision, ended.level, T0 + timedelta(seconds=ended.at_s - ended.latency_s), True, False)
            for _, _, ended in self._recent[name]
            if ended.at_s > at_s and ended.at_s - ended.latency_s <= at_s - 1
        ]

    def _slices(self, name, at_s):
        uses = defaultdict(Use)
        latencies = defaultdict(list)
        for index, bucket, ended in self._recent[name]:
            if ended.at_s > at_s - TELEMETRY_S:
                continue
            key = (bucket, ended.revision, ended.level)
            use = uses[key]
            use.requests += 1
            use.timeouts += ended.outcome == "timeout"
            latencies[key].append(int(ended.latency_s * 1e6))
            if index % self.scored_every == 0 and ended.outcome == "ok":
                use.scores += 1
                use.score_total += ended.quality
        for key, use in uses.items():
            use.latency = histogram.of(latencies[key])
        return [Slice(*key, "USD", use) for key, use in uses.items()]
