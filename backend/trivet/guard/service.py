"""One evaluation of every guard: load, decide, save. What must change is handed on as a row and a task name.

One evaluation runs at a time (a try-lock: the others have nothing to add), and the ladder rows it moves are locked, so that
fifty at once come to one breach and one step. A scenario whose judgement fails says so and stops no other.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trivet import outbox
from trivet.card import service as cards
from trivet.card.content import LOWER_IS_WORSE, Guard
from trivet.card.service import ActiveCard
from trivet.guard import judgement, moves, returning, signs
from trivet.guard.decide import Standing, Verdict
from trivet.guard.flow import Event
from trivet.guard.judgement import Case, Judgement
from trivet.guard.ladder import Step
from trivet.guard.models import Breach, GuardRun, GuardState, LadderState
from trivet.guard.ways import Way
from trivet.guard.window import AHEAD, BUCKET_S, Beside, Governing, Slice, starts
from trivet.ingest.signal import running
from trivet.kit.clock import floor
from trivet.kit.interval import Interval
from trivet.kit.locks import Lock
from trivet.rollup import read

ANOTHER_REVISION = "another revision governs now"  # why a breach ended that no number ended
UNREADABLE = "the active card cannot be read: activate another revision"
TOLD_MAX = 1_000
STATE_WRITTEN_EVERY = timedelta(seconds=5)  # a verdict that stays the same is written this often
OF_EVENTS = frozenset({"rate_limit_rate", "cold_start_rate", "health_events", "out_of_memory_events"})
GROUP_BY = ("scenario_id", "bucket", "revision", "level", "currency")
_told: set[tuple[int, str]] = set()
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Scenario:
    """What is known of one scenario before it is judged."""

    card: ActiveCard
    ladder: LadderState
    states: dict[str, GuardState]
    open: dict[str, Breach]
    slices: list[Slice]
    beside: Beside
    way: Way

    def case(self) -> Case:
        """What the judgement rests on."""
        state = moves.state_of(self.ladder)
        before = {guard.name: self._standing(guard) for guard in self.card.card.guards}
        governing = _governing(self.card, self.ladder)
        return Case(self.card, state, before, self.slices, governing, self.beside, self.way)

    def _standing(self, guard: Guard) -> Standing:
        """How the guard stood under this revision; a new revision starts afresh."""
        state = self.states.get(guard.name)
        breach = self.open.get(guard.name)
        broken, by_stall = breach is not None, breach is not None and breach.worst_value is None
        if state is None or state.revision != self.card.number:
            return Standing(broken, by_stall=by_stall)
        return Standing(broken, state.over_since, state.clear_since, by_stall)


def _governing(card: ActiveCard, ladder: LadderState) -> Governing:
    untouched = card.first and ladder.since <= card.active_from
    return Governing(card.number, ladder.level, None if untouched else max(card.active_from, ladder.since))


def evaluate(session: Session, now: datetime) -> int | None:
    """Judge every guard of every active card. How many hand-offs were left; None where another evaluation is running."""
    if not session.scalar(text("SELECT pg_try_advisory_xact_lock(:id)"), {"id": Lock.GUARD}):
        return None
    rows: list[dict[str, Any]] = []
    found = [_judge(session, scenario, rows, now) for scenario in _load(session, now)]
    _save_verdicts(session, rows)
    _ran(session, failures=found.count(None), now=now)
    return sum(filter(None, found))


def last_evaluated(session: Session) -> datetime | None:
    """When guards were last judged; None where they never were."""
    return session.scalar(select(GuardRun.evaluated_at))


def _ran(session: Session, *, failures: int, now: datetime) -> None:
    run = insert(GuardRun).values(id=1, evaluated_at=now, failures=failures)
    changed = {"evaluated_at": now, "failures": GuardRun.failures + failures}
    session.execute(run.on_conflict_do_update(index_elements=["id"], set_=changed))


def _load(session: Session, now: datetime) -> list[_Scenario]:
    active = cards.active(session)
    _say_who_has_no_card(session, active, now)
    if not active:
        return []
    ladders = _ladders(session, active)
    _close_of_other_revisions(session, active, now)
    states: dict[int, dict[str, GuardState]] = {id_: {} for id_ in active}
    for state in session.scalars(select(GuardState).where(GuardState.scenario_id.in_(active))):
        states[state.scenario_id][state.guard] = state
    opened: dict[int, dict[str, Breach]] = {id_: {} for id_ in active}
    for breach in session.scalars(select(Breach).where(Breach.closed_at.is_(None), Breach.scenario_id.in_(active))):
        opened[breach.scenario_id][breach.guard] = breach
    slices = _slices(session, active, now)
    beside = _beside(session, active, ladders, slices, now)  # after the slices: see `ingest.running.read`
    ways = returning.ways(session, active, ladders, now)
    return [
        _Scenario(
            active[id_], ladders[id_], states[id_], opened[id_],
            slices.get(id_, []), beside[id_], ways[id_],
        )
        for id_ in sorted(active)
    ]  # fmt: skip


def _say_who_has_no_card(session: Session, active: Mapping[int, ActiveCard], now: datetime) -> None:
    """A scenario that has verdicts and no active card had one: it cannot be read any more."""
    session.execute(
        update(GuardState)
        .where(GuardState.scenario_id.not_in(active), GuardState.reason != UNREADABLE)
        .values(verdict="no_data", reason=UNREADABLE, value=None, since=now, over_since=None, clear_since=None)
    )


def _ladders(session: Session, active: Mapping[int, ActiveCard]) -> dict[int, LadderState]:
    """Each scenario's ladder, locked in key order; a new scenario's stands at level 0."""
    query = (
        select(LadderState)
        .where(LadderState.scenario_id.in_(active))
        .order_by(LadderState.scenario_id)
        .with_for_update()
    )
    found = {row.scenario_id: row for row in session.scalars(query)}
    new = [
        {"scenario_id": id_, "level": 0, "since": card.active_from, "reason": "the card is active"}
        for id_, card in active.items()
        if id_ not in found
    ]
    if new:
        session.execute(insert(LadderState).values(new).on_conflict_do_nothing())
        found = {row.scenario_id: row for row in session.scalars(query)}
    return found


def _close_of_other_revisions(session: Session, active: Mapping[int, ActiveCard], now: datetime) -> None:
    """A breach belongs to the revision it opened under: the next one is judged by its own data."""
    current = [(id_, card.number) for id_, card in active.items()]
    session.execute(
        update(Breach)
        .where(Breach.closed_at.is_(None), Breach.scenario_id.in_(active))
        .where(tuple_(Breach.scenario_id, Breach.revision).not_in(current))
        .values(closed_at=now, closed_reason=ANOTHER_REVISION)
    )
    session.execute(
        delete(GuardState)
        .where(GuardState.scenario_id.in_(active))
        .where(tuple_(GuardState.scenario_id, GuardState.revision).not_in(current))
    )


def _slices(session: Session, active: Mapping[int, ActiveCard], now: datetime) -> dict[int, list[Slice]]:
    """Usage by scenario in the longest window of any guard."""
    first = min(starts(guard, now) for card in active.values() for guard in card.card.guards)
    found = read.usage(
        session,
        Interval(first, floor(now, BUCKET_S) + AHEAD),
        GROUP_BY,
        {"scenario_id": list(active)},
        grain_s=BUCKET_S,
    )
    slices: dict[int, list[Slice]] = {}
    for (scenario_id, bucket, revision, level, currency), usage in found.items():
        slices.setdefault(scenario_id, []).append(Slice(bucket, revision, level, currency, usage))
    return slices


def _beside(
    session: Session,
    active: Mapping[int, ActiveCard],
    ladders: Mapping[int, LadderState],
    slices: Mapping[int, Sequence[Slice]],
    now: datetime,
) -> dict[int, Beside]:
    """What is known of each scenario beside its requests. Notes since when it has had work in flight."""
    calls = running.read(session, active, now)
    moving = signs.in_flight(session, active, {id_: len(of) for id_, of in calls.items()}, now)
    events = _events(session, active, now)
    for id_, ladder in ladders.items():
        ladder.in_flight_since = (ladder.in_flight_since or now) if id_ in moving else None
    served = {id_: [s.bucket for s in of if s.usage.requests > s.usage.rejections] for id_, of in slices.items()}
    return {
        id_: Beside(
            calls.get(id_, ()), events.get(id_, ()), max(served.get(id_, ()), default=None),
            moving.get(id_), ladders[id_].in_flight_since,
        )
        for id_ in active
    }  # fmt: skip


def _events(session: Session, active: Mapping[int, ActiveCard], now: datetime) -> dict[int, list[Event]]:
    """Health events and cold starts, where any card guards them."""
    guards = [guard for card in active.values() for guard in card.card.guards if guard.metric in OF_EVENTS]
    return signs.events(session, active, min(starts(guard, now) for guard in guards), now) if guards else {}


def _judge(session: Session, scenario: _Scenario, rows: list[dict[str, Any]], now: datetime) -> int | None:
    """Judge one scenario: its verdicts are added to `rows`, its breaches and ladder saved. How many hand-offs it left.

    None where it could not be judged: its guards say so, and the other scenarios are judged all the same.
    """
    try:
        decided = judgement.judge(scenario.case(), now)
    except Exception as bad:  # whatever it is, it is this scenario's alone
        _tell_once(scenario.card, bad)
        _add_rows(scenario, judgement.unjudged(scenario.case(), bad), rows, now)
        return None
    _add_rows(scenario, decided.verdicts, rows, now)
    breaches = _save_breaches(session, scenario, decided.verdicts, now)
    guard = decided.ladder.guard if isinstance(decided.ladder, Step) else None
    breach_id = breaches.get(guard) if guard else None
    left = moves.save(session, scenario.ladder, decided.ladder, breach_id=breach_id, now=now)
    return left + _roll_back(session, scenario, decided, breaches)


def _tell_once(card: ActiveCard, bad: Exception) -> None:
    """Evaluation runs each second; one line for each revision and kind of failure is enough."""
    key = (card.revision_id, type(bad).__name__)
    if key in _told:
        return
    if len(_told) >= TOLD_MAX:
        _told.clear()
    _told.add(key)
    _log.error("Guards of %r, revision %d, could not be judged", card.scenario, card.number, exc_info=bad)


def _add_rows(scenario: _Scenario, verdicts: Mapping[str, Verdict], rows: list[dict[str, Any]], now: datetime) -> None:
    rows.extend(row for name, found in verdicts.items() if (row := _state_row(scenario, name, found, now)) is not None)


def _save_verdicts(session: Session, rows: list[dict[str, Any]]) -> None:
    """One prepared statement for all rows: its text does not depend on how many there are."""
    if not rows:
        return
    statement = insert(GuardState)
    changed = {c: statement.excluded[c] for c in rows[0] if c not in ("scenario_id", "guard")}
    upsert = statement.on_conflict_do_update(index_elements=["scenario_id", "guard"], set_=changed)
    session.connection().execute(upsert, rows)


def _state_row(scenario: _Scenario, name: str, found: Verdict, now: datetime) -> dict[str, Any] | None:
    """The verdict as a row; None where the row of a moment ago says the same."""
    before = scenario.states.get(name)
    row = {
        "scenario_id": scenario.card.scenario_id,
        "guard": name,
        "verdict": found.word,
        "reason": found.reason,
        "value": found.value,
        "threshold": found.threshold,
        "sample": found.sample,
        "since": before.since if before and before.verdict == found.word else now,
        "evaluated_at": now,
        "revision": scenario.card.number,
        "over_since": found.standing.over_since,
        "clear_since": found.standing.clear_since,
    }
    fresh = before is not None and now - before.evaluated_at < STATE_WRITTEN_EVERY
    same = fresh and all(getattr(before, key) == value for key, value in row.items() if key != "evaluated_at")
    return None if same else row


def _save_breaches(
    session: Session, scenario: _Scenario, verdicts: Mapping[str, Verdict], now: datetime
) -> dict[str, int]:
    """Open, follow and close breaches. Ids of those open now, by guard."""
    ids: dict[str, int] = {}
    for guard in scenario.card.card.guards:
        found, breach = verdicts[guard.name], scenario.open.get(guard.name)
        if breach is not None and not found.standing.broken:
            breach.closed_at, breach.closed_reason = now, found.reason
        elif breach is not None:
            breach.worst_value = _worse(guard, breach.worst_value, found.value)
            ids[guard.name] = breach.id
        elif found.standing.broken:
            opened = _open(session, scenario, guard, found, now)
            if opened is not None:
                ids[guard.name] = opened
    return ids


def _open(session: Session, scenario: _Scenario, guard: Guard, found: Verdict, now: datetime) -> int | None:
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
            reason=found.reason,
            opened_at=now,
        )
        .on_conflict_do_nothing()
        .returning(Breach.id)
    )


def _worse(guard: Guard, one: float | None, other: float | None) -> float | None:
    known = [value for value in (one, other) if value is not None]
    if not known:
        return None
    return min(known) if guard.metric in LOWER_IS_WORSE else max(known)


def _roll_back(session: Session, scenario: _Scenario, decided: Judgement, breaches: Mapping[str, int]) -> int:
    """Ask for the previous revision."""
    breach_id = breaches.get(decided.goes_back_for) if decided.goes_back_for else None
    if breach_id is None:
        return 0
    card = scenario.card
    outbox.send(session, "command.auto_rollback", card.scenario_id, card.number, breach_id, queue="control")
    return 1


def open_breaches(session: Session, scenario_ids: Sequence[int] | None = None) -> list[Breach]:
    """Breaches open now, newest first (bounded: one a guard)."""
    query = select(Breach).where(Breach.closed_at.is_(None)).order_by(Breach.id.desc())
    if scenario_ids is not None:
        query = query.where(Breach.scenario_id.in_(scenario_ids))
    return list(session.scalars(query))
