"""What is decided of one scenario: the verdicts of its guards, where its ladder goes, whether it goes back a revision. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from trivet.card.service import ActiveCard
from trivet.guard.decide import Standing, Verdict, verdict
from trivet.guard.ladder import State, Stay, Step, step
from trivet.guard.window import ALONE, Beside, Governing, Slice, window

FAILURE_WORDS_MAX = 200


@dataclass(frozen=True, slots=True)
class Case:
    """One scenario as it stands: its card, its ladder, how each guard stood, and what was measured."""

    card: ActiveCard
    ladder: State
    before: Mapping[str, Standing]
    slices: Sequence[Slice]
    governing: Governing
    beside: Beside = ALONE


@dataclass(frozen=True, slots=True)
class Judgement:
    """`goes_back_for` names the broken guard for which the card wants the previous revision."""

    verdicts: Mapping[str, Verdict]
    ladder: Step | Stay
    goes_back_for: str | None


def judge(case: Case, now: datetime) -> Judgement:
    """Everything that is decided at `now`."""
    card = case.card.card
    verdicts = {
        guard.name: verdict(
            guard,
            window(case.slices, guard, case.governing, now, card, beside=case.beside),
            case.before[guard.name],
            now,
        )
        for guard in card.guards
    }
    ladder = step(case.ladder, verdicts, card, now)
    return Judgement(verdicts, ladder, _goes_back_for(case, verdicts, ladder.state, now))


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
    broken = [g.name for g in card.card.guards if g.metric == "quality" and verdicts[g.name].standing.broken]
    if not (broken and rule.automatic and card.previous_number is not None):
        return None
    recent = rule.within_s is None or now - card.active_from <= timedelta(seconds=rule.within_s)
    # Where the level changed after the activation, the degrade and not the revision may be the cause.
    attributable = after.level == 0 or card.active_from >= after.since
    return broken[0] if recent and attributable else None
