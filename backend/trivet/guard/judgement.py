"""What is decided of one scenario: the verdicts of its guards, where its ladder goes, whether it goes back a revision. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from trivet.card.content import Card, Guard
from trivet.card.service import ActiveCard
from trivet.guard import probe
from trivet.guard.decide import Standing, Verdict, Window, verdict
from trivet.guard.ladder import State, Stay, Step, step
from trivet.guard.ways import NOTHING, Way
from trivet.guard.window import ALONE, Beside, Governing, Slice, measured_under, window

FAILURE_WORDS_MAX = 200


@dataclass(frozen=True, slots=True)
class Case:
    """One scenario as it stands: its card, its ladder, how each guard stood, and what was measured.

    `slices` are of every revision and level: both arms of a probe are judged, each by its own.
    """

    card: ActiveCard
    ladder: State
    before: Mapping[str, Standing]
    slices: Sequence[Slice]
    governing: Governing
    beside: Beside = ALONE
    way: Way = NOTHING


@dataclass(frozen=True, slots=True)
class Judgement:
    """`goes_back_for` names the broken guard for which the card wants the previous revision."""

    verdicts: Mapping[str, Verdict]
    ladder: Step | Stay
    goes_back_for: str | None


# Of these a part of the conversations spends a part: what it would be for all of them is compared.
OF_ALL = frozenset({"cost_per_hour"})
SHARE_MIN = 0.001
ARM_WINDOW_S = 300


def judge(case: Case, now: datetime) -> Judgement:
    """Everything that is decided at `now`."""
    card, state = case.card.card, case.ladder
    verdicts = _verdicts(case, card.guards, case.governing, 1 - state.share, now)
    way = case.way
    if state.probe is not None:
        arm = back(case.governing, state.probe)
        way = replace(way, arm=_verdicts(case, of_arm(card), arm, state.share, now, afresh=True))
    ladder = step(state, verdicts, card, now, way)
    return Judgement(verdicts, ladder, _goes_back_for(case, verdicts, ladder.state, now))


def _verdicts(
    case: Case, guards: Iterable[Guard], governing: Governing, share: float, now: datetime, *, afresh: bool = False
) -> dict[str, Verdict]:
    """Each guard's verdict on what was measured under a revision and level: by a share of the conversations."""
    slices = measured_under(case.slices, governing)
    found = {}
    for guard in guards:
        beside = replace(case.beside, counts=case.beside.arm_counts, burns={}) if afresh else case.beside
        seen = window(slices, guard, governing, now, case.card.card, beside=beside)
        before = Standing() if afresh else case.before[guard.name]
        found[guard.name] = verdict(guard, _of_all(guard, seen, share), before, now)
    return found


def back(governing: Governing, probing: probe.Probing) -> Governing:
    """Under what those ran that are back already: what came under a smaller share says nothing of this one."""
    return replace(governing, level=governing.level - 1, since=max(probing.since, governing.since or probing.since))


def of_arm(card: Card) -> list[Guard]:
    """The guards by which those that are back are judged."""
    return [_patient(guard, card) for guard in card.guards if probe.moves(guard)]


def _patient(guard: Guard, card: Card) -> Guard:
    """The guard as an arm is judged by it: few conversations take longer to say something, so everything since the step
    began counts, as far back as any guard looks; the step's own time is what it waits, and no budget burns over hours.
    """
    longest = max(guard.window_s, *(each.window_s for each in card.guards if each.window_s <= ARM_WINDOW_S), 0)
    return guard.model_copy(update={"window_s": longest, "for_s": 0.0, "burn": None})


def _of_all(guard: Guard, seen: Window, share: float) -> Window:
    """What would be spent if all conversations were as this share of them is."""
    return replace(seen, cost=seen.cost / max(share, SHARE_MIN)) if guard.metric in OF_ALL and share < 1 else seen


def unjudged(case: Case, why: Exception) -> dict[str, Verdict]:
    """What the guards say where judging failed: no data, and the reason. Nothing breaks, heals or counts as calm."""
    reason = f"could not be judged: {type(why).__name__}: {why}"[:FAILURE_WORDS_MAX].replace("\0", "")
    return {
        guard.name: Verdict("no_data", reason, None, guard.enter, 0, Standing(broken=case.before[guard.name].broken))
        for guard in case.card.card.guards
    }


def _goes_back_for(case: Case, verdicts: Mapping[str, Verdict], after: State, now: datetime) -> str | None:
    """The quality guard that is broken under this revision, where the card says to go back then and the revision may be why."""
    card, rule = case.card, case.card.card.rollback
    broken = [
        g.name for g in card.card.guards if g.metric == "quality" and not g.shadow and verdicts[g.name].standing.broken
    ]
    if not (broken and rule.automatic and card.previous_number is not None):
        return None
    recent = rule.within_s is None or now - card.active_from <= timedelta(seconds=rule.within_s)
    # Where the level changed after the activation, the degrade and not the revision may be the cause.
    attributable = after.level == 0 or card.active_from >= after.since
    return broken[0] if recent and attributable else None
