"""Saves what was decided: verdicts, breaches, the ladder's move. What others do about it leaves as a row and a task name."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trivet import outbox
from trivet.card.content import LOWER_IS_WORSE, Guard
from trivet.guard import moves
from trivet.guard.decide import Verdict
from trivet.guard.judgement import Judgement
from trivet.guard.load import Scenario
from trivet.guard.models import Breach, GuardState

# A verdict whose word stays the same is written about this often, with its numbers.
WRITTEN_EVERY = timedelta(seconds=4)
SPREAD = timedelta(seconds=0.5), 8  # and not all of them in the same second
Row = dict[str, Any]


def rows_of(scenario: Scenario, verdicts: Mapping[str, Verdict], now: datetime) -> list[Row]:
    """Verdicts as rows, without those of which a row of a moment ago says the same word."""
    guards = scenario.card.card.guards
    rows = (_row(scenario, guard, verdicts[guard.name], now) for guard in guards if guard.name in verdicts)
    return [row for row in rows if row is not None]


def verdicts(session: Session, rows: Sequence[Row]) -> None:
    """One prepared statement for all rows: its text does not depend on how many there are."""
    if not rows:
        return
    statement = insert(GuardState)
    changed = {c: statement.excluded[c] for c in rows[0] if c not in ("scenario_id", "guard")}
    upsert = statement.on_conflict_do_update(index_elements=["scenario_id", "guard"], set_=changed)
    session.connection().execute(upsert, rows)


def _row(scenario: Scenario, guard: Guard, found: Verdict, now: datetime) -> Row | None:
    before, standing = scenario.states.get(guard.name), found.standing
    if before is not None and now - before.evaluated_at < _pause(scenario.card.scenario_id):
        said = (before.verdict, before.over_since, before.clear_since, before.threshold, before.shadow)
        if said == (found.word, standing.over_since, standing.clear_since, found.threshold, guard.shadow):
            return None
    return {
        "scenario_id": scenario.card.scenario_id,
        "guard": guard.name,
        "verdict": found.word,
        "reason": found.reason,
        "value": found.value,
        "threshold": found.threshold,
        "sample": found.sample,
        "since": before.since if before and before.verdict == found.word else now,
        "evaluated_at": now,
        "revision": scenario.card.number,
        "over_since": standing.over_since,
        "clear_since": standing.clear_since,
        "numbers": numbers(guard, found),
        "shadow": guard.shadow,
    }


def _pause(scenario_id: int) -> timedelta:
    step, steps = SPREAD
    return WRITTEN_EVERY + step * (scenario_id % steps)


def numbers(guard: Guard, found: Verdict) -> dict[str, Any]:
    """What the verdict saw: its evidence, and the limits it was held against."""
    return {
        "value": found.value,
        "enter": guard.enter,
        "leave": guard.leave,
        "window_s": guard.window_s,
        "sample": found.sample,
        "minimum_sample": guard.minimum_sample,
        **found.numbers,
    }


def breaches(session: Session, scenario: Scenario, found: Mapping[str, Verdict], now: datetime) -> dict[str, int]:
    """Open, follow and close breaches. Ids of those open now, by guard."""
    ids: dict[str, int] = {}
    for guard in scenario.card.card.guards:
        verdict, breach = found[guard.name], scenario.open.get(guard.name)
        if breach is not None and not verdict.standing.broken:
            breach.closed_at, breach.closed_reason = now, verdict.reason
            _tell(session, breach.id)
        elif breach is not None:
            breach.worst_value = _worse(guard, breach.worst_value, verdict.value)
            ids[guard.name] = breach.id
        elif verdict.standing.broken:
            opened = _open(session, scenario, guard, verdict, now)
            if opened is not None:
                ids[guard.name] = opened
                _tell(session, opened)
    return ids


def _tell(session: Session, breach_id: int) -> None:
    """Alerts follow a breach that opened or closed."""
    outbox.send(session, "notify.breach", breach_id, queue="control")


def _open(session: Session, scenario: Scenario, guard: Guard, found: Verdict, now: datetime) -> int | None:
    return session.scalar(
        insert(Breach)
        .values(
            scenario_id=scenario.card.scenario_id,
            guard=guard.name,
            revision=scenario.card.number,
            value=found.value,
            worst_value=found.value,
            threshold=found.threshold,
            sample=found.sample,
            reason=in_shadow(scenario, guard, found.reason),
            opened_at=now,
            numbers=numbers(guard, found),
            shadow=guard.shadow,
        )
        .on_conflict_do_nothing()
        .returning(Breach.id)
    )


def in_shadow(scenario: Scenario, guard: Guard, reason: str) -> str:
    """The reason, and of a guard in shadow what it would have done."""
    if not guard.shadow:
        return reason
    would = f"would have raised {scenario.card.scenario} to level {guard.raises_to}" if guard.raises_to else ""
    if guard.metric == "quality" and scenario.card.card.rollback.automatic and scenario.card.previous_number:
        would = f"would have gone back to revision {scenario.card.previous_number}"
    return f"{reason}; in shadow: {would or 'would have opened a breach and moved nothing'}"


def _worse(guard: Guard, one: float | None, other: float | None) -> float | None:
    known = [value for value in (one, other) if value is not None]
    if not known:
        return None
    return min(known) if guard.metric in LOWER_IS_WORSE else max(known)


def moved(session: Session, scenario: Scenario, decided: Judgement, opened: Mapping[str, int], now: datetime) -> int:
    """The ladder's move, and a rollback where the card wants one; how many hand-offs that left."""
    ladder = scenario.ladder
    if decided.ladder.state == moves.state_of(ladder) and decided.ladder.reason == ladder.reason:
        return _roll_back(session, scenario, decided, opened)  # as nearly always: nothing is written
    guard = getattr(decided.ladder, "guard", None)
    breach_id = opened.get(guard) if guard else None
    left = moves.save(session, scenario.ladder, decided.ladder, breach_id=breach_id, now=now)
    return left + _roll_back(session, scenario, decided, opened)


def _roll_back(session: Session, scenario: Scenario, decided: Judgement, opened: Mapping[str, int]) -> int:
    """Ask for the previous revision."""
    breach_id = opened.get(decided.goes_back_for) if decided.goes_back_for else None
    if breach_id is None:
        return 0
    card = scenario.card
    outbox.send(session, "command.auto_rollback", card.scenario_id, card.number, breach_id, queue="control")
    return 1
