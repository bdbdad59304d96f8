"""A revision on trial beside the one that governs: does it grow, wait, or go back? Pure.

Both arms serve at the same time and conversations fall into them by hash, so they differ in nothing but the revision. Only
the present step is looked at: shares that changed on the way would mix hours with shares.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from trivet.card.content import Card
from trivet.kit.fair import Difference, Estimate, difference, ratio

ALPHA = 0.05  # the chance that a trial of a revision that is as good goes back, over all its steps and looks
STRETCHES_MIN = 3
NOBODY_EXPECTED = 50.0  # requests that should have come by now; with next to none, nobody falls into the share
NEXT_TO_NONE = 0.05
PATIENCE_S = 7 * 86_400.0  # a step that cannot be decided in this time goes back

Action = Literal["grow", "activate", "wait", "back"]


@dataclass(frozen=True, slots=True)
class Stretch:
    """What one arm did in one stretch of time. `over`: slower than the new card's P95 target, of `timed`."""

    served: int = 0
    errors: int = 0
    timeouts: int = 0
    refusals: int = 0
    timed: int = 0
    over: float = 0.0
    priced: int = 0
    cost: float = 0.0  # compared, never booked
    scores: int = 0
    score_total: float = 0.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What was agreed: revision `number` beside `against`, through `shares`, `step_s` each at least."""

    number: int
    against: int
    shares: tuple[float, ...]
    step: int
    step_s: float
    step_since: datetime
    minimum_sample: int
    card: Card
    other: Card

    @property
    def share(self) -> float:
        return self.shares[self.step]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do and why, with the numbers it rests on."""

    action: Action
    words: str
    numbers: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Measure:
    """Something that may not get worse: (x, n) of a stretch, by how much it may, and beyond what it may not be at all."""

    name: str
    pair: Callable[[Stretch], tuple[float, float]]
    margin: Callable[[Plan, Estimate], float]
    share: bool = True
    worse: int = 1  # -1: less is worse
    guarded: str = ""  # the metric whose strictest guard it must stay within
    needed: Callable[[Plan], int] | None = None  # below so many it is not asked


def _dearer(plan: Plan, old: Estimate) -> float:
    """A tenth more, or what the new card says openly that it costs more."""
    said = float(plan.card.cost.per_request) - float(plan.other.cost.per_request)
    return max(0.1 * abs(old.value), said, 1e-12)


MEASURES = (
    Measure("errors", lambda s: (s.errors + s.timeouts, s.served), lambda _p, _o: 0.02, guarded="error_rate"),
    Measure("timeouts", lambda s: (s.timeouts, s.served), lambda _p, _o: 0.02, guarded="timeout_rate"),
    Measure("refusals", lambda s: (s.refusals, s.served), lambda _p, _o: 0.02, guarded="refusal_rate"),
    Measure("slower than the P95 target", lambda s: (s.over, s.timed), lambda _p, _o: 0.05),
    Measure(
        "cost per request", lambda s: (s.cost, s.priced), _dearer, share=False,
        guarded="cost_per_request", needed=lambda p: p.minimum_sample,
    ),
    Measure(
        "quality", lambda s: (s.score_total, s.scores), lambda p, _o: max(0.02, 0.05 * abs(p.card.quality.floor)),
        share=False, worse=-1, needed=lambda p: p.card.quality.min_sample,
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finding:
    """One measure of both arms. `holds`: not worse by more than the margin. `worse`: worse, and not known to hold."""

    measure: Measure
    new: Estimate
    old: Estimate
    by: Difference
    margin: float
    limit: float | None

    @property
    def within(self) -> bool:
        return self.limit is None or self.measure.worse * (self.new.value - self.limit) <= 0

    @property
    def holds(self) -> bool:
        return self.by.high <= self.margin and self.within

    @property
    def worse(self) -> bool:
        return self.by.low > 0 and self.by.high > self.margin

    def words(self) -> str:
        new, old = (f"{100 * v:.1f} %" if self.measure.share else f"{v:.4g}" for v in (self.new.value, self.old.value))
        return f"{self.measure.name} {new} against {old}"

    def numbers(self) -> dict[str, Any]:
        """As they are stored and shown."""
        low, high = (None if abs(v) == float("inf") else round(v, 9) for v in (self.by.low, self.by.high))
        return {
            "measure": self.measure.name, "new": round(self.new.value, 9), "old": round(self.old.value, 9),
            "new_sample": self.new.n, "old_sample": self.old.n, "low": low, "high": high,
            "margin": round(self.margin, 9), "limit": self.limit, "holds": self.holds, "worse": self.worse,
        }  # fmt: skip


def judge(plan: Plan, new: Sequence[Stretch], old: Sequence[Stretch], now: datetime) -> Verdict:
    """`back` as soon as it is known to be worse; `grow` (`activate` at the end) after its time, where all is known to hold."""
    found = list(findings(plan, new, old))
    numbers = tuple(each.numbers() for each in found)
    elapsed_s = (now - plan.step_since).total_seconds()
    served, others = sum(s.served for s in new), sum(s.served for s in old)
    worse = [each for each in found if each.worse]
    if worse:
        said = "; ".join(each.words() for each in worse)
        return Verdict(
            "back", f"Revision {plan.number} is worse than {plan.against} at {_share(plan.share)}: {said}.", numbers
        )
    if elapsed_s < plan.step_s:
        left = f"{_share(plan.share)} of conversations for {plan.step_s - elapsed_s:.0f} s more"
        return Verdict("wait", f"Nothing is worse so far; {left}.", numbers)
    expected = others * plan.share / (1 - plan.share)
    if expected >= NOBODY_EXPECTED and served < NEXT_TO_NONE * expected:
        return Verdict(
            "back",
            f"{served} requests ran under revision {plan.number} where about {expected:.0f} should have: either it hangs, or "
            "the backends do not name the conversation (`session`), so that nobody falls into the share.",
            numbers,
        )
    waiting = _waiting(plan, served, found)
    if waiting and elapsed_s > PATIENCE_S:
        return Verdict("back", f"Not decided in {PATIENCE_S / 86_400:.0f} days: {waiting}", numbers)
    if waiting:
        return Verdict("wait", waiting, numbers)
    return _grows(plan, served, found, numbers)


def findings(plan: Plan, new: Sequence[Stretch], old: Sequence[Stretch]) -> Iterator[Finding]:
    """Each measure that both arms have enough of to be compared at all."""
    alpha = ALPHA / (len(MEASURES) * len(plan.shares))
    for measure in MEASURES:
        ours = ratio([measure.pair(s) for s in new], of_share=measure.share)
        theirs = ratio([measure.pair(s) for s in old], of_share=measure.share)
        if ours is None or theirs is None or min(ours.stretches, theirs.stretches) < STRETCHES_MIN:
            continue
        if measure.needed and min(ours.n, theirs.n) < measure.needed(plan):
            continue
        margin = measure.margin(plan, theirs)
        by = difference(ours, theirs, margin=margin, alpha=alpha)
        if measure.worse < 0:
            by = difference(theirs, ours, margin=margin, alpha=alpha)
        yield Finding(measure, ours, theirs, by, margin, _limit(plan.card, measure))


def _limit(card: Card, measure: Measure) -> float | None:
    if measure.worse < 0:
        return card.quality.floor
    return min((guard.enter for guard in card.guards if guard.metric == measure.guarded), default=None)


def _waiting(plan: Plan, served: int, found: Sequence[Finding]) -> str:
    """Why it cannot grow yet; "" where it can."""
    if served < plan.minimum_sample:
        return f"{served} of {plan.minimum_sample} requests under revision {plan.number} so far."
    if not found:
        return "Too few stretches of time with requests of both revisions to compare them."
    if past := [each for each in found if not each.within]:
        return f"Past its own card's limit: {'; '.join(each.words() for each in past)}."
    if unsure := [each for each in found if not each.holds]:
        said = "; ".join(each.words() for each in unsure)
        return f"Not worse, as far as can be told, but {served} requests are too few to be sure: {said}."
    return ""


def _grows(plan: Plan, served: int, found: Sequence[Finding], numbers: tuple[dict[str, Any], ...]) -> Verdict:
    held = "; ".join(each.words() for each in found)
    last = plan.step + 1 == len(plan.shares)
    where = "governs from now on" if last else f"grows to {_share(plan.shares[plan.step + 1])}"
    words = (
        f"Revision {plan.number} {where}: over {served:,} requests at {_share(plan.share)} nothing is worse ({held})."
    )
    return Verdict("activate" if last else "grow", words, numbers)


def _share(share: float) -> str:
    return f"{100 * share:g} %"
